"""Where in the console log a line stands, for what belongs to no step: before the first, after the last, in the
teardown."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from lab.console.line import MAX_LINE_BYTES, parse_line
from lab.console.marks import Marks
from lab.console.printed import Printed, Record

_PHASE = re.compile(r"lab: [0-9a-f]{16} ((?:setup|teardown) (?:begin|end))\s*")


@dataclass(frozen=True)
class Places:
    """Line numbers, from 1, of the marks of one run."""

    phases: dict[str, int] = field(default_factory=dict)  # "teardown begin" -> line
    begun: dict[int, int] = field(default_factory=dict)  # step -> line
    ended: dict[int, int] = field(default_factory=dict)

    def when(self, line: int, titles: list[str]) -> str:
        """`in the teardown`, in words for a report; empty where the log has no marks. `titles`: of the steps."""
        if self._after("teardown end", line):
            return "after the teardown"
        if self._after("teardown begin", line):
            return "in the teardown"
        if not self.begun or line < min(self.begun.values()):
            inside = self._after("setup begin", line) and not self._after("setup end", line)
            return ("in the set-up" if inside else "before the first step") if self.phases or self.begun else ""
        last = self._last_ended(line)
        if last is None or last == max(self.begun):
            return "after the last step"
        return f"after step {last + 1} ({titles[last]})" if last < len(titles) else f"after step {last + 1}"

    def position(self, line: int, steps: int) -> float:
        """The same as a number that grows with time: -1 before the steps, N in step N, `steps` in the teardown."""
        if self._after("teardown end", line):
            return steps + 0.9
        if self._after("teardown begin", line):
            return float(steps)
        last = self._last_ended(line)
        return -1.0 if last is None else last + 0.9

    def _after(self, phase: str, line: int) -> bool:
        return phase in self.phases and line > self.phases[phase]

    def _last_ended(self, line: int) -> int | None:
        return max((step for step, end in self.ended.items() if end < line), default=None)


def places(console: Path, token: str, printed: Collection[Record]) -> Places:
    """The marks in a log; none where it cannot be read."""
    marks, by_user, found, number, inside = Marks(token), Printed(printed), Places(), 0, False
    wanted = f"lab: {token} ".encode()
    try:
        with console.open("rb") as log:
            while raw := log.readline(MAX_LINE_BYTES):
                rest, inside = inside, not raw.endswith(b"\n")
                number += not rest
                if wanted not in raw or rest:
                    continue
                line = parse_line(number, raw)
                if line.kernel and not by_user.wrote(line):
                    _enter(found, marks, line.text, number)
    except OSError:
        return Places()
    return found


def _enter(found: Places, marks: Marks, text: str, number: int) -> None:
    marks.see(text)
    if phase := _PHASE.fullmatch(text):
        found.phases.setdefault(phase[1], number)
    for step in marks.begun - found.begun.keys():
        found.begun[step] = number
    for step in marks.ended - found.ended.keys():
        found.ended[step] = number
