"""SCSI commands by name: which arguments each takes, and the CDB and parameter list that they make.

Section numbers are those of SPC-4 (r37) and SBC-4 (r15).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.t10 import blocks, cdbs, copy, transport
from lab.t10.cdbs import Built, Call
from lab.t10.fields import ACCESS_STATES, FLAG, RESERVATION_TYPES, Field, parse_descriptor

_BYTE, _WORD, _LONG, _QUAD = Field(0xff), Field(0xffff), Field(0xffffffff), Field((1 << 64) - 1)
_PROTECT, _NAA = Field(7), Field((1 << 128) - 1)
_LIST = {"parameter_list_length": _LONG}
_IN_ACTIONS = Field(0x1f, {"read_keys": 0, "read_reservation": 1, "report_capabilities": 2,
                           "read_full_status": 3}, required=True)
_OUT_ACTIONS = Field(0x1f, {"register": 0, "reserve": 1, "release": 2, "clear": 3, "preempt": 4,
                            "preempt_and_abort": 5, "register_and_ignore": 6, "register_and_move": 7},
                     required=True)


_WITH_SERVICE_ACTION = (0x5e, 0x5f, 0x9e, 0xa3, 0xa4)


@dataclass(frozen=True)
class Command:
    """A command: how to build it, the widths in bits of its LBA and length fields (0: it has none)."""

    build: Callable[[Call], Built]
    lba_bits: int = 0
    blocks_bits: int = 0
    arguments: Mapping[str, Field] = field(default_factory=dict)
    needs_lba: bool = True


def _mode(build: Callable[[Call], Built], allocation: Field, more: Mapping[str, Field]) -> Command:
    return Command(build, arguments={"page": Field(0x3f), "subpage": _BYTE, "pc": Field(3), "dbd": FLAG,
                                     **more, "allocation": allocation})


def _select(build: Callable[[Call], Built], length: Field) -> Command:
    return Command(build, arguments={"pf": FLAG, "sp": FLAG, "parameter_list_length": length})


_READ = {"dpo": FLAG, "fua": FLAG, "rdprotect": _PROTECT}
_WRITE = {"dpo": FLAG, "fua": FLAG, "wrprotect": _PROTECT}
_VERIFY = {"dpo": FLAG, "bytchk": Field(3), "vrprotect": _PROTECT}
_SAME = {"unmap": FLAG, "anchor": FLAG, "wrprotect": _PROTECT}

COMMANDS: Mapping[str, Command] = {
    "test_unit_ready": Command(cdbs.test_unit_ready),                                       # SPC-4 6.47
    "request_sense": Command(cdbs.request_sense, arguments={"desc": FLAG, "allocation": _BYTE}),    # 6.39
    "inquiry": Command(cdbs.inquiry, arguments={"evpd": FLAG, "page": _BYTE, "allocation": _WORD}),  # 6.6
    "report_luns": Command(cdbs.report_luns, arguments={"select_report": _BYTE, "allocation": _LONG}),  # 6.33
    "mode_sense6": _mode(cdbs.mode_sense6, _BYTE, {}),                                      # 6.13
    "mode_sense10": _mode(cdbs.mode_sense10, _WORD, {"llbaa": FLAG}),                       # 6.14
    "mode_select6": _select(cdbs.mode_select6, _BYTE),                                      # 6.11
    "mode_select10": _select(cdbs.mode_select10, _WORD),                                    # 6.12
    "log_sense": Command(cdbs.log_sense, arguments={"page": Field(0x3f), "subpage": _BYTE,  # 6.8
                                                    "allocation": _WORD}),
    "log_select": Command(cdbs.log_select, arguments={"pcr": FLAG, "parameter_list_length": _WORD}),   # 6.7
    "send_diagnostic": Command(cdbs.send_diagnostic,                                        # 6.42
                               arguments={"self_test": FLAG, "parameter_list_length": _WORD}),
    "receive_diagnostic_results": Command(cdbs.receive_diagnostic_results, arguments={      # 6.28
        "pcv": FLAG, "page": _BYTE, "allocation": _WORD}),
    "write_buffer": Command(cdbs.write_buffer,                                              # 6.49
                            arguments={"mode": Field(0x1f), "parameter_list_length": Field(0xffffff)}),
    "security_protocol_in": Command(cdbs.security_protocol_in, arguments={                  # 6.40
        "protocol": _BYTE, "specific": _WORD, "allocation": _LONG}),
    "security_protocol_out": Command(cdbs.security_protocol_out, arguments={                # 6.41
        "protocol": _BYTE, "specific": _WORD, **_LIST}),
    "read_attribute": Command(cdbs.read_attribute,                                          # 6.21
                              arguments={"service_action": Field(0x1f), "allocation": _LONG}),
    "write_attribute": Command(cdbs.write_attribute, arguments=_LIST),                      # 6.48
    "report_identifying_information": Command(cdbs.report_identifying_information,          # 6.32
                                              arguments={"allocation": _LONG}),
    "report_timestamp": Command(cdbs.report_timestamp, arguments={"allocation": _LONG}),    # 6.38
    "reserve6": Command(cdbs.reserve6),                                                     # SPC-2 7.21
    "release6": Command(cdbs.release6),                                                     # SPC-2 7.16
    "reserve10": Command(cdbs.reserve10),                                                   # SPC-2 7.22
    "release10": Command(cdbs.release10),                                                   # SPC-2 7.17
    "persistent_reserve_in": Command(cdbs.persistent_reserve_in,                            # SPC-4 6.15
                                     arguments={"action": _IN_ACTIONS, "allocation": _WORD}),
    "persistent_reserve_out": Command(cdbs.persistent_reserve_out, arguments={              # 6.16
        "action": _OUT_ACTIONS, "key": _QUAD, "sa_key": _QUAD, "type": Field(0xf, RESERVATION_TYPES),
        "scope": Field(0xf), "aptpl": FLAG, "all_tg_pt": FLAG, "spec_i_pt": FLAG, "unreg": FLAG,
        "relative_target_port": _WORD, "transport_ids": Field(each=transport.encode, form=transport.FORM),
        "parameter_list_length": _LONG}),
    "report_target_port_groups": Command(cdbs.report_target_port_groups,                    # 6.37
                                         arguments={"extended": FLAG, "allocation": _LONG}),
    "set_target_port_groups": Command(cdbs.set_target_port_groups, arguments={              # 6.45
        "group": Field(0xffff, required=True), "state": Field(0xf, ACCESS_STATES, required=True)}),
    "report_supported_operation_codes": Command(cdbs.report_supported_operation_codes, arguments={  # 6.35
        "reporting_options": Field(7), "opcode": _BYTE, "service_action": _WORD, "rctd": FLAG,
        "allocation": _LONG}),
    "read_capacity10": Command(blocks.read_capacity10, 32, arguments={"pmi": FLAG}, needs_lba=False),  # SBC-4 5.15
    "read_capacity16": Command(blocks.read_capacity16, arguments={"allocation": _LONG}),      # 5.16
    "read6": Command(blocks.read6, 21, 8),                                                    # SBC-2 5.6
    "read10": Command(blocks.read10, 32, 16, _READ),                                          # SBC-4 5.11
    "read12": Command(blocks.read12, 32, 32, _READ),                                          # 5.12
    "read16": Command(blocks.read16, 64, 32, _READ),                                          # 5.13
    "write6": Command(blocks.write6, 21, 8),                                                  # SBC-2 5.24
    "write10": Command(blocks.write10, 32, 16, _WRITE),                                       # SBC-4 5.36
    "write12": Command(blocks.write12, 32, 32, _WRITE),                                       # 5.37
    "write16": Command(blocks.write16, 64, 32, _WRITE),                                       # 5.38
    "write_and_verify10": Command(blocks.write_and_verify10, 32, 16, {**_WRITE, "bytchk": Field(3)}),  # 5.40
    "write_and_verify16": Command(blocks.write_and_verify16, 64, 32, {**_WRITE, "bytchk": Field(3)}),  # 5.42
    "write_and_verify12": Command(blocks.write_and_verify12, 32, 32, {**_WRITE, "bytchk": Field(3)}),  # 5.41
    "verify10": Command(blocks.verify10, 32, 16, _VERIFY),                                    # 5.32
    "verify16": Command(blocks.verify16, 64, 32, _VERIFY),                                    # 5.34
    "verify12": Command(blocks.verify12, 32, 32, _VERIFY),                                  # 5.33
    "read32": Command(blocks.read32, 64, 32, _READ),                                        # 5.14
    "write32": Command(blocks.write32, 64, 32, _WRITE),                                     # 5.39
    "write_atomic16": Command(blocks.write_atomic16, 64, 16, {**_WRITE, "boundary": _WORD}),   # SBC-4 r22 5.48
    "xdwriteread10": Command(blocks.xdwriteread10, 32, 16, _WRITE),                         # SBC-3 5.48
    "write_same10": Command(blocks.write_same10, 32, 16, _SAME),                              # 5.44
    "write_same16": Command(blocks.write_same16, 64, 32, {**_SAME, "ndob": FLAG}),            # 5.45
    "write_same32": Command(blocks.write_same32, 64, 32,                                    # 5.46
                            {**_SAME, "ndob": FLAG, "reference_tag": _LONG}),
    "unmap": Command(blocks.unmap, 64, 32, {                                                  # 5.31
        "anchor": FLAG, "parameter_list_length": _WORD, "descriptors": Field(
        each=parse_descriptor, form="lba+count")}, needs_lba=False),
    "compare_and_write": Command(blocks.compare_and_write, 64, 8, _WRITE),                    # 5.3
    "synchronize_cache10": Command(blocks.synchronize_cache10, 32, 16, {"immed": FLAG}, needs_lba=False),  # 5.26
    "synchronize_cache16": Command(blocks.synchronize_cache16, 64, 32, {"immed": FLAG}, needs_lba=False),  # 5.27
    "start_stop_unit": Command(blocks.start_stop_unit, arguments={                            # 5.25
        "start": FLAG, "loej": FLAG, "no_flush": FLAG, "immed": FLAG, "modifier": Field(0xf),
        "power_condition": Field(0xf)}),
    "seek6": Command(blocks.seek6, 21),                                                     # SCSI-2 9.2.15
    "seek10": Command(blocks.seek10, 32),                                                   # SCSI-2 9.2.15
    "rezero_unit": Command(blocks.rezero_unit),                                             # SCSI-2 9.2.13
    "report_referrals": Command(blocks.report_referrals, 64, arguments={                    # 5.20
        "one_segment": FLAG, "allocation": _LONG}, needs_lba=False),
    "get_lba_status": Command(blocks.get_lba_status, 64, arguments={"allocation": _LONG}),  # 5.4
    "pre_fetch10": Command(blocks.pre_fetch10, 32, 16, {"immed": FLAG}),                    # 5.8
    "format_unit": Command(blocks.format_unit),                                             # 5.3
    "extended_copy": Command(copy.extended_copy, 64, 16, {                                  # SPC-4 6.4
        "destination_lba": _QUAD, "source_naa": _NAA, "destination_naa": _NAA, "cscds": Field(64),
        "segments": Field(64), "source_id": _WORD, "destination_id": _WORD, "dc": FLAG, "service_action": Field(0x1f),
        "list_id": _BYTE, "list_id_usage": Field(3), "cscd_type": _BYTE, "code_set": Field(0xf),
        "association": Field(3), "designator_type": Field(0xf), "designator_length": _BYTE, "segment_type": _BYTE,
        "segment_length": _WORD, "cscd_list_length": _WORD, "segment_list_length": _LONG, "inline_length": _LONG,
        "parameter_list_length": _LONG}),
    "receive_copy_results": Command(copy.receive_copy_results, arguments={                  # 6.17 to 6.20
        "action": Field(0x1f, {"copy_status": 0, "receive_data": 1, "operating_parameters": 3,
                               "failed_segment_details": 4}, required=True),
        "list_id": _BYTE, "allocation": _LONG}),
}


def opcode(command: str) -> tuple[int, int | None]:
    """Operation code, and the service action where that tells commands apart. ValueError as in check_arguments."""
    known = COMMANDS[command]
    cdb = build(command, lba=0 if known.lba_bits else None).cdb
    return cdb[0], cdb[1] & 0x1f if cdb[0] in _WITH_SERVICE_ACTION else None


def check_arguments(command: str, *, lba: int | None, blocks: int | None, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError, with one sentence, for what this command cannot take or must have."""
    known = COMMANDS.get(command)
    if known is None:
        raise ValueError(f"unknown SCSI command {command!r}{_nearest(command, COMMANDS)}")
    for name, value in arguments.items():
        _check_argument(command, known, name, value)
    for name, wanted in known.arguments.items():
        if wanted.required and name not in arguments:
            raise ValueError(f"{command} needs {name}: one of {', '.join(wanted.names or ())}")
    _check_place(command, known, lba, blocks, "descriptors" in arguments)


