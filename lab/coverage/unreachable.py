"""What of drivers/target no loopback target can run, and why (kernels/unreachable.yaml).

The list is a claim, and coverage holds it against what ran: what was reached after all is said and counts like any
other code; what is not there any more is said, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from lab.coverage.reach import FileReach, Function, Reach
from lab.document import Document, examine
from lab.explain import validated
from lab.problems import Problem, Problems


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"this is no regular expression: {error}") from None
    return text


_FILE, _NAME = r"^drivers/target/[\w/]+\.[ch]$", r"^\w+$"
_FORMS = {_FILE: "a file of drivers/target", _NAME: "the name of a function"}
_Expression = Annotated[str, AfterValidator(_expression)]


class Entry(BaseModel):
    """Functions of one file, or some of their lines, and why nothing runs them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    file: Annotated[str, StringConstraints(pattern=_FILE)] = Field(description="below the tree")
    functions: Annotated[list[Annotated[str, StringConstraints(pattern=_NAME)]], Field(min_length=1)]
    begins: _Expression | None = Field(None, description="only groups of lines of these functions: what their first "
                                                         "line matches")
    ends: _Expression | None = Field(None, description="what the last line of a group matches, which ends with the "
                                                       "function at last; default: one line")
    reason: Annotated[str, StringConstraints(min_length=20, max_length=600)] = Field(description="with its source")


class _File(BaseModel):
    """The format of the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    unreachable: list[Entry]


def load_unreachable(path: Path) -> list[Entry]:
    """The entries of a file. Raises Problems (a UsageError) with everything that is wrong in it, at its place."""
    entries, problems = _read(examine(path))
    if problems:
        raise Problems(problems)
    return entries


def check_unreachable(path: Path) -> list[Problem]:
    """Everything that is wrong in a file."""
    return _read(examine(path))[1]


def _read(document: Document) -> tuple[list[Entry], list[Problem]]:
    file, problems = validated(document, _File, _FORMS)
    return file.unreachable if file is not None else [], problems


@dataclass(frozen=True)
class Reachable:
    """`reach`: without what is listed. `reached`, `gone`: what is listed and was reached after all, or does not exist,
    as `function() in file`."""

    reach: Reach
    reached: Sequence[str] = ()
    gone: Sequence[str] = ()


def reachable(everything: Reach, entries: Iterable[Entry], text_of: Callable[[str], Sequence[str]]) -> Reachable:
    """What is left of `everything`. `text_of`: the lines of a file; none when they are not those that were compiled."""
    left, reached, gone = dict(everything), list[str](), list[str]()
    for entry in entries:
        for name in entry.functions:
            file = left.get(entry.file, FileReach())
            functions = [f for f in file.functions if f.name == name]
            groups = [g for f in functions for g in _groups(entry, f, file, text_of)]
            said = f"{name}() in {entry.file}" + (f", {entry.begins}" if entry.begins else "")
            if not groups:
                gone.append(said)
            elif any(_ran(file, group) for group in groups):
                reached.append(said)
            for group in groups:
                if not _ran(file, group):
                    left[entry.file] = file = _without(file, group, "" if entry.begins else name)
    return Reachable(left, reached, gone)


def _groups(entry: Entry, function: Function, file: FileReach, text_of: Callable[[str], Sequence[str]],
            ) -> Iterator[frozenset[int]]:
    """Numbers of the lines with code that an entry means, in groups that run or do not run as one."""
    lines, inside = text_of(entry.file), list[int]()
    final = _end(function, lines)
    own = frozenset(n for n in file.lines if function.first <= n <= final)
    if entry.begins is None:
        yield own
        return
    for number in range(function.first, min(final, len(lines)) + 1):
        line = lines[number - 1]
        if inside or re.search(entry.begins, line):
            inside.append(number)
            if entry.ends is None or re.search(entry.ends, line) or number == final:
                if group := own & frozenset(inside):
                    yield group
                inside = []


def _end(function: Function, lines: Sequence[str]) -> int:
    """Its last line: gcov counts an inlined function behind it as a part of it, so the brace that closes it decides."""
    own = range(function.first, min(function.last, len(lines)) + 1)
    return next((number for number in own if lines[number - 1].startswith("}")), function.last)


def _ran(file: FileReach, group: frozenset[int]) -> bool:
    return any(file.lines[n] for n in group)


def _without(file: FileReach, group: frozenset[int], function: str) -> FileReach:
    return replace(file, lines={n: hit for n, hit in file.lines.items() if n not in group},
                   branches={place: hit for place, hit in file.branches.items() if place[0] not in group},
                   functions=tuple(f for f in file.functions if f.name != function))
