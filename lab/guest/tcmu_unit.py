"""The logical unit behind a tcmu device: a disk of SBC-4 over a file, for what the target core passes through.

REPORT LUNS and reservations never come here: passthrough_parse_cdb in drivers/target/target_core_device.c keeps them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from lab.guest.tcmu_ring import Reply
from lab.t10.sense import fixed

_CHECK_CONDITION = 2
INVALID_OPCODE, OUT_OF_RANGE, INVALID_FIELD, PARAMETER_LENGTH, MISCOMPARE = (
    (5, 0x20, 0), (5, 0x21, 0), (5, 0x24, 0), (5, 0x1a, 0), (0xe, 0x1d, 0))
_SAME_LIMIT = 0xffff   # MAXIMUM WRITE SAME LENGTH, blocks
_UNMAP_LIMIT = 0xffff  # MAXIMUM UNMAP LBA COUNT, blocks
_TRANSFER = 1 << 16    # MAXIMUM TRANSFER LENGTH, bytes: so hosts do not merge requests beyond it
_WCE = 4               # byte 2 of the caching mode page: the host then sends SYNCHRONIZE CACHE
_CAW_LIMIT = 8         # MAXIMUM COMPARE AND WRITE LENGTH, blocks

DataOut = Callable[[], bytes]


class Refusal(Exception):
    """CHECK CONDITION with this sense data."""

    def __init__(self, sense: tuple[int, int, int], information: int | None = None) -> None:
        super().__init__(sense)
        self.sense, self.information = sense, information


class Unit:
    """A disk of `blocks` blocks in the file at `path`. One command at a time."""

    def __init__(self, path: str, blocks: int, block_size: int, serial: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.blocks, self.block_size, self.serial = blocks, block_size, serial
        self._commands: dict[int, Callable[[bytes, DataOut], bytes]] = {
            0x00: self._nothing, 0x03: self._request_sense, 0x12: self._inquiry, 0x1a: self._mode_sense,
            0x1b: self._nothing, 0x5a: self._mode_sense, 0x25: self._read_capacity10, 0x9e: self._service_in,
            0x35: self._nothing, 0x91: self._nothing, 0x42: self._unmap, 0x41: self._write_same,
            0x93: self._write_same, 0x89: self._compare_and_write, 0x2f: self._verify, 0x8f: self._verify,
            0x2e: self._write, 0x8e: self._write,
            **dict.fromkeys((0x08, 0x28, 0xa8, 0x88), self._read),
            **dict.fromkeys((0x0a, 0x2a, 0xaa, 0x8a), self._write),
        }

    def close(self) -> None:
        os.close(self.fd)

    def execute(self, cdb: bytes, data_out: DataOut) -> Reply:
        """Carry out one command; the reply with its data-in or sense data."""
        try:
            command = self._commands.get(cdb[0])
            if command is None:
                raise Refusal(INVALID_OPCODE)
            return Reply(data=command(cdb, data_out))
        except Refusal as refusal:
            return Reply(_CHECK_CONDITION, fixed(*refusal.sense, refusal.information))

    def _nothing(self, cdb: bytes, data_out: DataOut) -> bytes:
        return b""

    def _request_sense(self, cdb: bytes, data_out: DataOut) -> bytes:
        return fixed(0, 0, 0)[:cdb[4]]

    # -- what the unit says of itself ------------------------------------------------------------------------

    def _inquiry(self, cdb: bytes, data_out: DataOut) -> bytes:
        allocation = int.from_bytes(cdb[3:5], "big")
        if cdb[1] & 1:
            return self._vital(cdb[2])[:allocation]
        if cdb[2]:
            raise Refusal(INVALID_FIELD)
        # SPC-4 6.6.2: version SPC-4, response data format 2, CMDQUE.
        head = bytes((0, 0, 6, 2, 31, 0, 0, 2))
        return (head + b"LIO-LAB " + b"TCMU".ljust(16) + b"1.0 ")[:allocation]

    def _vital(self, page: int) -> bytes:
        name = self.serial.encode()
        designator = b"LIO-LAB " + name
        pages = {
            0x00: b"", 0x80: name,
            0x83: bytes((2, 1, 0, len(designator))) + designator,  # ASCII, T10 vendor ID of the logical unit
            # SBC-4 6.6.4: WSNZ 0, limits of COMPARE AND WRITE, UNMAP and WRITE SAME.
            0xb0: struct.pack(">BBHIIIIIIIQ20x", 0, _CAW_LIMIT, 1, _TRANSFER // self.block_size, 0, 0,
                                _UNMAP_LIMIT, 1, 1, 0, _SAME_LIMIT),
            0xb2: bytes((0, 0b11100100, 2, 0)),  # LBPU, LBPWS, LBPWS10, LBPRZ 1; thin provisioned
        }
        pages[0x00] = bytes(sorted(pages))
        if page not in pages:
            raise Refusal(INVALID_FIELD)
        return struct.pack(">BBH", 0, page, len(pages[page])) + pages[page]

    def _mode_sense(self, cdb: bytes, data_out: DataOut) -> bytes:
        long = cdb[0] == 0x5a
        allocation = int.from_bytes(cdb[7:9], "big") if long else cdb[4]
        changeable = cdb[2] >> 6 == 1  # none can be changed: MODE SELECT is not there
        caching = bytes((0x08, 18, 0 if changeable else _WCE)) + bytes(17)
        control = bytes((0x0a, 10, 0, 0 if changeable else 0x10)) + bytes(8)
        pages = {0x08: caching, 0x0a: control, 0x3f: caching + control}
        if cdb[2] & 0x3f not in pages or cdb[3] not in (0, 0xff):
            raise Refusal(INVALID_FIELD)
        page = pages[cdb[2] & 0x3f]
        head = struct.pack(">HBBHH", 6 + len(page), 0, 0x10, 0, 0) if long else bytes((3 + len(page), 0, 0x10, 0))
        return (head + page)[:allocation]  # DPOFUA is set: writes are in the file at once

    def _read_capacity10(self, cdb: bytes, data_out: DataOut) -> bytes:
        return struct.pack(">II", min(self.blocks - 1, 0xffffffff), self.block_size)

    def _service_in(self, cdb: bytes, data_out: DataOut) -> bytes:
        if cdb[1] & 0x1f != 0x10:  # READ CAPACITY(16)
            raise Refusal(INVALID_FIELD)
        answer = struct.pack(">QIBBH16x", self.blocks - 1, self.block_size, 0, 0, 0xc000)  # LBPME, LBPRZ
        return answer[:int.from_bytes(cdb[10:14], "big")]

    # -- its blocks --------------------------------------------------------------------------------------------

    def _read(self, cdb: bytes, data_out: DataOut) -> bytes:
        lba, count = self._range(cdb)
        return os.pread(self.fd, count * self.block_size, lba * self.block_size)

    def _write(self, cdb: bytes, data_out: DataOut) -> bytes:
        lba, count = self._range(cdb)
        self._store(lba, self._sent(data_out, count))
        return b""

    def _verify(self, cdb: bytes, data_out: DataOut) -> bytes:
        lba, count = self._range(cdb)
        check = cdb[1] >> 1 & 3
        if check > 1:
            raise Refusal(INVALID_FIELD)
        if check:
            self._compare(lba, self._sent(data_out, count))
        return b""

    def _compare_and_write(self, cdb: bytes, data_out: DataOut) -> bytes:
        lba, count = self._range(cdb)
        if count > _CAW_LIMIT:
            raise Refusal(INVALID_FIELD)
        sent, half = self._sent(data_out, 2 * count), count * self.block_size
        self._compare(lba, sent[:half])
        self._store(lba, sent[half:])
        return b""

    def _write_same(self, cdb: bytes, data_out: DataOut) -> bytes:
        lba, count = self._range(cdb)
        count = count or self.blocks - lba
        if count > _SAME_LIMIT:
            raise Refusal(INVALID_FIELD)
        block = bytes(self.block_size) if cdb[0] == 0x93 and cdb[1] & 1 else self._sent(data_out, 1)
        self._store(lba, block * count)
        return b""

    def _unmap(self, cdb: bytes, data_out: DataOut) -> bytes:
        if not int.from_bytes(cdb[7:9], "big"):
            return b""
        sent = data_out()
        length = int.from_bytes(sent[2:4], "big")
        if length % 16 or length + 8 > len(sent):
            raise Refusal(PARAMETER_LENGTH)
        ranges = [struct.unpack_from(">QI", sent, at) for at in range(8, 8 + length, 16)]
        for lba, count in ranges:
            self._check(lba, count)
        for lba, count in ranges:
            self._store(lba, bytes(count * self.block_size))
        return b""

    def _store(self, lba: int, data: bytes) -> None:
        os.pwrite(self.fd, data, lba * self.block_size)

    def _compare(self, lba: int, wanted: bytes) -> None:
        found = os.pread(self.fd, len(wanted), lba * self.block_size)
        if found != wanted:
            # SBC-4 5.3: INFORMATION is the offset of the first byte that differs.
            raise Refusal(MISCOMPARE, next(i for i, byte in enumerate(wanted) if byte != found[i]))

    def _sent(self, data_out: DataOut, blocks: int) -> bytes:
        data = data_out() if blocks else b""
        if len(data) < blocks * self.block_size:
            raise Refusal(INVALID_FIELD)
        return data[:blocks * self.block_size]

    def _range(self, cdb: bytes) -> tuple[int, int]:
        lba, count = place_of(cdb) or (0, 0)
        self._check(lba, count)
        return lba, count

    def _check(self, lba: int, count: int) -> None:
        if lba + count > self.blocks or lba >= self.blocks:
            raise Refusal(OUT_OF_RANGE)


def place_of(cdb: bytes) -> tuple[int, int] | None:
    """LBA and number of blocks of a command that reads or writes blocks; None of others."""
    group = cdb[0] >> 5
    if cdb[0] in (0x08, 0x0a):  # 21 bits, and 0 means 256 (SBC-2 5.6)
        return int.from_bytes(cdb[1:4], "big") & 0x1fffff, cdb[4] or 256
    if cdb[0] == 0x89:
        return int.from_bytes(cdb[2:10], "big"), cdb[13]
    if cdb[0] in (0x28, 0x2a, 0x2e, 0x2f, 0x41):
        return int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[7:9], "big")
    if cdb[0] in (0xa8, 0xaa):
        return int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[6:10], "big")
    if group == 4 and cdb[0] in (0x88, 0x8a, 0x8e, 0x8f, 0x93):
        return int.from_bytes(cdb[2:10], "big"), int.from_bytes(cdb[10:14], "big")
    return None


def data_goes_in(opcode: int) -> bool:
    """Whether the data buffer of this command is filled by the unit."""
    return opcode in (0x03, 0x08, 0x12, 0x1a, 0x25, 0x28, 0x5a, 0x88, 0x9e, 0xa3, 0xa8)
