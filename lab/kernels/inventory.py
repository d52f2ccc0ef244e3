"""What the store holds, what it takes, when it was last used; and getting rid of it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import usage
from lab.errors import LabError, UsageError
from lab.kernels.store import Store, free_bytes
from lab.usage import UNFINISHED

_FOLDERS = ("kernels", "builds", "headers", "debug", "changelogs", "sources", "views", "objects", "configs", "images",
            "checkpoints", "coverage", "worktrees")
_KINDS = {"debian": "stock", "ubuntu": "stock", "mainline": "stock", "tree": "tree", "image": "image"}
_UNFINISHED_KEEP_S = 86400.0  # nobody makes one thing for that long
_DAY_S = 86400.0


@dataclass(frozen=True)
class Stored:
    """One thing in the store. `used_s`: seconds since the epoch."""

    kind: str  # stock, tree, image (kernels), or the folder: builds, headers, debug, objects, ...
    name: str
    path: Path
    bytes: int
    used_s: float

    @property
    def is_kernel(self) -> bool:
        """Something that -k takes."""
        return self.kind in {*_KINDS.values(), "builds"}


def stored(store: Store) -> list[Stored]:
    """Everything that may be removed, in the order of its kind and name. Files with several names count once."""
    seen: set[tuple[int, int]] = set()
    return [_measured(folder, path, seen) for folder in _FOLDERS for path in _children(store.root / folder)]


def _children(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if not p.name.startswith(UNFINISHED)) if folder.is_dir() else []


def _measured(folder: str, path: Path, seen: set[tuple[int, int]]) -> Stored:
    kind = _KINDS.get(path.name.partition("-")[0], "other") if folder == "kernels" else folder
    return Stored(kind, path.name, path, sum(_sizes(path, seen)), usage.last_used(path))


def _sizes(path: Path, seen: set[tuple[int, int]]) -> Iterator[int]:
    """Bytes on the disk, which is less than the size for a file with holes."""
    for file in [path] if not path.is_dir() else (Path(r) / n for r, _, names in os.walk(path) for n in names):
        try:
            stat = file.lstat()
        except OSError:  # somebody removes it just now
            continue
        if (stat.st_dev, stat.st_ino) not in seen:
            seen.add((stat.st_dev, stat.st_ino))
            yield stat.st_blocks * 512


def named(items: Sequence[Stored], word: str) -> list[Stored]:
    """What a word of the list means: a name, or a SPEC such as debian:6.1.192-2 with its headers and debug information.

    UsageError when there is none.
    """
    name = word.replace(":", "-", 1)
    found = [i for i in items if name in (i.name, str(i.path)) or i.name.startswith(f"{name}.")]
    if not found:
        raise UsageError(f"there is no {word!r} in the store; `lab kernel list` shows what is")
    return found


def remove(items: Iterable[Stored]) -> tuple[list[Stored], list[Stored]]:
    """Remove things; returns what went and what stayed because a running lab uses it. LabError where that is
    forbidden."""
    gone, kept = list[Stored](), list[Stored]()
    for item in items:
        try:
            (gone if usage.remove(item.path) else kept).append(item)
        except OSError as error:
            raise LabError(f"cannot remove {item.path} ({error.strerror}); is the store yours?") from None
    return gone, kept


def sorted_out(items: Iterable[Stored]) -> tuple[list[Stored], list[Stored]]:
    """What `remove` would return, with nothing removed."""
    gone, kept = list[Stored](), list[Stored]()
    for item in items:
        (kept if usage.is_held(item.path) else gone).append(item)
    return gone, kept


def stale(store: Store, items: Sequence[Stored], *, older_than_days: float, keep_free_bytes: int = 0) -> list[Stored]:
    """What was not used for so long; then, oldest first, as much as brings the disk to `keep_free_bytes`."""
    limit = time.time() - older_than_days * _DAY_S
    doomed = [item for item in items if item.used_s < limit]
    lacking = keep_free_bytes - free_bytes(store.root) - sum(item.bytes for item in doomed)
    for item in sorted((i for i in items if i.used_s >= limit), key=lambda i: i.used_s):
        if lacking <= 0:
            break
        doomed.append(item)
        lacking -= item.bytes
    return doomed


def leavings(store: Store) -> list[Path]:
    """What killed makers left unfinished, and downloads that nobody took up again, a day ago or longer."""
    limit = time.time() - _UNFINISHED_KEEP_S
    unfinished = [path for folder in _FOLDERS for path in (store.root / folder).glob(f"{UNFINISHED}*")
                  if usage.last_used(path) < limit]
    return unfinished + [path for path in (store.apt / "downloads").glob("*") if _changed(path) < limit]


def _changed(path: Path) -> float:
    """apt gives a download the time that the server says; that of the last change to the file itself is ours."""
    try:
        return path.lstat().st_ctime
    except OSError:  # another lab has just used it up
        return float("inf")


def sweep(paths: Iterable[Path]) -> None:
    """Remove leavings; what a lab has taken up again stays, and what is another user's."""
    for path in paths:
        with contextlib.suppress(OSError):
            usage.remove(path)
