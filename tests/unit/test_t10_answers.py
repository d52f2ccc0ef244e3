"""Decoded answers: what real kernels sent, and layouts of the standards."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.t10.answers import decode, lun_number
from lab.t10.commands import COMMANDS


def vpd(page: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0, page, len(body)) + body


def designator(association: int, kind: int, code_set: int, value: bytes) -> bytes:
    return bytes((code_set, 0x80 | association << 4 | kind, 0, len(value))) + value


def test_report_luns() -> None:
    data = struct.pack(">II", 24, 0) + bytes.fromhex("000000000000000000010000000000004100000000000000")
    assert decode("report_luns", {}, data)["luns"] == [0, 1, 256]


def test_lun_of_an_unknown_addressing_method_comes_as_it_is() -> None:
    assert lun_number(0xc101000000000000) == 0xc101000000000000


def test_inquiry() -> None:
    data = bytes.fromhex("0000060221180002") \
        + b"LIO-ORG ramdisk         4.0 "
    fields = decode("inquiry", {}, data)
    assert (fields["vendor"], fields["product"], fields["revision"]) == ("LIO-ORG", "ramdisk", "4.0")
    assert (fields["version"], fields["tpgs"], fields["3pc"], fields["protect"], fields["cmdque"]) == (6, 1, 1, 0, 1)


def test_inquiry_of_a_lun_that_is_not_there() -> None:
    assert decode("inquiry", {}, b"\x7f" + bytes(40))["peripheral_qualifier"] == 3


def test_vpd_pages() -> None:
    assert decode("inquiry", {"evpd": True, "page": 0}, vpd(0, b"\x00\x80\x83"))["pages"] == ["0x00", "0x80", "0x83"]
    assert decode("inquiry", {"evpd": 1, "page": "0x80"}, vpd(0x80, b"abc\0"))["serial"] == "abc"


def test_vpd_identification() -> None:
    body = designator(0, 3, 1, bytes.fromhex("60014050123456789abcdef012345678")) \
        + designator(0, 1, 2, b"LIO-ORG ramdisk:abc\0") + designator(1, 4, 1, b"\0\0\0\1") \
        + designator(1, 5, 1, b"\0\0\0\2") + designator(1, 3, 1, bytes.fromhex("6001405000000001"))
    fields = decode("inquiry", {"evpd": True, "page": 0x83}, vpd(0x83, body))
    assert fields["naa"] == "60014050123456789abcdef012345678"
    assert fields["t10_vendor_id"] == "LIO-ORG ramdisk:abc"
    assert (fields["relative_target_port"], fields["target_port_group"]) == (1, 2)
    assert fields["target_port"] == "6001405000000001"
    assert len(fields["designators"]) == 5 and fields["designators"][2] == "port/relative_target_port: 1"


def test_vpd_block_limits_and_provisioning() -> None:
    limits = bytes.fromhex("0001000000000080000000800000000000001000000000010000000180000000"
                           "0000000000001000") + bytes(20)
    fields = decode("inquiry", {"evpd": True, "page": 0xb0}, vpd(0xb0, limits))
    assert (fields["max_compare_and_write_length"], fields["max_unmap_lba_count"]) == (1, 0x1000)
    assert (fields["max_write_same_length"], fields["max_transfer_length"], fields["ugavalid"]) == (0x1000, 0x80, 1)
    fields = decode("inquiry", {"evpd": True, "page": 0xb2}, vpd(0xb2, bytes((0, 0xe4, 2, 0))))
    assert (fields["lbpu"], fields["lbpws"], fields["lbpws10"], fields["lbprz"], fields["provisioning_type"]) \
        == (1, 1, 1, 1, 2)


def test_another_vpd_page_than_the_one_asked_for() -> None:
    with pytest.raises(ValueError, match="0x80, not 0x83"):
        decode("inquiry", {"evpd": True, "page": 0x83}, vpd(0x80, b"abc"))


def test_block_descriptors_of_mode_sense() -> None:
    short = bytes.fromhex("1700000800001fff000002000a0a021000400000ffff001e")
    fields = decode("mode_sense6", {}, short)
    assert (fields["descriptor_length"], fields["number_of_blocks"], fields["block_size"]) == (8, 0x1fff, 512)
    long = bytes.fromhex("0022000001000010000000018000000000000000000010000a0a061000400000ffff001e")
    fields = decode("mode_sense10", {}, long)
    assert (fields["longlba"], fields["number_of_blocks"], fields["block_size"]) == (1, 0x180000000, 4096)
    assert fields["pages"] == ["0x0a"] and fields["d_sense"] == 1
    assert "block_size" not in decode("mode_sense6", {}, short[:4])


def test_referrals_and_an_operation_code_that_is_not_supported() -> None:
    page = vpd(0xb3, bytes(4) + (64).to_bytes(4, "big") + (3).to_bytes(4, "big"))
    assert decode("inquiry", {"evpd": 1, "page": 0xb3}, page) \
        == {"segment_size": 64, "segment_multiplier": 3}
    fields = decode("report_supported_operation_codes", {"reporting_options": 1}, b"\x00\x01")
    assert (fields["support"], fields["supported"]) == (1, False)


def test_receive_copy_operating_parameters() -> None:
    data = bytes.fromhex("0000002a0100000000020001000004001000000000000000000000000000000000000001010909090000000202e4")
    fields = decode("receive_copy_results", {"action": "operating_parameters"}, data)
    assert fields == {
        "available": 42, "snlid": 1, "max_cscds": 2, "max_segments": 1, "max_list_length": 1024,
        "max_segment_length": 1 << 28, "max_inline_length": 0, "held_data_limit": 0, "max_stream_transfer": 0,
        "total_concurrent": 1, "max_concurrent": 1, "segment_granularity": 9, "inline_granularity": 9,
        "held_granularity": 9, "descriptors": ["0x02", "0xe4"]}
    with pytest.raises(ValueError, match="cut off after 45"):
        decode("receive_copy_results", {"action": 3}, data[:45])


def test_read_capacity() -> None:
    assert decode("read_capacity10", {}, bytes.fromhex("00003fff00000200")) \
        == {"last_lba": 0x3fff, "blocks": 0x4000, "block_size": 512}
    fields = decode("read_capacity16", {}, struct.pack(">QIBBH16x", 99, 4096, 1, 3, 0xc000))
    assert (fields["blocks"], fields["block_size"], fields["lbpme"], fields["lbprz"], fields["prot_en"],
            fields["physical_block_exponent"]) == (100, 4096, 1, 1, 1, 3)


def test_mode_sense() -> None:
    caching, control = bytes((0x08, 0x12, 0x04)) + bytes(17), bytes((0x0a, 0x0a, 0x04, 0, 0x30, 0x40)) + bytes(6)
    pages = caching + control
    fields = decode("mode_sense6", {}, bytes((3 + len(pages), 0, 0x90, 0)) + pages)
    assert (fields["wce"], fields["wp"], fields["dpofua"], fields["tas"], fields["d_sense"]) == (1, 1, 1, 1, 1)
    assert fields["ua_intlck_ctrl"] == 3 and fields["pages"] == ["0x08", "0x0a"]
    ten = decode("mode_sense10", {}, struct.pack(">HBB2xH", 6 + len(pages), 0, 0x10, 0) + pages)
    assert (ten["wce"], ten["wp"], ten["dpofua"]) == (1, 0, 1)


def test_persistent_reserve_in_as_a_kernel_sent_it() -> None:
    keys = bytes.fromhex("000000020000001000000000000001230000000000000456")
    assert decode("persistent_reserve_in", {"action": "read_keys"}, keys) \
        == {"generation": 2, "keys": ["0x123", "0x456"]}
    held = bytes.fromhex("000000020000001000000000000001230000000000030000")
    assert decode("persistent_reserve_in", {"action": "read_reservation"}, held) == {
        "generation": 2, "reserved": True, "reservation_key": "0x123", "scope": 0, "type": "exclusive_access"}
    assert decode("persistent_reserve_in", {"action": 1}, bytes(8)) == {"generation": 0, "reserved": False}
    able = decode("persistent_reserve_in", {"action": "report_capabilities"}, bytes.fromhex("00081d90ea010000"))
    assert len(able["types"]) == 6 and able["ptpl_c"] == 1


def test_read_full_status() -> None:
    def one(key: int, holder: int) -> bytes:
        flags = holder | (key == 0x10) << 1
        return struct.pack(">Q4xBB4xHI", key, flags, 0x05 if holder else 0, 7, 24) \
            + bytes.fromhex("06000000 6001405000000052") + bytes(12)
    data = struct.pack(">II", 9, 96) + one(0x10, 0) + one(0x20, 1)
    fields = decode("persistent_reserve_in", {"action": "read_full_status"}, data)
    assert (fields["keys"], fields["holders"], fields["generation"]) == (["0x10", "0x20"], ["0x20"], 9)
    assert fields["types"] == ["write_exclusive_registrants_only"] and fields["relative_target_ports"] == [7, 7]
    assert fields["transport_ids"] == ["naa.6001405000000052"] * 2 and fields["all_target_ports"] == [True, False]


def test_target_port_groups_as_a_kernel_sent_it() -> None:
    fields = decode("report_target_port_groups", {}, bytes.fromhex("0000001002cf0000000200020000000100000002"))
    assert (fields["groups"], fields["states"], fields["ports"]) == ([0], ["standby"], [1, 2])


def test_target_port_groups_with_the_extended_header() -> None:
    fields = decode("report_target_port_groups", {"extended": 1},
                    bytes.fromhex("00000010 10050000 80df0001 00010001 00000003"))
    assert (fields["groups"], fields["states"], fields["preferred"]) == ([1], ["active_optimized"], [True])
    assert (fields["supported"], fields["ports"], fields["implicit_transition_s"]) == ([0xdf], [3], 5)


def test_referrals() -> None:
    data = struct.pack(">2xH3xBQQBxHBxH", 28, 2, 0, 2047, 0, 0, 2, 1)
    assert decode("report_referrals", {}, data) == {"segments": ["0-2047 0:active_optimized 1:standby"]}
    page = bytes.fromhex("00b3000c 00000000 00000800 00000002")
    assert decode("inquiry", {"evpd": True, "page": 0xb3}, page) == {"segment_size": 2048, "segment_multiplier": 2}


def test_supported_operation_codes() -> None:
    listed = struct.pack(">I", 16) + bytes.fromhex("0000000000000006") + bytes.fromhex("9e0000100001000f")
    assert decode("report_supported_operation_codes", {}, listed)["operations"] == ["0x00", "0x9e/0x10"]
    one = decode("report_supported_operation_codes", {"reporting_options": 1}, bytes.fromhex("00030006120000000000"))
    assert one["supported"] and one["cdb_size"] == 6


def test_what_cannot_be_decoded_is_said() -> None:
    with pytest.raises(ValueError, match="answers of read10 are not decoded"):
        decode("read10", {}, b"")
    with pytest.raises(ValueError, match="cut off after 5 bytes"):
        decode("read_capacity10", {}, bytes(5))
    with pytest.raises(ValueError, match="page 0xc0"):
        decode("inquiry", {"evpd": True, "page": 0xc0}, bytes(8))


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=96),
       st.sampled_from([0, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 0x86]), st.booleans())
def test_hostile_answers_are_decoded_or_refused(command: str, data: bytes, page: int, evpd: bool) -> None:
    with contextlib.suppress(ValueError):
        decode(command, {"evpd": evpd, "page": page, "action": "read_full_status"}, data)
