"""Answers of SCSI commands as flat fields, by the names that a scenario's `expect: fields:` uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.t10 import copy, transport
from lab.t10 import sense as sense_data
from lab.t10.fields import ACCESS_STATES, RESERVATION_TYPES, parse_number
from lab.t10.vpd import PAGES, VpdPage

Fields = dict[str, Any]
_STATES = {number: name for name, number in ACCESS_STATES.items()}
_TYPES = {number: name for name, number in RESERVATION_TYPES.items()}


def decode(command: str, arguments: Mapping[str, Any], data: bytes) -> Fields:
    """The fields of an answer. `arguments` are those that the command was sent with.

    Raises ValueError, with one sentence, for a command without a decoder and for an answer that is too short.
    """
    decoder = _decoder(command, arguments)
    if decoder is None:
        raise ValueError(f"answers of {command} are not decoded; compare data instead")
    try:
        return decoder(data)
    except IndexError:
        raise ValueError(f"the answer to {command} is cut off after {len(data)} bytes") from None


def _decoder(command: str, arguments: Mapping[str, Any]) -> Callable[[bytes], Fields] | None:
    if command == "inquiry" and parse_number(arguments.get("evpd", 0)):
        page = parse_number(arguments.get("page", 0)) or 0
        if page not in PAGES:
            raise ValueError(f"VPD page 0x{page:02x} is not decoded; compare data instead")
        return lambda data: PAGES[page](VpdPage(page, data))
    if command == "persistent_reserve_in":
        return _RESERVE_IN.get(str(arguments.get("action")))
    if command == "report_supported_operation_codes":
        return _one_operation if parse_number(arguments.get("reporting_options", 0)) else _all_operations
    if command == "receive_copy_results":
        return copy.operating_parameters if str(arguments.get("action")) in ("operating_parameters", "3") else None
    return _BY_COMMAND.get(command)


def number(data: bytes, at: int, size: int) -> int:
    """A big-endian field; IndexError when the data end before it."""
    if at + size > len(data):
        raise IndexError(at)
    return int.from_bytes(data[at:at + size], "big")


def text(data: bytes, at: int, size: int) -> str:
    """An ASCII field without the spaces that fill it."""
    if at + size > len(data):
        raise IndexError(at)
    return data[at:at + size].decode("ascii", "replace").rstrip(" \0")


def _report_luns(data: bytes) -> Fields:
    # Their order has no meaning (SPC-4 6.33), and LIO's is that of a hash table's list.
    listed = number(data, 0, 4) // 8
    return {"luns": sorted(lun_number(number(data, 8 + 8 * i, 8)) for i in range(listed)), "list_length": listed * 8}


def lun_number(lun: int) -> int:
    """The LUN of an 8-byte LUN: peripheral and flat space addressing, SAM-5 4.7.5; others come as they are."""
    first = lun >> 48
    method, rest = first >> 14, lun & (1 << 48) - 1
    if rest or method > 1:
        return lun
    return first & 0x3fff


def _inquiry(data: bytes) -> Fields:
    return {
        "peripheral_qualifier": number(data, 0, 1) >> 5, "device_type": data[0] & 0x1f,
        "removable": number(data, 1, 1) >> 7, "version": number(data, 2, 1),
        "tpgs": number(data, 5, 1) >> 4 & 3, "3pc": data[5] >> 3 & 1, "protect": data[5] & 1,
        "sccs": data[5] >> 7, "cmdque": number(data, 7, 1) >> 1 & 1, "multip": number(data, 6, 1) >> 4 & 1,
        "vendor": text(data, 8, 8), "product": text(data, 16, 16), "revision": text(data, 32, 4),
    }


def _read_capacity10(data: bytes) -> Fields:
    last = number(data, 0, 4)
    return {"last_lba": last, "blocks": last + 1, "block_size": number(data, 4, 4)}


def _read_capacity16(data: bytes) -> Fields:
    last, flags, thin = number(data, 0, 8), number(data, 12, 1), number(data, 14, 2)
    return {"last_lba": last, "blocks": last + 1, "block_size": number(data, 8, 4), "prot_en": flags & 1,
            "p_type": flags >> 1 & 7, "lbpme": thin >> 15, "lbprz": thin >> 14 & 1,
            "lowest_aligned_lba": thin & 0x3fff, "physical_block_exponent": number(data, 13, 1) & 0x0f}


def _mode_pages(data: bytes, at: int, end: int) -> Fields:
    """Fields of the caching (08h), control (0Ah) and informational exceptions (1Ch) pages; which pages are there."""
    fields: Fields = {"pages": []}
    while at + 2 <= min(end, len(data)):
        page, long = data[at] & 0x3f, data[at] & 0x40
        if long:
            fields["pages"].append(f"0x{page:02x}/0x{number(data, at + 1, 1):02x}")
            at += 4 + number(data, at + 2, 2)
            continue
        fields["pages"].append(f"0x{page:02x}")
        if page == 0x08:  # SBC-4 6.4.5
            fields |= {"wce": number(data, at + 2, 1) >> 2 & 1, "rcd": data[at + 2] & 1}
        elif page == 0x0a:  # SPC-4 7.5.8
            fields |= {"d_sense": number(data, at + 2, 1) >> 2 & 1, "tst": data[at + 2] >> 5,
                       "queue_algorithm": number(data, at + 3, 1) >> 4, "swp": number(data, at + 4, 1) >> 3 & 1,
                       "ua_intlck_ctrl": data[at + 4] >> 4 & 3, "tas": number(data, at + 5, 1) >> 6 & 1,
                       "ato": data[at + 5] >> 7}
        at += 2 + data[at + 1]
    return fields


def _block_descriptor(data: bytes, at: int, length: int, *, long: bool) -> Fields:
    """The first short or long LBA mode parameter block descriptor, SBC-3 6.4.2; one that was cut off is left out."""
    fields: Fields = {"descriptor_length": length, "longlba": int(long)}
    if long and 16 <= length <= len(data) - at:
        fields |= {"number_of_blocks": number(data, at, 8), "block_size": number(data, at + 12, 4)}
    elif not long and 8 <= length <= len(data) - at:
        fields |= {"number_of_blocks": number(data, at, 4), "block_size": number(data, at + 5, 3)}
    return fields


def _mode_sense6(data: bytes) -> Fields:
    length, specific, descriptors = number(data, 0, 1), number(data, 2, 1), number(data, 3, 1)
    return {"wp": specific >> 7, "dpofua": specific >> 4 & 1, "mode_data_length": length,
            **_block_descriptor(data, 4, descriptors, long=False), **_mode_pages(data, 4 + descriptors, length + 1)}


def _mode_sense10(data: bytes) -> Fields:
    length, specific, descriptors = number(data, 0, 2), number(data, 3, 1), number(data, 6, 2)
    return {"wp": specific >> 7, "dpofua": specific >> 4 & 1, "mode_data_length": length,
            **_block_descriptor(data, 8, descriptors, long=bool(number(data, 4, 1) & 1)),
            **_mode_pages(data, 8 + descriptors, length + 2)}


def _read_keys(data: bytes) -> Fields:
    count = number(data, 4, 4) // 8
    return {"generation": number(data, 0, 4), "keys": [hex(number(data, 8 + 8 * i, 8)) for i in range(count)]}


def _read_reservation(data: bytes) -> Fields:
    fields: Fields = {"generation": number(data, 0, 4), "reserved": bool(number(data, 4, 4))}
    if fields["reserved"]:
        fields |= {"reservation_key": hex(number(data, 8, 8)), **_scope_and_type(number(data, 21, 1))}
    return fields


def _scope_and_type(byte: int) -> Fields:
    return {"scope": byte >> 4, "type": _TYPES.get(byte & 0x0f, f"0x{byte & 0x0f:x}")}


def _report_capabilities(data: bytes) -> Fields:
    flags, more, mask = number(data, 2, 1), number(data, 3, 1), number(data, 4, 2)
    # SPC-4 table 217: bits of the TYPE MASK.
    bits = {9: 1, 11: 3, 13: 5, 14: 6, 15: 7, 0: 8}
    return {"crh": flags >> 4 & 1, "sip_c": flags >> 3 & 1, "atp_c": flags >> 2 & 1, "ptpl_c": flags & 1,
            "ptpl_a": more & 1, "tmv": more >> 7, "rlr_c": flags >> 7,
            "types": [_TYPES[kind] for bit, kind in bits.items() if mask >> bit & 1]}


def _read_full_status(data: bytes) -> Fields:
    end, at = 8 + number(data, 4, 4), 8
    fields: Fields = {"generation": number(data, 0, 4), "keys": [], "holders": [], "types": [],
                      "relative_target_ports": [], "all_target_ports": [], "transport_ids": []}
    while at + 24 <= end:
        key, flags, size = hex(number(data, at, 8)), number(data, at + 12, 1), number(data, at + 20, 4)
        fields["keys"].append(key)
        fields["all_target_ports"].append(bool(flags & 2))
        fields["relative_target_ports"].append(number(data, at + 18, 2))
        fields["transport_ids"].append(transport.decode(data[at + 24:at + 24 + size]))
        if flags & 1:
            fields["holders"].append(key)
            fields["types"].append(_scope_and_type(number(data, at + 13, 1))["type"])
        at += 24 + size
    return fields


_RESERVE_IN: dict[str, Callable[[bytes], Fields]] = {
    "read_keys": _read_keys, "read_reservation": _read_reservation, "report_capabilities": _report_capabilities,
    "read_full_status": _read_full_status,
    "0": _read_keys, "1": _read_reservation, "2": _report_capabilities, "3": _read_full_status,
}


def _target_port_groups(data: bytes) -> Fields:
    """SPC-4 6.37; with the extended header (FORMAT TYPE 001b) the groups begin four bytes later."""
    end, extended = 4 + number(data, 0, 4), number(data, 4, 1) & 0x70 == 0x10 if len(data) > 4 else False
    fields: Fields = {"groups": [], "states": [], "preferred": [], "supported": [], "status": [], "ports": []}
    if extended:
        fields["implicit_transition_s"] = number(data, 5, 1)
    at = 8 if extended else 4
    while at + 8 <= end:
        state, count = number(data, at, 1), number(data, at + 7, 1)
        fields["groups"].append(number(data, at + 2, 2))
        fields["states"].append(_STATES.get(state & 0x0f, f"0x{state & 0x0f:x}"))
        fields["preferred"].append(bool(state & 0x80))
        fields["supported"].append(number(data, at + 1, 1))
        fields["status"].append(number(data, at + 5, 1))
        fields["ports"] += [number(data, at + 8 + 4 * i + 2, 2) for i in range(count)]
        at += 8 + 4 * count
    return fields


def _report_referrals(data: bytes) -> Fields:
    """SBC-4 5.21: `segments` as first LBA, last LBA, and each group with its state."""
    end, at = 4 + number(data, 2, 2), 4
    fields: Fields = {"segments": []}
    while at + 20 <= end:
        count = number(data, at + 3, 1)
        groups = [f"{number(data, at + 22 + 4 * i, 2)}:{_STATES.get(number(data, at + 20 + 4 * i, 1) & 0x0f, '?')}"
                  for i in range(count)]
        fields["segments"].append(f"{number(data, at + 4, 8)}-{number(data, at + 12, 8)} {' '.join(groups)}")
        at += 20 + 4 * count
    return fields


def _all_operations(data: bytes) -> Fields:
    end, at = 4 + number(data, 0, 4), 4
    codes = []
    while at + 8 <= end:
        code, action, flags = number(data, at, 1), number(data, at + 2, 2), number(data, at + 5, 1)
        codes.append(f"0x{code:02x}/0x{action:02x}" if flags & 1 else f"0x{code:02x}")
        at += 20 if flags & 2 else 8
    return {"operations": codes}


def _one_operation(data: bytes) -> Fields:
    # Of a command that is not supported LIO sends the first two bytes only.
    support = number(data, 1, 1) & 7
    size = number(data, 2, 2) if support in (3, 5) or len(data) > 2 else 0
    return {"support": support, "supported": support in (3, 5), "cdb_size": size,
            "usage": data[4:4 + size].hex()}


def _request_sense(data: bytes) -> Fields:
    sense = sense_data.decode(data)
    if sense is None:
        raise ValueError("the answer is not sense data")
    return {"key": sense.key, "asc": sense.asc, "ascq": sense.ascq, "text": sense.text}


_BY_COMMAND: dict[str, Callable[[bytes], Fields]] = {
    "report_luns": _report_luns, "inquiry": _inquiry, "read_capacity10": _read_capacity10,
    "read_capacity16": _read_capacity16, "mode_sense6": _mode_sense6, "mode_sense10": _mode_sense10,
    "report_target_port_groups": _target_port_groups, "request_sense": _request_sense,
    "report_referrals": _report_referrals,
}
