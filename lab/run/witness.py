"""Who said what stands on the console: the kernel, or somebody who writes like it.

Text on a serial console has no sender. The guest's agent reads /dev/kmsg, which has one: it reports what user space
wrote there, and denies lines that are no record at all (written to the console's device).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from lab.console import scan
from lab.console.finding import Effect, Finding
from lab.console.line import Line, parse_line
from lab.machine.link import Link, LinkTimeout
from lab.run.plan import RunPlan
from lab.run.record import Recorder
from lab.wire import folded

_ROUNDS = 20  # a forged report may hide another one behind its first line
_AT_ONCE = 300  # lines of a question, some 50 KB
Record = tuple[int, str]
"""(us, text) of a record of /dev/kmsg."""
Said = tuple[int, str]
"""(us, folded text) of a line of the console."""


def first_of(finding: Finding) -> Said | None:
    """A report's first line; None when it has no time."""
    return next((said for line in _lines(finding)[:1] if (said := _said(line)) is not None), None)


def lines_of(finding: Finding) -> set[Said]:
    """A report's lines that have a time."""
    return {said for line in _lines(finding) if (said := _said(line)) is not None}


class Testimony:
    """What the guest has said of the lines on its console, written down for the verdict."""

    def __init__(self, recorder: Recorder, link: Link, console: Path, plan: RunPlan) -> None:
        self._recorder, self._link, self._console, self._plan = recorder, link, console, plan
        self._printed: set[Record] = set()
        self._denied: set[Said] = set()

    def printed(self, records: Iterable[Record]) -> None:
        """User space wrote these to /dev/kmsg."""
        self._note(set(records))

    def denied(self, lines: Iterable[Said]) -> None:
        """The kernel did not say these."""
        self._denied.update(lines)

    def examine(self, *, deadline_s: float) -> None:
        """Ask the agent of all lines that the verdict hangs on: of failures, and of messages that must come. Does
        nothing for a console without any. An agent that does not answer leaves the console as it is."""
        for _ in range(_ROUNDS):
            lines = self._decisive() if self._console.exists() else {}
            asked = sorted(lines)
            for start in range(0, len(asked), _AT_ONCE):
                with contextlib.suppress(LinkTimeout):
                    self._link.notify("confirm", lines=asked[start:start + _AT_ONCE])
                if not self._link.ping(deadline_s=deadline_s):  # the answer comes before this one's
                    return
            forged = {(key[0], text) for key, text in lines.items() if key in self._denied}
            if not forged - self._printed:
                return
            self._note(forged)

    def _decisive(self) -> dict[Said, str]:
        found = scan.scan_file(self._console, self._plan.token, printed=self._printed)
        lines = [line for f in found if f.effect is Effect.FAIL for line in _lines(f)]
        wanted = self._plan.required_messages()
        lines += scan.messages_like(self._console, wanted, printed=self._printed) if wanted else []
        return {said: line.text for line in lines if (said := _said(line)) is not None}

    def _note(self, records: set[Record]) -> None:
        new = sorted(records - self._printed)
        if new:
            self._printed.update(new)
            self._recorder.event("printed", records=[list(record) for record in new])


def _lines(finding: Finding) -> list[Line]:
    return [parse_line(0, raw.encode("utf-8", "replace")) for raw in finding.text.split("\n")]


def _said(line: Line) -> Said | None:
    return None if line.time_s is None else (round(line.time_s * 1e6), folded(line.text))
