"""One function for each command: its CDB, its parameter list, and how many bytes go which way."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """Checked arguments: every value a number that fits its field. `blocks` is None when it was left out."""

    lba: int
    blocks: int | None
    block_size: int
    numbers: Mapping[str, int] = field(default_factory=dict)
    descriptors: tuple[tuple[int, int], ...] = ()

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
    return Built(struct.pack(">BBBB3xHx", 0x5a, call.get("dbd") << 3, call.get("pc") << 6 | call.get("page", 0x3f),
                             call.get("subpage"), allocation), receive=allocation)


def reserve6(call: Call) -> Built:
    return Built(bytes((0x16, 0, 0, 0, 0, 0)))


def release6(call: Call) -> Built:
    return Built(bytes((0x17, 0, 0, 0, 0, 0)))


def persistent_reserve_in(call: Call) -> Built:
    allocation = call.get("allocation", 0x1000)
    return Built(struct.pack(">BB5xHx", 0x5e, call.get("action"), allocation), receive=allocation)


def persistent_reserve_out(call: Call) -> Built:
    # The basic parameter list, SPC-4 6.16.3.
    flags = call.get("spec_i_pt") << 3 | call.get("all_tg_pt") << 2 | call.get("aptpl")
    data = struct.pack(">QQ4xB3x", call.get("key"), call.get("sa_key"), flags)
    length = call.get("parameter_list_length", len(data))
    data = data[:length].ljust(length, b"\0")
    cdb = struct.pack(">BBB2xIx", 0x5f, call.get("action"), call.get("scope") << 4 | call.get("type"), length)
    return Built(cdb, data, send=length)


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


def read_capacity10(call: Call) -> Built:
    return Built(bytes((0x25,)) + bytes(9), receive=8)


def read_capacity16(call: Call) -> Built:
    allocation = call.get("allocation", 32)
    return Built(struct.pack(">BB8xI2x", 0x9e, 0x10, allocation), receive=allocation)


def _six(opcode: int, call: Call) -> tuple[bytes, int]:
    """A 6-byte read or write, and the blocks that it really moves: 0 stands for 256 (SBC-2 5.6)."""
    cdb = bytes((opcode, call.lba >> 16, call.lba >> 8 & 0xff, call.lba & 0xff, call.count & 0xff, 0))
    return cdb, (call.count & 0xff or 256) * call.block_size


def _place(opcode: int, flags: int, call: Call) -> bytes:
    """A CDB with LBA and length, laid out as the group code of its opcode says (SPC-4 4.2.5.1)."""
    layout = {0x20: ">BBIxHx", 0x40: ">BBIxHx", 0x80: ">BBQIxx", 0xa0: ">BBIIxx"}[opcode & 0xe0]
    return struct.pack(layout, opcode, flags, call.lba, call.count)


def _protect(name: str, call: Call) -> int:
    return call.get(name) << 5 | call.get("dpo") << 4 | call.get("fua") << 3


def read6(call: Call) -> Built:
    cdb, size = _six(0x08, call)
    return Built(cdb, receive=size)


def write6(call: Call) -> Built:
    cdb, size = _six(0x0a, call)
    return Built(cdb, send=size)


def read10(call: Call) -> Built:
    return Built(_place(0x28, _protect("rdprotect", call), call), receive=call.bytes)


def read12(call: Call) -> Built:
    return Built(_place(0xa8, _protect("rdprotect", call), call), receive=call.bytes)


def read16(call: Call) -> Built:
    return Built(_place(0x88, _protect("rdprotect", call), call), receive=call.bytes)


def write10(call: Call) -> Built:
    return Built(_place(0x2a, _protect("wrprotect", call), call), send=call.bytes)


def write12(call: Call) -> Built:
    return Built(_place(0xaa, _protect("wrprotect", call), call), send=call.bytes)


def write16(call: Call) -> Built:
    return Built(_place(0x8a, _protect("wrprotect", call), call), send=call.bytes)


def write_and_verify10(call: Call) -> Built:
    return Built(_place(0x2e, _check("wrprotect", call), call), send=call.bytes)


def write_and_verify16(call: Call) -> Built:
    return Built(_place(0x8e, _check("wrprotect", call), call), send=call.bytes)


def _check(name: str, call: Call) -> int:
    return call.get(name) << 5 | call.get("dpo") << 4 | call.get("bytchk") << 1


def _verify(opcode: int, call: Call) -> Built:
    # BYTCHK 01b sends every block, 11b one block that all are compared with (SBC-4 5.32).
    send = {0: 0, 1: call.bytes, 2: 0, 3: call.block_size}[call.get("bytchk")]
    return Built(_place(opcode, _check("vrprotect", call), call), send=send)


def verify10(call: Call) -> Built:
    return _verify(0x2f, call)


def verify16(call: Call) -> Built:
    return _verify(0x8f, call)


def _write_same(opcode: int, call: Call) -> Built:
    flags = call.get("wrprotect") << 5 | call.get("anchor") << 4 | call.get("unmap") << 3 | call.get("ndob")
    return Built(_place(opcode, flags, call), send=0 if call.get("ndob") else call.block_size)


def write_same10(call: Call) -> Built:
    return _write_same(0x41, call)


def write_same16(call: Call) -> Built:
    return _write_same(0x93, call)


def unmap(call: Call) -> Built:
    descriptors = call.descriptors or ((call.lba, call.count),)
    listed = b"".join(struct.pack(">QI4x", lba, count) for lba, count in descriptors)
    data = struct.pack(">HH4x", len(listed) + 6, len(listed)) + listed
    length = call.get("parameter_list_length", len(data))
    data = data[:length].ljust(length, b"\0")
    return Built(struct.pack(">BB5xHx", 0x42, call.get("anchor"), length), data or None, send=length)


def compare_and_write(call: Call) -> Built:
    # Data-out is the compare half and then the write half (SBC-4 5.3).
    cdb = struct.pack(">BBQ3xBxx", 0x89, _protect("wrprotect", call), call.lba, call.count)
    return Built(cdb, send=2 * call.bytes)


def synchronize_cache10(call: Call) -> Built:
    return Built(struct.pack(">BBIxHx", 0x35, call.get("immed") << 1, call.lba, call.blocks or 0))


def synchronize_cache16(call: Call) -> Built:
    return Built(struct.pack(">BBQIxx", 0x91, call.get("immed") << 1, call.lba, call.blocks or 0))


def start_stop_unit(call: Call) -> Built:
    flags = call.get("power_condition") << 4 | call.get("loej") << 1 | call.get("start", 1)
    return Built(bytes((0x1b, call.get("immed"), 0, 0, flags, 0)))
