"""The source files of the target drivers in a kernel tree: which they are, what they contain, a copy to build from."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UsageError

# The drivers, and the headers that are theirs alone. Others come from the kernel that the modules are built for.
PLACES = ("drivers/target", "include/target", "include/trace/events/target.h", "include/uapi/linux/target_core_user.h")
_SOURCE = re.compile(r"(\.[chS]|/Makefile|/Kbuild)$")
_GENERATED = (".mod.c",)


@dataclass(frozen=True)
class Sources:
    """Names (relative to the tree, sorted) with what the files contain, as they were at one moment."""

    tree: Path
    files: dict[str, bytes]
    version: str  # 6.1.192, or "" where the tree has no Makefile

    @property
    def digest(self) -> str:
        """sha256 (hex) over names and contents."""
        lines = (f"{name}\0{hashlib.sha256(data).hexdigest()}\n" for name, data in self.files.items())
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def copy_to(self, directory: Path) -> None:
        """Make `directory` hold just these sources. What is equal stays as it is, so that make has nothing to do."""
        for place in PLACES:
            for name in list(_names(directory, place)):
                if name not in self.files:
                    (directory / name).unlink()
        for name, data in self.files.items():
            target = directory / name
            if not target.is_file() or target.read_bytes() != data:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)


def sources_of(tree: Path) -> Sources:
    """Read them. UsageError for a directory that is no kernel source tree with drivers/target."""
    if not any((tree / "drivers/target" / name).is_file() for name in ("Makefile", "Kbuild")):
        raise UsageError(f"{tree} has no drivers/target/Makefile: give the top of a kernel source tree")
    try:
        files = {name: (tree / name).read_bytes() for place in PLACES for name in _names(tree, place)}
    except OSError as error:
        raise LabError(f"cannot read {error.filename}: {error.strerror}") from None
    return Sources(tree, dict(sorted(files.items())), tree_version(tree))


def tree_version(tree: Path) -> str:
    """VERSION.PATCHLEVEL.SUBLEVEL of the tree's Makefile; "" where it has none."""
    try:
        text = (tree / "Makefile").read_text(errors="replace")
    except OSError:
        return ""
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) *= *(\d+)", text, re.MULTILINE))
    return ".".join(found[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL") if name in found)


def series_of(tree: Path) -> str:
    """6.1 of a 6.1.192 tree. UsageError for a directory without the Makefile of a kernel."""
    series = ".".join(tree_version(tree).split(".")[:2])
    if not series:
        raise UsageError(f"{tree} has no Makefile that tells its version: write modules:{tree}@debian:VERSION")
    return series


def _names(tree: Path, place: str) -> Iterator[str]:
    if (tree / place).is_file():
        yield place
    for directory, _, names in os.walk(tree / place):
        for name in names:
            path = f"{Path(directory, name).relative_to(tree)}"
            if _SOURCE.search(path) and not name.endswith(_GENERATED):
                yield path
