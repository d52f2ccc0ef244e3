"""Where a log comes from: a file, standard input, compressed or not.

What compressed it is told by the first bytes, not by the name.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from lab.errors import LabError

STDIN = Path("-")
_MAGIC_BYTES = 6
_GZIP, _BZIP2, _XZ, _ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"


class _Decompressor(Protocol):
    def read1(self, size: int, /) -> bytes: ...


class _Cut(io.RawIOBase):
    """A compressed log that breaks off is a log that breaks off: what is there is read."""

    def __init__(self, inner: _Decompressor) -> None:
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        try:
            data = self._inner.read1(len(view))
        except EOFError:
            return 0
        view[: len(data)] = data
        return len(data)


@contextmanager
def open_log(path: Path) -> Iterator[BinaryIO]:
    """The log's bytes, uncompressed; `-` is standard input.

    Raises LabError, also while it is read, when there is no such file or what it holds is not what it says.
    """
    try:
        with _raw(path) as raw:
            yield _uncompressed(raw, path)
    except (OSError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LabError(f"{path}: the console log cannot be read: {reason}; name a readable file") from error


@contextmanager
def _raw(path: Path) -> Iterator[io.BufferedReader]:
    if path == STDIN:
        yield cast(io.BufferedReader, sys.stdin.buffer)
        return
    with path.open("rb") as file:
        yield file


def _uncompressed(raw: io.BufferedReader, path: Path) -> BinaryIO:
    magic = raw.peek(_MAGIC_BYTES)[:_MAGIC_BYTES]
    if magic.startswith(_GZIP):
        return io.BufferedReader(_Cut(gzip.GzipFile(fileobj=raw)))
    if magic.startswith(_BZIP2):
        return io.BufferedReader(_Cut(bz2.BZ2File(raw)))
    if magic.startswith(_XZ):
        return io.BufferedReader(_Cut(lzma.LZMAFile(raw)))
    if magic.startswith(_ZSTD):
        return io.BufferedReader(_Cut(_zstd(raw, path)))
    return raw


def _zstd(raw: io.BufferedReader, path: Path) -> _Decompressor:
    """The standard library reads zstd from Python 3.14 on."""
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError as error:
        raise LabError(f"{path}: zstd needs Python 3.14 or newer; type: zstd -dc {path} | lab scan -") from error
    return cast(_Decompressor, module.ZstdFile(raw))
