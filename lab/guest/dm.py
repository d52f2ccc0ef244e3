"""Device mapper by its ioctls (include/uapi/linux/dm-ioctl.h): no dmsetup process, no udev to wait for."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from pathlib import Path
from typing import Any

CONTROL = "/dev/mapper/control"
_CREATE, _REMOVE, _SUSPEND, _STATUS, _LOAD = 3, 4, 6, 7, 9
_SUSPENDED, _SKIP_LOCKFS, _NOFLUSH = 1 << 1, 1 << 10, 1 << 11
_TABLE_LIVE = 1 << 5  # DM_ACTIVE_PRESENT_FLAG
_HEADER = struct.Struct("<3I2IIiIIIQ128s129s7x")
_TARGET = struct.Struct("<QQiI16s")
_IOCTL = 0xc000fd00 | _HEADER.size << 16

Row = tuple[int, int, str, str]  # first sector, sectors, target type, its arguments


def create(name: str, rows: list[Row]) -> Path:
    """A new device with this table, live; its node (/dev/dm-N). Raises OSError."""
    _call(_CREATE, name)
    try:
        load(name, rows)
        return Path("/dev/dm-" + str(minor(name)))
    except OSError:
        remove(name)
        raise


def load(name: str, rows: list[Row]) -> None:
    """Switch to another table without waiting for I/O: suspend (noflush, nolockfs), load, resume."""
    # The new table is checked before the old one stops: a refused table leaves the device as it was.
    _call(_LOAD, name, targets=rows)
    if _TABLE_LIVE & _flags(name):
        suspend(name)
    resume(name)


def suspend(name: str) -> None:
    """Hold all I/O from now on; what is in flight below is not waited for beyond what the kernel demands."""
    _call(_SUSPEND, name, flags=_SUSPENDED | _SKIP_LOCKFS | _NOFLUSH)


def resume(name: str) -> None:
    """Let held I/O go on; a loaded table becomes the live one."""
    _call(_SUSPEND, name, flags=_SKIP_LOCKFS | _NOFLUSH)


def remove(name: str) -> None:
    """Take the device away. EBUSY is tried again for two seconds: a last close may still be under way."""
    end = time.monotonic() + 2
    while True:
        try:
            _call(_REMOVE, name)
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
        time.sleep(0.02)


def minor(name: str) -> int:
    """N of /dev/dm-N."""
    device = _status(name)[1]
    return device & 0xff | device >> 12 & 0xfff00


def _flags(name: str) -> int:
    return _status(name)[0]


def _status(name: str) -> tuple[int, int]:
    """(flags, device number)"""
    header = _call(_STATUS, name)
    return header[7], header[10]


def _call(number: int, name: str, *, flags: int = 0, targets: list[Row] | None = None) -> tuple[Any, ...]:
    payload = b"".join(_row(row) for row in targets or ())
    size = _HEADER.size + max(len(payload), 512)
    header = _HEADER.pack(4, 0, 0, size, _HEADER.size, len(targets or ()), 0, flags, 0, 0, 0, name.encode(), b"")
    buffer = bytearray((header + payload).ljust(size, b"\0"))
    fd = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, _IOCTL | number, buffer)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"device mapper, {name}") from None
    finally:
        os.close(fd)
    return _HEADER.unpack_from(buffer)


def _row(row: Row) -> bytes:
    first, sectors, kind, arguments = row
    text = arguments.encode() + b"\0"
    length = _TARGET.size + len(text)
    padded = length + (-length % 8)
    return (_TARGET.pack(first, sectors, 0, padded, kind.encode()) + text).ljust(padded, b"\0")
