"""What of a store is used: when a thing was last, whether a process uses it just now, and removing what nobody does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

UNFINISHED = ".unfinished-"
_held: dict[Path, int] = {}


def used(path: Path) -> None:
    """Note that something is in use now: its time of change says when it was last."""
    with contextlib.suppress(OSError):  # another user's store may be read only
        os.utime(path)


def last_used(path: Path) -> float:
    """Seconds since the epoch; 0 when it is gone."""
    with contextlib.suppress(OSError):
        return path.lstat().st_mtime
    return 0.0


def hold(path: Path) -> None:
    """Until this process ends, nobody removes the file or directory by `remove` or `prune`."""
    used(path)
    with contextlib.suppress(OSError):
        # What has the name by now may not be what was locked: somebody was just removing that.
        while path not in _held or not os.path.samestat(os.fstat(_held[path]), path.stat()):
            if path in _held:
                os.close(_held.pop(path))
            _held[path] = os.open(path, os.O_RDONLY)
            fcntl.flock(_held[path], fcntl.LOCK_SH)


def is_held(path: Path) -> bool:
    """Whether a process holds it, this one or another."""
    with _locked_out(path) as free:
        return not free


def remove(path: Path) -> bool:
    """Remove a file or directory unless a process holds it; whether it is gone."""
    doomed = _grave(path)
    with _locked_out(path) as free:
        if free:
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                os.replace(path, doomed)
    _bury(doomed)
    return not os.path.lexists(path)


def prune(paths: Iterable[Path], keep_s: float) -> list[Path]:
    """Remove what was not used for `keep_s` seconds and is not held; returns what went."""
    limit = time.time() - keep_s
    return [path for path in paths if last_used(path) < limit and _removed(path)]


def _removed(path: Path) -> bool:
    try:
        return remove(path)
    except OSError:  # another user's
        return False


def discard(path: Path) -> None:
    """Remove a thing of the store, held or not; it is renamed first, so that nobody finds half of it by its name."""
    doomed = _grave(path)
    with contextlib.suppress(FileNotFoundError):  # also when another lab was faster
        os.replace(path, doomed)
    _bury(doomed)


@contextlib.contextmanager
def _locked_out(path: Path) -> Iterator[bool]:
    """Whether nobody holds it; as long as the block lasts nobody begins to."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(handle)


def _grave(path: Path) -> Path:
    return path.with_name(f"{UNFINISHED}{path.name}-old-{os.getpid()}")


def _bury(doomed: Path) -> None:
    if doomed.is_dir() and not doomed.is_symlink():
        shutil.rmtree(doomed, ignore_errors=True)
    else:
        doomed.unlink(missing_ok=True)
