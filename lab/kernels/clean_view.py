"""A tree that was built in place cannot be built elsewhere, for kbuild refuses it: a copy of its sources can."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lab.errors import UsageError
from lab.git import Git
from lab.kernels.store import Store, full_disk_explained
from lab.kernels.tree_hash import is_checkout
from lab.usage import hold

_IN_PLACE = (".config", "include/config", "arch/x86/include/generated")  # what kbuild looks at


def view_of(tree: Path, store: Store, say: Callable[[str], None]) -> Path:
    """The tree itself when it is clean, else a copy of its sources in the store, brought up to date.

    Only what changed is copied, with its times, so that a build goes on where it was. UsageError for a tree that was
    built in place and is no checkout: nobody knows what of it is source.
    """
    if not any((tree / name).exists() for name in _IN_PLACE):
        return tree
    if not is_checkout(tree):
        raise UsageError(f"{tree} was configured or built in place and is no checkout of git, so its sources cannot be "
                         f"told from the rest; run make -C {tree} mrproper, or give the directory as a built tree")
    copy = store.root / "views" / hashlib.sha256(str(tree).encode()).hexdigest()[:16]
    say(f"{tree} was built in place; building from a copy of its sources in {copy}")
    with store.lock(f"view-{copy.name}", say=say), full_disk_explained(store.root):
        _synchronise(tree, copy)
    return copy


def _synchronise(tree: Path, copy: Path) -> None:
    listed = Git(tree)("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = {name for name in listed.split("\0") if name and os.path.lexists(tree / name)}
    copy.mkdir(parents=True, exist_ok=True)
    hold(copy)
    for root, _, files in os.walk(copy):
        for file in files:
            if os.path.relpath(os.path.join(root, file), copy) not in names:
                os.unlink(os.path.join(root, file))
    for name in names:
        _copy(tree / name, copy / name)


def _copy(source: Path, target: Path) -> None:
    stat = source.lstat()
    with contextlib.suppress(FileNotFoundError):
        have = target.lstat()
        if (have.st_size, have.st_mtime_ns, have.st_mode) == (stat.st_size, stat.st_mtime_ns, stat.st_mode):
            return
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
