"""Faults of the file under a fileio backstore."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from lab.guest.injection import Order, Undo, fault
from lab.guest.observation import Refused

_GETFLAGS, _SETFLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10  # include/uapi/linux/fs.h
_CHUNK = 1 << 20


def _file(order: Order) -> Path:
    if order.where.file is None:
        raise Refused(f"backstore {order.where.name} lies on no file")
    return order.where.file


@fault("enospc")
def enospc(order: Order) -> Undo:
    """A second file takes every free block, so that the backstore's holes cannot be filled."""
    filler = _file(order).with_name("filler")
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _fill(fd)
        os.fsync(fd)
    finally:
        os.close(fd)
    return lambda: filler.unlink()


def _fill(fd: int) -> None:
    size, chunk = 0, _CHUNK
    while chunk >= 1024:
        try:
            os.posix_fallocate(fd, size, chunk)
            size += chunk
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            chunk //= 2


@fault("truncate")
def truncate(order: Order) -> Undo:
    """Somebody else cuts the file; undone, it has its size again, with a hole."""
    path, size = _file(order), _file(order).stat().st_size
    os.truncate(path, order.options["keep"])
    return lambda: os.truncate(path, max(size, path.stat().st_size))


@fault("read-only")
def read_only(order: Order) -> Undo:
    """The immutable flag: ext4 refuses writes of who has the file open already, too (ext4_write_checks)."""
    path = _file(order)
    _set_immutable(path, True)
    return lambda: _set_immutable(path, False)


def _set_immutable(path: Path, on: bool) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = struct.unpack("=i", fcntl.ioctl(fd, _GETFLAGS, bytes(4)))[0]
        fcntl.ioctl(fd, _SETFLAGS, struct.pack("=i", flags | _IMMUTABLE if on else flags & ~_IMMUTABLE))
    finally:
        os.close(fd)
