"""What was reached of each file: lines, branches and functions, as gcovr's JSON says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_UNKNOWN = "<unknown function"  # what gcovr calls a function that gcc has inlined everywhere


@dataclass(frozen=True)
class Function:
    """One function; `first` and `last` are its first and its last line with code."""

    name: str
    first: int
    last: int
    reached: bool


@dataclass(frozen=True)
class FileReach:
    """One file. Keys of `lines`: lines with code; of `branches`: (line, number)."""

    lines: Mapping[int, bool] = field(default_factory=dict)
    branches: Mapping[tuple[int, int], bool] = field(default_factory=dict)
    functions: tuple[Function, ...] = ()


Reach = Mapping[str, FileReach]  # path in the tree -> what was reached of it


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    reached: int
    total: int

    @property
    def percent(self) -> float:
        return 100 * self.reached / self.total if self.total else 0.0

    def __add__(self, other: Share) -> Share:
        return Share(self.reached + other.reached, self.total + other.total)


def share(flags: Iterable[bool]) -> Share:
    listed = list(flags)
    return Share(sum(listed), len(listed))


def load(path: Path) -> Reach:
    """Read gcovr's JSON. ValueError, KeyError for anything else."""
    return {entry["file"]: _file(entry) for entry in json.loads(path.read_text())["files"]}


def _file(entry: Mapping[str, Any]) -> FileReach:
    lines: dict[int, bool] = {}
    branches: dict[tuple[int, int], bool] = {}
    extent: dict[str, tuple[int, int]] = {}
    for line in entry["lines"]:
        number, name = int(line["line_number"]), line.get("function_name")
        lines[number] = lines.get(number, False) or line["count"] > 0
        for index, branch in enumerate(line["branches"]):
            branches[number, index] = branches.get((number, index), False) or branch["count"] > 0
        if name and not name.startswith(_UNKNOWN):
            first, last = extent.get(name, (number, number))
            extent[name] = min(first, number), max(last, number)
    functions = tuple(_functions((f for f in entry["functions"] if not f["name"].startswith(_UNKNOWN)), extent))
    return FileReach(lines, branches, functions)


def _functions(listed: Iterable[Mapping[str, Any]], extent: Mapping[str, tuple[int, int]]) -> Iterator[Function]:
    for entry in sorted(listed, key=lambda f: int(f["lineno"])):
        name, begin = str(entry["name"]), int(entry["lineno"])
        first, last = extent.get(name, (begin, begin))
        yield Function(name, min(first, begin), max(last, begin), entry["execution_count"] > 0)


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Consecutive numbers as (first, last)."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def numbers(listed: Iterable[Iterable[int]]) -> set[int]:
    """The other way round."""
    return {number for first, last in listed for number in range(first, last + 1)}
