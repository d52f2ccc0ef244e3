"""A file that a guest makes grow, such as its console: how big it is, and its end."""

from __future__ import annotations

from pathlib import Path


def size_of(file: Path) -> int:
    """Its size in bytes; 0 when it is not there."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def tail_of(file: Path, limit: int) -> bytes:
    """The last `limit` bytes of a file: a guest may have flooded its console. Empty when it is not there."""
    return said_since(file, max(0, size_of(file) - limit), limit)


def said_since(file: Path, offset: int, limit: int) -> bytes:
    """At most `limit` bytes from `offset` on; empty when it is not there."""
    try:
        with open(file, "rb") as opened:
            opened.seek(offset)
            return opened.read(limit)
    except OSError:
        return b""
