"""SCSI commands and resets through /dev/sgN: the SG_IO v3 and SG_SCSI_RESET ioctls (include/scsi/sg.h)."""

from __future__ import annotations

import array
import ctypes
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.t10.sense import decode

SG_IO = 0x2285
SG_SCSI_RESET = 0x2284
RESETS = {"device": 1, "bus": 2, "host": 3, "target": 4}
_NO_ESCALATE = 0x100
_NONE, _TO_DEVICE, _FROM_DEVICE = -1, -2, -3
_SENSE_BYTES = 252
# struct sg_io_hdr on a 64-bit kernel: 88 bytes with its padding.
_HEADER = struct.Struct("@iiBBHIQQQIIi4xQBBBBHHiII4x")


@dataclass(frozen=True)
class Answer:
    """How a command ended. `data` is what the device sent, without the residual. Sizes in bytes."""

    status: int
    host_status: int
    driver_status: int
    sense: bytes
    data: bytes
    residual: int

    @property
    def refused(self) -> bool:
        """Whether SCSI says that nothing was done: the medium must be as before (SAM-5 5.3, SPC-4 4.5.6)."""
        sense = decode(self.sense)
        if self.host_status:
            return False
        if sense is None:
            return self.status in (0x08, 0x18, 0x28)  # BUSY, RESERVATION CONFLICT, TASK SET FULL
        return sense.key in (5, 6, 7, 0xe) or (sense.key == 2 and sense.asc == 4)

    @property
    def good(self) -> bool:
        return self.status in (0, 4) and self.host_status == 0 and self.driver_status & 0x0f == 0


@contextmanager
def opened(node: str, how: int = os.O_RDWR) -> Iterator[int]:
    """A descriptor of a /dev/sgN. Non-blocking, because open otherwise waits for the error handler."""
    fd = os.open(node, how | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def command(fd: int, cdb: bytes, *, send: bytes = b"", receive: int = 0, timeout_ms: int = 30_000,
            page_offset: int = 0) -> Answer:
    """Send one command and wait for its end. Data go one way only: with data-out nothing is received.

    The buffer begins at byte `page_offset` of a page.

    Raises OSError where the command could not be sent at all.
    """
    sense = array.array("B", bytes(_SENSE_BYTES))
    cdb_buffer = array.array("B", cdb)
    data = send or bytes(receive)
    pages = mmap.mmap(-1, page_offset + len(data) or 1)
    pages[page_offset:page_offset + len(data)] = data
    direction = _TO_DEVICE if send else _FROM_DEVICE if receive else _NONE
    header = bytearray(_HEADER.pack(
        ord("S"), direction, len(cdb), _SENSE_BYTES, 0, len(data), _address(pages) + page_offset if data else 0,
        cdb_buffer.buffer_info()[0], sense.buffer_info()[0], timeout_ms, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    fcntl.ioctl(fd, SG_IO, header)
    (*_, status, _masked, _message, sense_length, host, driver, residual, _duration, _info) = _HEADER.unpack(header)
    got = pages[page_offset:page_offset + max(0, receive - residual)] if not send else b""
    return Answer(status, host, driver, sense.tobytes()[:sense_length], got, residual)


def _address(pages: mmap.mmap) -> int:
    """Where a mapping begins in memory."""
    return ctypes.addressof(ctypes.c_char.from_buffer(pages))


def reset(fd: int, level: str) -> None:
    """A reset of this level and no other. Raises OSError (EIO: the driver refused or has no such reset)."""
    try:
        fcntl.ioctl(fd, SG_SCSI_RESET, struct.pack("@i", RESETS[level] | _NO_ESCALATE))
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{level} reset") from None
