"""From addresses in an ELF file to functions, files and lines, by addr2line of binutils."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process

_DEADLINE_S = 120.0  # a vmlinux with 400 MB of DWARF takes half a second on an ordinary host
_BATCH = 2000  # addresses on one command line
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_LINE = re.compile(r"(?P<file>.+):(?P<line>\d+|\?)(?: \(discriminator \d+\))?")
_CONTROL = re.compile(r"[^\x20-\x7e]")


@dataclass(frozen=True)
class Place:
    """A line of source code. `inlined`: this function has no frame of its own, it became part of the next place's."""

    function: str
    file: str
    line: int  # 0: not known
    inlined: bool

    def __str__(self) -> str:
        return f"{self.function} at {self.file}{f':{self.line}' if self.line else ''}{' (inlined)' * self.inlined}"


def places(path: Path, section: str, addresses: Sequence[int]) -> dict[int, tuple[Place, ...]]:
    """For each address its places, innermost first; an address without line numbers is left out.

    `section` is that of the addresses in a module, "" for a vmlinux. Raises MissingTool, and LabError when addr2line
    does not end in time.
    """
    found: dict[int, tuple[Place, ...]] = {}
    tool = process.find("addr2line", "binutils")
    for begin in range(0, len(addresses), _BATCH):
        batch = [f"{address:#x}" for address in addresses[begin:begin + _BATCH]]
        option = ["-j", section] if section else []
        done = process.run([tool, "-a", "-f", "-i", *option, "-e", path.absolute(), *batch], timeout_s=_DEADLINE_S,
                           env={**os.environ, "LC_ALL": "C"}, check=False)
        found |= _parse(done.stdout.split("\n"))
    return found


def _parse(lines: Sequence[str]) -> dict[int, tuple[Place, ...]]:
    """An address, then pairs of lines: a function and its place."""
    found: dict[int, tuple[Place, ...]] = {}
    at = 0
    while at < len(lines):
        if not _ADDRESS.fullmatch(lines[at]):
            at += 1
            continue
        address, pairs = int(lines[at], 16), []
        at += 1
        while at + 1 < len(lines) and not _ADDRESS.fullmatch(lines[at]):
            pairs.append((lines[at], lines[at + 1]))
            at += 2
        if known := _known(pairs):
            found[address] = known
    return found


def _known(pairs: Sequence[tuple[str, str]]) -> tuple[Place, ...]:
    known = []
    for index, (function, where) in enumerate(pairs):
        match = _LINE.fullmatch(where)
        if match is None or match["file"] == "??":
            return ()
        number = 0 if match["line"] == "?" else int(match["line"])
        known.append(Place(_clean(function), posixpath.normpath(_clean(match["file"])), number,
                           index < len(pairs) - 1))
    return tuple(known)


def _clean(text: str) -> str:
    """What stands in debug information may hold anything; it goes to terminals and into XML."""
    return _CONTROL.sub("?", text)[:400]
