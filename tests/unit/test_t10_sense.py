"""Sense data of both formats, and the patterns of scenarios."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.t10.sense import Sense, decode, describe, parse_sense
from lab.t10.status import driver_status_name, host_status_name, status_name


def test_fixed_format_as_lio_sends_it() -> None:
    sense = decode(bytes.fromhex("700002000000000a00000000080000000000"))
    assert sense == Sense(2, 8, 0, None, False, "NOT READY, LOGICAL UNIT COMMUNICATION FAILURE")
    assert describe(sense) == "NOT READY, LOGICAL UNIT COMMUNICATION FAILURE (2/08/00)"


def test_information_of_fixed_format_counts_only_when_valid() -> None:
    assert decode(bytes.fromhex("f0000e0000002a0a000000001d0000000000")).information == 42
    assert decode(bytes.fromhex("70000e0000002a0a000000001d0000000000")).information is None


def test_descriptor_format_with_information() -> None:
    data = bytes.fromhex("720e1d000000000c" + "000a8000" + "0000000000000200")
    sense = decode(data)
    assert (sense.key, sense.asc, sense.ascq, sense.information) == (14, 0x1d, 0, 0x200)
    assert "information 0x200" in describe(sense)


def test_deferred_errors_are_known_in_both_formats() -> None:
    assert decode(bytes.fromhex("710003000000000a00000000110000000000")).deferred
    assert decode(bytes.fromhex("7303110000000000")).deferred


@pytest.mark.parametrize("data", ["", "00", "700005", "ff000500000000", "6000050000000000"])
def test_what_is_no_sense_data_decodes_to_nothing(data: str) -> None:
    assert decode(bytes.fromhex(data)) is None


@given(st.binary(max_size=64))
def test_decoding_never_crashes(data: bytes) -> None:
    sense = decode(data)
    assert sense is None or describe(sense)


def test_unknown_codes_keep_their_numbers() -> None:
    assert describe(decode(bytes.fromhex("70000c000000000a00000000eeef00000000"))) == "SENSE KEY Ch (c/ee/ef)"


@pytest.mark.parametrize(("text", "yes", "no"), [
    ("MEDIUM_ERROR", "3/11/00", "2/11/00"), ("medium error", "3/11/00", "2/11/00"),
    ("5/21/00", "5/21/00", "5/21/01"), ("0x5/0x21/0x0", "5/21/00", "5/24/00"),
    ("ILLEGAL_REQUEST 21/00", "5/21/00", "5/24/00"),
])
def test_patterns(text: str, yes: str, no: str) -> None:
    def sense(codes: str) -> Sense:
        key, asc, ascq = (int(c, 16) for c in codes.split("/"))
        return Sense(key, asc, ascq, None, False, "")
    pattern = parse_sense(text)
    assert pattern.matches(sense(yes)) and not pattern.matches(sense(no)) and not pattern.matches(None)


@pytest.mark.parametrize(("text", "words"), [
    ("MEDIUM_EROR", "did you mean MEDIUM_ERROR"), ("5/21", "expected a sense key"), ("", "expected a sense key"),
    ("5/21/00/1", "expected a sense key"), ("XQZ", "unknown sense key 'XQZ'"),
])
def test_a_bad_pattern_says_what_is_right(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_sense(text)


def test_names_of_status_bytes() -> None:
    assert status_name(2) == "CHECK_CONDITION" and status_name(0x18) == "RESERVATION_CONFLICT"
    assert host_status_name(0x0e) == "DID_TRANSPORT_DISRUPTED" and host_status_name(0x77) == "HOST 0x77"
    assert driver_status_name(0x28) == "DRIVER_SENSE"
