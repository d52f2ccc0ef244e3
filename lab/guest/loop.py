"""Sparse files, and loop devices that show them as disks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from pathlib import Path

from lab.guest.observation import Refused

_LOOP_CTL_GET_FREE, _LOOP_CONFIGURE, _LOOP_CLR_FD = 0x4c82, 0x4c0a, 0x4c01  # include/uapi/linux/loop.h


def make_file(path: Path, size: int) -> None:
    """A sparse file of this size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)


def remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def attach(path: Path, block_size: int = 512) -> str:
    """The node of a free loop device that now shows a file. A race for the free one is tried again."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(16):
            control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
            try:
                node = f"/dev/loop{fcntl.ioctl(control, _LOOP_CTL_GET_FREE)}"
            finally:
                os.close(control)
            if _configure(node, file, block_size):
                return node
    finally:
        os.close(file)
    raise Refused("no loop device is free", errno="EBUSY")


def _configure(node: str, file: int, block_size: int) -> bool:
    # struct loop_config (include/uapi/linux/loop.h): fd, block_size, loop_info64 (232 bytes), 64 reserved.
    config = struct.pack("=II232s64x", file, block_size, b"")
    device = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _LOOP_CONFIGURE, bytearray(config))
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    finally:
        os.close(device)
    return True


def detach(node: str) -> None:
    """Take the file away from a loop device; it ends with the last close."""
    device = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    try:
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(device, _LOOP_CLR_FD)
    finally:
        os.close(device)
