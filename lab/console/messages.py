"""Other questions to a console log: what the kernel said, in which step, and whether all marks came."""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.console.line import MAX_LINE_BYTES, Line, parse_line
from lab.console.marks import Marks
from lab.console.printed import Printed, Record
from lab.errors import LabError

MAX_LIKE = 1000


@dataclass(frozen=True)
class MarksSeen:
    """Which of a run's marks are on its console."""

    begun: frozenset[int]
    """Steps whose begin was seen."""
    ended: frozenset[int]
    """Steps whose end was seen."""
    last: bool
    """The agent's last word, `lab: TOKEN end`."""


def marks_seen(path: Path, token: str, *, printed: Collection[Record] = frozenset()) -> MarksSeen:
    """The marks of a run that its console recorded. Raises LabError when the file cannot be read.

    A run whose agent wrote marks that are not here had a console that recorded nothing: its silence proves nothing.
    """
    marks = Marks(token)
    for line in _kernel_lines(path, Printed(printed), only=b"lab: "):
        marks.see(line.text, line.time_s)
    return MarksSeen(frozenset(marks.begun), frozenset(marks.ended), marks.over)


def kernel_said(
    path: Path, patterns: Iterable[str], token: str | None = None, step: int | None = None, *,
    printed: Collection[Record] = frozenset(),
) -> set[str]:
    """Those of some regular expressions that match a message of the kernel; what user space printed does not count.

    With `token` and `step`: a message between the marks of that step. Raises LabError when the file cannot be read.
    """
    open_ones = {pattern: re.compile(pattern) for pattern in patterns}
    said: set[str] = set()
    marks = Marks(token)
    for line in _kernel_lines(path, Printed(printed)):
        if line.text.startswith("lab: "):
            marks.see(line.text, line.time_s)
        elif step is None or marks.step == step:
            said.update(p for p, expression in open_ones.items() if expression.search(line.text))
            open_ones = {p: e for p, e in open_ones.items() if p not in said}
        if not open_ones:
            break
    return said


def messages_like(path: Path, patterns: Iterable[str], *, printed: Collection[Record] = frozenset()) -> list[Line]:
    """The first MAX_LIKE kernel messages in which one of some regular expressions is found. Raises LabError when
    unreadable."""
    expressions = [re.compile(pattern) for pattern in patterns]
    lines = (line for line in _kernel_lines(path, Printed(printed)) if any(e.search(line.text) for e in expressions))
    return list(itertools.islice(lines, MAX_LIKE))


def messages_of_step(
    path: Path, token: str, step: int, limit: int, *, printed: Collection[Record] = frozenset(),
) -> list[str]:
    """The last `limit` kernel messages between the marks of a step. Raises LabError when unreadable."""
    marks = Marks(token)
    kept: deque[str] = deque(maxlen=max(limit, 0))
    for line in _kernel_lines(path, Printed(printed)):
        if line.text.startswith("lab: "):
            marks.see(line.text, line.time_s)
        elif marks.step == step:
            kept.append(line.raw)
    return list(kept)


def _kernel_lines(path: Path, printed: Printed, only: bytes = b"[") -> Iterator[Line]:
    """The lines that printk marked, without those that user space wrote; of bytes that hold `only`, which is cheap."""
    number, inside = 0, False
    try:
        with path.open("rb") as log:
            while raw := log.readline(MAX_LINE_BYTES):
                rest, inside = inside, not raw.endswith(b"\n")
                number += not rest
                line = parse_line(number, raw) if only in raw and not rest else None
                if line is not None and line.kernel and not line.from_user and not printed.wrote(line):
                    yield line
    except OSError as error:
        raise LabError(f"{path}: the console log cannot be read: {error.strerror}; name a readable file") from error
