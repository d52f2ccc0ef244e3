"""One function for each command: its CDB, its parameter list, and how many bytes go which way."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_REGISTER_AND_MOVE = 7  # service action of PERSISTENT RESERVE OUT


@dataclass(frozen=True)
class Built:
    """A command ready to be sent. Sizes are in bytes.

    `data_out` is the parameter list where the command itself defines one; `send` is how many bytes of data-out
    the CDB announces (of the caller's making where data_out is None); `receive` is the data-in buffer.
    """

    cdb: bytes
    data_out: bytes | None = None
    receive: int = 0
    send: int = 0


@dataclass(frozen=True)
class Call:
    """Checked arguments: every value a number that fits its field, or a list. `blocks` is None when it was left out."""

    lba: int
    blocks: int | None
    block_size: int
    numbers: Mapping[str, int] = field(default_factory=dict)
    lists: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    def get(self, name: str, default: int = 0) -> int:
        return self.numbers.get(name, default)

    @property
    def count(self) -> int:
        return 1 if self.blocks is None else self.blocks

    @property
    def bytes(self) -> int:
        return self.count * self.block_size


def test_unit_ready(call: Call) -> Built:
    return Built(bytes(6))


def request_sense(call: Call) -> Built:
    allocation = call.get("allocation", 252)
    return Built(bytes((0x03, call.get("desc"), 0, 0, allocation, 0)), receive=allocation)


def inquiry(call: Call) -> Built:
    allocation = call.get("allocation", 0xff if not call.get("evpd") else 0x1000)
    return Built(struct.pack(">BBBHB", 0x12, call.get("evpd"), call.get("page"), allocation, 0),
                 receive=allocation)


def report_luns(call: Call) -> Built:
    allocation = call.get("allocation", 0x1000)
    return Built(struct.pack(">BxB3xI2x", 0xa0, call.get("select_report"), allocation), receive=allocation)


def mode_sense6(call: Call) -> Built:
    allocation = call.get("allocation", 0xff)
    return Built(bytes((0x1a, call.get("dbd") << 3, call.get("pc") << 6 | call.get("page", 0x3f),
                        call.get("subpage"), allocation, 0)), receive=allocation)


def mode_sense10(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    flags = call.get("llbaa") << 4 | call.get("dbd") << 3
    return Built(struct.pack(">BBBB3xHx", 0x5a, flags, call.get("pc") << 6 | call.get("page", 0x3f),
                             call.get("subpage"), allocation), receive=allocation)


def reserve6(call: Call) -> Built:
    return Built(bytes((0x16, 0, 0, 0, 0, 0)))


def release6(call: Call) -> Built:
    return Built(bytes((0x17, 0, 0, 0, 0, 0)))


def persistent_reserve_in(call: Call) -> Built:
    allocation = call.get("allocation", 0x1000)
    return Built(struct.pack(">BB5xHx", 0x5e, call.get("action"), allocation), receive=allocation)


def persistent_reserve_out(call: Call) -> Built:
    data = _move_list(call) if call.get("action") == _REGISTER_AND_MOVE else _basic_list(call)
    length = call.get("parameter_list_length", len(data))
    data = data[:length].ljust(length, b"\0")
    cdb = struct.pack(">BBB2xIx", 0x5f, call.get("action"),
                      call.get("scope") << 4 | call.get("type"), length)
    return Built(cdb, data, send=length)


def _basic_list(call: Call) -> bytes:
    """SPC-4 6.16.3; with TransportIDs their length and they follow."""
    flags = call.get("spec_i_pt") << 3 | call.get("all_tg_pt") << 2 | call.get("aptpl")
    data = struct.pack(">QQ4xB3x", call.get("key"), call.get("sa_key"), flags)
    if "transport_ids" not in call.lists:
        return data
    listed = b"".join(call.lists["transport_ids"])
    return data + struct.pack(">I", len(listed)) + listed


def _move_list(call: Call) -> bytes:
    """SPC-4 6.16.4, of REGISTER AND MOVE."""
    moved = b"".join(call.lists.get("transport_ids", ()))
    return struct.pack(">QQxBHI", call.get("key"), call.get("sa_key"), call.get("unreg") << 1 | call.get("aptpl"),
                       call.get("relative_target_port"), len(moved)) + moved


def report_target_port_groups(call: Call) -> Built:
    allocation = call.get("allocation", 0x1000)
    return Built(struct.pack(">BB4xI2x", 0xa3, call.get("extended") << 5 | 0x0a, allocation), receive=allocation)


def set_target_port_groups(call: Call) -> Built:
    data = struct.pack(">4xBxH", call.get("state"), call.get("group"))
    return Built(struct.pack(">BB4xI2x", 0xa4, 0x0a, len(data)), data, send=len(data))


def report_supported_operation_codes(call: Call) -> Built:
    allocation = call.get("allocation", 0x4000)
    return Built(struct.pack(">BBBBHI2x", 0xa3, 0x0c, call.get("rctd") << 7 | call.get("reporting_options"),
                             call.get("opcode"), call.get("service_action"), allocation), receive=allocation)


def reserve10(call: Call) -> Built:
    return Built(bytes((0x56,)) + bytes(9))


def release10(call: Call) -> Built:
    return Built(bytes((0x57,)) + bytes(9))


def mode_select6(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(bytes((0x15, call.get("pf", 1) << 4 | call.get("sp"), 0, 0, length, 0)), send=length)


def mode_select10(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(struct.pack(">BB5xHx", 0x55, call.get("pf", 1) << 4 | call.get("sp"), length), send=length)


def log_sense(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    return Built(struct.pack(">BxBB3xHx", 0x4d, 1 << 6 | call.get("page"), call.get("subpage"), allocation),
                 receive=allocation)


def log_select(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(struct.pack(">BB5xHx", 0x4c, call.get("pcr") << 1, length), send=length)


def send_diagnostic(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(struct.pack(">BBxHx", 0x1d, call.get("self_test", 1) << 2, length), send=length)


def receive_diagnostic_results(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    return Built(struct.pack(">BBBHx", 0x1c, call.get("pcv"), call.get("page"), allocation), receive=allocation)


def write_buffer(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(bytes((0x3b, call.get("mode"), 0, 0, 0, 0)) + length.to_bytes(3, "big") + b"\0", send=length)


def security_protocol_in(call: Call) -> Built:
    allocation = call.get("allocation", 0x200)
    return Built(struct.pack(">BBHxxIxx", 0xa2, call.get("protocol"), call.get("specific"), allocation),
                 receive=allocation)


def security_protocol_out(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(struct.pack(">BBHxxIxx", 0xb5, call.get("protocol"), call.get("specific"), length), send=length)


def read_attribute(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    return Built(struct.pack(">BB8xIxx", 0x8c, call.get("service_action"), allocation), receive=allocation)


def write_attribute(call: Call) -> Built:
    length = call.get("parameter_list_length")
    return Built(struct.pack(">B9xIxx", 0x8d, length), send=length)


def report_identifying_information(call: Call) -> Built:
    allocation = call.get("allocation", 0x200)
    return Built(struct.pack(">BB4xIxx", 0xa3, 0x05, allocation), receive=allocation)


def report_timestamp(call: Call) -> Built:
    allocation = call.get("allocation", 12)
    return Built(struct.pack(">BB4xIxx", 0xa3, 0x0f, allocation), receive=allocation)
