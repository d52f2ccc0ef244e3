"""SCSI commands and resets through /dev/sgN: the SG_IO v3 and SG_SCSI_RESET ioctls (include/scsi/sg.h)."""

from __future__ import annotations

import array
import fcntl
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
def opened(node: str) -> Iterator[int]:
    """A descriptor of a /dev/sgN. Non-blocking, because open otherwise waits for the error handler."""
    fd = os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def command(fd: int, cdb: bytes, *, send: bytes = b"", receive: int = 0, timeout_ms: int = 30_000) -> Answer:
    """Send one command and wait for its end. Data go one way only: with data-out nothing is received.

    Raises OSError where the command could not be sent at all.
    """
    sense = array.array("B", bytes(_SENSE_BYTES))
    cdb_buffer = array.array("B", cdb)
    data = array.array("B", send or bytes(receive))
    direction = _TO_DEVICE if send else _FROM_DEVICE if receive else _NONE
    header = bytearray(_HEADER.pack(
        ord("S"), direction, len(cdb), _SENSE_BYTES, 0, len(data), data.buffer_info()[0] if data else 0,
        cdb_buffer.buffer_info()[0], sense.buffer_info()[0], timeout_ms, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    fcntl.ioctl(fd, SG_IO, header)
    (*_, status, _masked, _message, sense_length, host, driver, residual, _duration, _info) = _HEADER.unpack(header)
    got = data.tobytes()[:max(0, receive - residual)] if not send else b""
    return Answer(status, host, driver, sense.tobytes()[:sense_length], got, residual)


def reset(fd: int, level: str) -> None:
    """A reset of this level and no other. Raises OSError (EIO: the driver refused or has no such reset)."""
    try:
        fcntl.ioctl(fd, SG_SCSI_RESET, struct.pack("@i", RESETS[level] | _NO_ESCALATE))
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{level} reset") from None
