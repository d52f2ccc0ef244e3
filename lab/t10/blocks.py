"""Block commands (SBC-4): one builder for each, as in lab/t10/cdbs.py."""

from __future__ import annotations

import struct
from functools import partial

from lab.t10.cdbs import Built, Call


def read_capacity10(call: Call) -> Built:
    # LBA and PMI are obsolete since SBC-3; LIO looks at them.
    return Built(struct.pack(">BxI2xBx", 0x25, call.lba, call.get("pmi")), receive=8)


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


def _read(opcode: int, call: Call) -> Built:
    return Built(_place(opcode, _protect("rdprotect", call), call), receive=call.bytes)


def _write(opcode: int, call: Call) -> Built:
    return Built(_place(opcode, _protect("wrprotect", call), call), send=call.bytes)


def _write_and_verify(opcode: int, call: Call) -> Built:
    return Built(_place(opcode, _check("wrprotect", call), call), send=call.bytes)


def _check(name: str, call: Call) -> int:
    return call.get(name) << 5 | call.get("dpo") << 4 | call.get("bytchk") << 1


def _verify(opcode: int, call: Call) -> Built:
    # BYTCHK 01b sends every block, 11b one block that all are compared with (SBC-4 5.32).
    send = {0: 0, 1: call.bytes, 2: 0, 3: call.block_size}[call.get("bytchk")]
    return Built(_place(opcode, _check("vrprotect", call), call), send=send)


def _write_same(opcode: int, call: Call) -> Built:
    flags = call.get("wrprotect") << 5 | call.get("anchor") << 4 | call.get("unmap") << 3 | call.get("ndob")
    return Built(_place(opcode, flags, call), send=0 if call.get("ndob") else call.block_size)


# SBC-3 5.48: XDWRITEREAD would need both directions at once; only data-out is sent here.
read10, read12, read16 = (partial(_read, opcode) for opcode in (0x28, 0xa8, 0x88))
write10, write12, write16, xdwriteread10 = (partial(_write, opcode) for opcode in (0x2a, 0xaa, 0x8a, 0x53))
write_and_verify10, write_and_verify12, write_and_verify16 = (
    partial(_write_and_verify, opcode) for opcode in (0x2e, 0xae, 0x8e))
verify10, verify12, verify16 = (partial(_verify, opcode) for opcode in (0x2f, 0xaf, 0x8f))
write_same10, write_same16 = (partial(_write_same, opcode) for opcode in (0x41, 0x93))


def unmap(call: Call) -> Built:
    descriptors = call.lists.get("descriptors", ((call.lba, call.count),))
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
    flags = (call.get("power_condition") << 4 | call.get("no_flush") << 2 | call.get("loej") << 1
             | call.get("start", 1))
    return Built(bytes((0x1b, call.get("immed"), 0, call.get("modifier"), flags, 0)))


def write_same32(call: Call) -> Built:
    # Service action 000Dh of the variable length CDB (SBC-4 5.46); 0x18 bytes follow byte 7.
    flags = call.get("wrprotect") << 5 | call.get("anchor") << 4 | call.get("unmap") << 3 | call.get("ndob")
    cdb = struct.pack(">B6xBHBxQIHHI", 0x7f, 0x18, 0x000d, flags, call.lba, call.get("reference_tag"), 0, 0, call.count)
    return Built(cdb, send=0 if call.get("ndob") else call.block_size)


def _thirty_two(service_action: int, protect: int, call: Call) -> bytes:
    """READ (32) and WRITE (32), SBC-4 5.14 and 5.39."""
    return struct.pack(">B6xBHBxQIHHI", 0x7f, 0x18, service_action, protect, call.lba, 0, 0, 0, call.count)


def read32(call: Call) -> Built:
    return Built(_thirty_two(0x0009, _protect("rdprotect", call), call), receive=call.bytes)


def write32(call: Call) -> Built:
    return Built(_thirty_two(0x000b, _protect("wrprotect", call), call), send=call.bytes)


def write_atomic16(call: Call) -> Built:
    # SBC-4 r22 5.48: ATOMIC BOUNDARY in bytes 10-11, TRANSFER LENGTH in bytes 12-13.
    cdb = struct.pack(">BBQHHxx", 0x9c, _protect("wrprotect", call), call.lba, call.get("boundary"), call.count)
    return Built(cdb, send=call.bytes)


def seek6(call: Call) -> Built:
    return Built(bytes((0x0b, call.lba >> 16, call.lba >> 8 & 0xff, call.lba & 0xff, 0, 0)))


def seek10(call: Call) -> Built:
    return Built(struct.pack(">BxI4x", 0x2b, call.lba))


def rezero_unit(call: Call) -> Built:
    return Built(bytes((0x01,)) + bytes(5))


def report_referrals(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    return Built(struct.pack(">BBQIBx", 0x9e, 0x13, call.lba, allocation, call.get("one_segment")), receive=allocation)


def get_lba_status(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    return Built(struct.pack(">BBQIxx", 0x9e, 0x12, call.lba, allocation), receive=allocation)


def pre_fetch10(call: Call) -> Built:
    return Built(_place(0x34, call.get("immed") << 1, call))


def format_unit(call: Call) -> Built:
    return Built(bytes((0x04,)) + bytes(5))