def _check_argument(command: str, known: Command, name: str, value: Any) -> None:
    wanted = known.arguments.get(name)
    if wanted is None:
        takes = _nearest(name, known.arguments) if known.arguments else "; it takes none"
        raise ValueError(f"{command} has no argument {name!r}{takes}")
    if wanted.each is not None:
        wanted.items(value)
        return
    try:
        wanted.number(value)
    except ValueError as error:
        near = _nearest(str(value), wanted.names) if wanted.names is not None else ""
        raise ValueError(f"{name} of {command}: {error}{near}") from None


def _check_place(command: str, known: Command, lba: int | None, blocks: int | None, descriptors: bool) -> None:
    for name, value, bits in (("lba", lba, known.lba_bits), ("blocks", blocks, known.blocks_bits)):
        if value is not None and not bits:
            raise ValueError(f"{command} takes no {name}")
        # A count of 256 is written as 0 in the 6-byte commands (SBC-2 5.6).
        if value is not None and value >> bits and not (bits == 8 and value == 256 and known.lba_bits == 21):
            raise ValueError(f"{name} {value} does not fit into the {bits} bits that {command} has for it; "
                             "use a longer command or cdb")
    if known.lba_bits and known.needs_lba and lba is None:
        raise ValueError(f"{command} needs lba")
    if command == "unmap" and (lba is None) != descriptors:
        raise ValueError("unmap needs either lba and blocks or descriptors")


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f"; did you mean {near[0]}?" if near else f"; it can be {', '.join(known)}"


def build(command: str, *, lba: int | None = None, blocks: int | None = None,
          arguments: Mapping[str, Any] | None = None, block_size: int = 512) -> Built:
    """The CDB, parameter list and buffer sizes of a command; ValueError as in check_arguments.

    `blocks` left out means 1, and for SYNCHRONIZE CACHE 0 (to the end). `block_size` is in bytes.
    """
    given = dict(arguments or {})
    check_arguments(command, lba=lba, blocks=blocks, arguments=given)
    known = COMMANDS[command]
    fields = {name: (known.arguments[name], value) for name, value in given.items()}
    numbers = {name: wanted.number(value) for name, (wanted, value) in fields.items() if wanted.each is None}
    lists = {name: wanted.items(value) for name, (wanted, value) in fields.items() if wanted.each is not None}
    return known.build(Call(lba or 0, blocks, block_size, numbers, lists))
