"""Finds the file of a module by its name, in directories of any layout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_MODULE = re.compile(r"(?P<name>.+?)\.ko(?P<debug>\.debug)?")
_MAX_FILES = 100_000


class ModuleFiles:
    """NAME.ko and NAME.ko.debug below some directories; `_` and `-` are the same in a module's name."""

    def __init__(self, where: Iterable[Path]) -> None:
        self._files: dict[str, list[Path]] = {}
        for path in (path for start in where for path in _below(start)):
            if match := _MODULE.fullmatch(path.name):
                self._files.setdefault(match["name"].replace("-", "_"), []).append(path)

    def candidates(self, module: str) -> list[Path]:
        """Files of this module: debug information apart first, then in the order of the directories."""
        return sorted(self._files.get(module.replace("-", "_"), []), key=lambda path: path.suffix != ".debug")


def _below(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
        return
    count = 0
    for directory, folders, names in os.walk(start):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _MAX_FILES:  # somebody gave / by mistake
                return
            if ".ko" in name:
                yield Path(directory, name)
