"""The shared memory of a tcmu device: mailbox, command ring and data area (include/uapi/linux/target_core_user.h).

Answers go into the oldest slot that is not given back yet, whichever command it held: TCMU_MAILBOX_FLAG_CAP_OOOC.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.guest.configfs import entries, read_text

_UIO = Path("/sys/class/uio")
_MAILBOX = struct.Struct("@HHII")  # version, flags, cmdr_off, cmdr_size
_HEAD, _TAIL = 12 // 4, 64 // 4    # 32-bit words; read and written whole, as the kernel does
_ENTRY = struct.Struct("@IHBB")    # len_op, cmd_id, kflags, uflags
_REQUEST = struct.Struct("@III4xQ16x")  # iov_cnt, iov_bidi_cnt, iov_dif_cnt, cdb_off; then the iovs
_IOV = struct.Struct("@QQ")
_RESPONSE = struct.Struct("@B3xI96s")   # scsi_status, read_len, sense_buffer
_TMR = struct.Struct("@B3xI16x")        # tmr_type, cmd_cnt; then 16-bit command ids
_OP_MASK, _OP_PAD, _OP_CMD, _OP_TMR = 7, 0, 1, 2
CAP_READ_LEN, CAP_KEEP_BUF = 1 << 1, 1 << 3
UNKNOWN_OP, READ_LEN, KEEP_BUF = 1, 2, 4
_CDB_SIZES = (6, 10, 10, 0, 16, 12, 0, 0)  # by group code, SPC-4 4.2.5.1; 0: see cdb_of


@dataclass(frozen=True)
class Request:
    """A command that the kernel put into the ring; `iov` are (offset in the shared memory, bytes)."""

    cmd_id: int
    cdb: bytes
    iov: tuple[tuple[int, int], ...]

    @property
    def room(self) -> int:
        """Bytes of its data buffer."""
        return sum(length for _, length in self.iov)


@dataclass(frozen=True)
class Notice:
    """A task management function that the target core carried out, and the commands that it aborts."""

    kind: int
    cmd_ids: tuple[int, ...]


@dataclass(frozen=True)
class Reply:
    """How a command ends. `flags` are TCMU_UFLAG_*."""

    status: int = 0
    sense: bytes = b""
    data: bytes = b""
    flags: int = 0


def node_of(name: str) -> str | None:
    """`uioN` of the device that calls itself so (`tcm-user/HBA/NAME`); None when there is none."""
    for entry in entries(_UIO):
        with contextlib.suppress(OSError):
            if read_text(_UIO / entry / "name") == name:
                return entry
    return None


def opened(node: str) -> Ring:
    """The ring of `uioN`. Raises OSError: EBUSY when another handler has it open."""
    size = int(read_text(_UIO / node / "maps/map0/size"), 16)
    return Ring(os.open(f"/dev/{node}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC), size)


class Ring:
    """One open device. `fd` is readable when the kernel has put something into the ring; `size` is in bytes."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.memory = mmap.mmap(fd, size)
        self._words = memoryview(self.memory).cast("I")
        _, self.flags, self._offset, self.size = _MAILBOX.unpack_from(self.memory)
        self._next = self._tail = self._words[_TAIL]

    def acknowledge(self) -> None:
        """Take the count of events. Raises OSError (EIO) when the device has gone."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4)

    def notify(self) -> None:
        """Let the kernel look for answers."""
        os.write(self.fd, struct.pack("@i", 0))

    @property
    def was_reset(self) -> bool:
        """Whether the kernel emptied the ring (reset_ring) since the last look; what was fetched before is void."""
        if self._words[_TAIL] == self._tail:
            return False
        self._next = self._tail = self._words[_TAIL]
        return True

    def fetch(self) -> Iterator[Request | Notice]:
        """What the kernel put into the ring since the last fetch."""
        while self._next != self._words[_HEAD]:
            at = self._offset + self._next
            length_op, cmd_id, _, _ = _ENTRY.unpack_from(self.memory, at)
            length = length_op & ~_OP_MASK
            self._next = (self._next + length) % self.size
            if length_op & _OP_MASK == _OP_CMD:
                yield self._request(at, length, cmd_id)
            elif length_op & _OP_MASK == _OP_TMR:
                yield self._notice(at)

    def _request(self, at: int, length: int, cmd_id: int) -> Request:
        count, bidi, _, cdb_off = _REQUEST.unpack_from(self.memory, at + _ENTRY.size)
        first = at + _ENTRY.size + _REQUEST.size
        iov = [_IOV.unpack_from(self.memory, first + i * _IOV.size) for i in range(count + bidi)]
        return Request(cmd_id, cdb_of(self.memory[cdb_off:at + length]), tuple(iov))

    def _notice(self, at: int) -> Notice:
        kind, count = _TMR.unpack_from(self.memory, at + _ENTRY.size)
        ids = struct.unpack_from(f"@{count}H", self.memory, at + _ENTRY.size + _TMR.size)
        return Notice(kind, ids)

    def read(self, request: Request) -> bytes:
        """The whole data buffer."""
        return b"".join([self.memory[at:at + length] for at, length in request.iov])

    def _fill(self, request: Request, data: bytes) -> None:
        done = 0
        for at, length in request.iov:
            piece = data[done:done + length]
            self.memory[at:at + len(piece)] = piece
            done += len(piece)

    def answer(self, request: Request, reply: Reply, *, data_in: bool) -> None:
        """Put an answer into the oldest slot. Data-in that is shorter than the buffer leaves a residual (READ_LEN)."""
        flags, read_len = reply.flags, 0
        if data_in and request.iov:
            # With CHECK CONDITION it says that there are data all the same.
            if reply.data and (reply.status or len(reply.data) < request.room) and self.flags & CAP_READ_LEN:
                flags, read_len = flags | READ_LEN, min(len(reply.data), request.room)
            # The pages still hold what other commands left there.
            self._fill(request, reply.data.ljust(request.room, b"\0"))
        self.skip()
        if self._tail == self._next:
            return  # no command waits: the slots ahead are not ours
        at = self._offset + self._tail
        length_op, _, kernel_flags, _ = _ENTRY.unpack_from(self.memory, at)
        _RESPONSE.pack_into(self.memory, at + _ENTRY.size, reply.status, read_len, reply.sense)
        _ENTRY.pack_into(self.memory, at, length_op, request.cmd_id, kernel_flags, flags)
        self._give_back(length_op & ~_OP_MASK)

    def pad(self, left: int) -> None:
        """Put padding at the head, up to `left` bytes before the end, and give it back. Only in an idle ring: the head
        is the kernel's."""
        start = self._words[_HEAD]
        end = self.size - left
        if start != self._next or start >= end:
            return
        _ENTRY.pack_into(self.memory, self._offset + start, (end - start) | _OP_PAD, 0, 0, 0)
        self._words[_HEAD] = self._next = end
        self.skip()

    def touch_outside(self) -> None:
        """Read the last page, which no command's data lie in: tcmu_vma_fault answers with SIGBUS."""
        _ = self.memory[-1]

    def skip(self) -> bool:
        """Give back padding and notices that are the oldest; whether there were any."""
        start = self._tail
        while self._tail != self._next:
            length_op = self._words[(self._offset + self._tail) // 4]
            if length_op & _OP_MASK == _OP_CMD:
                break
            self._give_back(length_op & ~_OP_MASK)
        return self._tail != start

    def _give_back(self, length: int) -> None:
        self._tail = (self._tail + length) % self.size
        self._words[_TAIL] = self._tail


def cdb_of(data: bytes) -> bytes:
    """The CDB without the padding behind it; a variable length one (7Fh) says its own length."""
    size = data[7] + 8 if data[0] == 0x7f else _CDB_SIZES[data[0] >> 5]
    return data[:size or len(data)]
