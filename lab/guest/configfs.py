"""One system call at a time on files below a root: configfs, sysfs and /proc; tests use a plain directory."""

from __future__ import annotations

import errno
import os
from pathlib import Path

READ_LIMIT = 1 << 20


def read(path: Path) -> bytes:
    """The whole file. Attributes are read with one buffer of a page and more, as the kernel fills at most a page."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
            if sum(map(len, parts)) >= READ_LIMIT:
                break
        return b"".join(parts)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(fd)


def read_text(path: Path) -> str:
    """What a file says, without white space (and NULs) around it."""
    return read(path).decode("utf-8", "surrogateescape").strip("\0 \n\t")


def write(path: Path, value: str | bytes) -> None:
    """One write(2): an attribute's store function sees all of it at once, or the error says why not."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        written = os.write(fd, data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(fd)
    # configfs takes at most a page (fs/configfs/file.c) and says how much; silence would hide a cut value.
    if written != len(data):
        raise OSError(errno.EFBIG, f"only {written} of {len(data)} bytes were taken", str(path))


def missing(path: Path) -> bool:
    """Whether nothing is there (a dangling link counts as something)."""
    return not os.path.lexists(path)


def make(path: Path) -> bool:
    """Make a directory; whether it was not there before."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    return True


def remove(path: Path) -> None:
    """Remove a directory; configfs takes its attributes and default groups along."""
    os.rmdir(path)


def entries(path: Path) -> list[str]:
    """Names in a directory, sorted; none when it is not there."""
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def directories(path: Path) -> list[str]:
    """Names of the real directories in a directory, sorted."""
    return [name for name in entries(path)
            if (path / name).is_dir() and not (path / name).is_symlink()]
