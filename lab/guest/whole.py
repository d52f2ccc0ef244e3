"""All bytes of a disk at once, with O_DIRECT, past the page cache."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from collections.abc import Iterator

_PIECE = 1 << 20  # bytes


def read(node: str, size: int) -> bytes:
    """The first `size` bytes. Raises OSError, also when there are fewer."""
    parts = []
    with _opened(node, os.O_RDONLY) as (fd, buffer):
        for at in range(0, size, _PIECE):
            length = min(_PIECE, size - at)
            done = os.preadv(fd, [memoryview(buffer)[:length]], at)
            if done != length:
                raise OSError(errno.EIO, f"only {done} of {length} bytes were read at {at}", node)
            parts.append(buffer[:length])
    return b"".join(parts)


def write(node: str, data: bytes) -> None:
    """The first bytes. Raises OSError, also when not all are written."""
    with _opened(node, os.O_RDWR) as (fd, buffer):
        for at in range(0, len(data), _PIECE):
            piece = data[at:at + _PIECE]
            buffer[:len(piece)] = piece
            done = os.pwritev(fd, [memoryview(buffer)[:len(piece)]], at)
            if done != len(piece):
                raise OSError(errno.EIO, f"only {done} of {len(piece)} bytes were written at {at}", node)


@contextlib.contextmanager
def _opened(node: str, mode: int) -> Iterator[tuple[int, mmap.mmap]]:
    """A descriptor and an aligned buffer."""
    fd = os.open(node, mode | os.O_DIRECT | os.O_CLOEXEC)
    try:
        yield fd, mmap.mmap(-1, _PIECE)
    finally:
        os.close(fd)
