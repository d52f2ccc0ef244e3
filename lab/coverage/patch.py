"""A patch as changed places of files: unidiff parses, this says which old lines each change touches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk, Line, PatchSet

from lab.errors import UsageError

_FUNCTION = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
_SAYS_NOTHING = re.compile(r"^\s*($|//|/\*|\*(\s|/|$))")


@dataclass(frozen=True)
class Change:
    """One hunk. `before`, `after`: its lines of either side; `start`: the number of the first old line.

    `touched`: places in `before` (0 is the first) of lines that went; `beside`: pairs of places between which lines
    came and none went; `touched_after`: places in `after` of lines that came. `function`: what the hunk's header names.
    """

    file: str
    start: int
    before: tuple[str, ...]
    after: tuple[str, ...]
    touched: tuple[int, ...]
    beside: tuple[tuple[int, int], ...]
    touched_after: tuple[int, ...]
    function: str


@dataclass(frozen=True)
class Patch:
    """`new`: files that it adds, `renamed`: what has only another name; `others`: all paths outside the target."""

    changes: tuple[Change, ...]
    new: tuple[str, ...]
    others: tuple[str, ...]


def parse(text: str, name: str) -> Patch:
    """UsageError: it is no patch, or a damaged one."""
    try:
        files = PatchSet(text)
    except UnidiffParseError as error:
        raise UsageError(f"{name} is a damaged patch: {error}") from None
    if not files:
        raise UsageError(f"{name} is no patch: there is no unified diff in it (`git diff`, `git format-patch`)")
    changes: list[Change] = []
    new, others = [], []
    for file in files:
        path = _old_path(file.source_file, file.path)
        if not is_target(path):
            others.append(path)
        elif file.is_added_file:
            new.append(path)
        else:
            changes += [change for hunk in file if (change := _change(path, hunk)) is not None]
    return Patch(tuple(changes), tuple(new), tuple(others))


def is_target(path: str) -> bool:
    return path.startswith(("drivers/target/", "include/target/"))


def _old_path(source: str, path: str) -> str:
    """A renamed file is known by its old name."""
    old = source.split("\t")[0]
    return path if old == "/dev/null" else re.sub(r"^a/", "", old)


def _change(path: str, hunk: Hunk) -> Change | None:
    """None when only comments and empty lines change."""
    before: list[str] = []
    after: list[str] = []
    gone: list[int] = []
    came: list[int] = []
    beside: list[tuple[int, int]] = []
    for kind, run in _runs(hunk):
        lines = [line.value.rstrip("\r\n") for line in run]
        counts = any(not _SAYS_NOTHING.match(line) for line in lines)
        if kind == " ":
            before += lines
            after += lines
            continue
        removed = [line.value.rstrip("\r\n") for line in run if line.is_removed]
        added = [line.value.rstrip("\r\n") for line in run if line.is_added]
        if counts and removed:
            gone += range(len(before), len(before) + len(removed))
        elif counts:
            beside.append((len(before) - 1, len(before)))
        if counts:
            came += range(len(after), len(after) + len(added))
        before += removed
        after += added
    if not gone and not beside:
        return None
    named = _FUNCTION.search(hunk.section_header or "")
    return Change(path, hunk.source_start, tuple(before), tuple(after), tuple(gone), tuple(beside), tuple(came),
                  named[1] if named else "")


def _runs(hunk: Hunk) -> Iterator[tuple[str, list[Line]]]:
    """Lines of context, and between them the lines that change, as lists."""
    run: list[Line] = []
    kind = " "
    for line in hunk:
        if line.line_type == "\\":  # "No newline at end of file"
            continue
        here = " " if line.is_context else "+"
        if here != kind and run:
            yield kind, run
            run = []
        kind = here
        run.append(line)
    if run:
        yield kind, run
