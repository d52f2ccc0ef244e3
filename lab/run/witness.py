"""Who said what stands on the console: the kernel, or somebody who writes like it.

Text on a serial console has no sender. The guest's agent reads /dev/kmsg, which has one: it reports what user space
wrote there, and denies lines that are no record at all (written to the console's device).
"""

from __future__ import annotations

from pathlib import Path

from lab.console import scan
from lab.console.finding import Effect, Finding
from lab.console.line import Line, parse_line
from lab.machine.link import Link
from lab.run.record import Recorder
from lab.wire import folded

_ROUNDS = 20  # a forged report may hide another one behind its first line
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

    def __init__(self, recorder: Recorder, link: Link, console: Path, token: str) -> None:
        self._recorder, self._link, self._console, self._token = recorder, link, console, token
        self._printed: set[Record] = set()
        self._denied: set[Said] = set()

    def printed(self, records: list[list[object]]) -> None:
        """User space wrote these to /dev/kmsg: [[us, text], ...]."""
        self._note({(int(str(time_us)), str(text)) for time_us, text in records})

    def denied(self, lines: list[Said]) -> None:
        """The kernel did not say these."""
        self._denied.update(lines)

    def examine(self, *, deadline_s: float) -> None:
        """Ask the agent of every failure on the console. Does nothing for a console without any."""
        for _ in range(_ROUNDS):
            found = [f for f in scan.scan_file(self._console, self._token, printed=self._printed)
                     if f.effect is Effect.FAIL] if self._console.exists() else []
            if not (said := sorted({line for f in found for line in lines_of(f)})):
                return
            self._link.notify("confirm", lines=said)
            self._link.ping(deadline_s=deadline_s)  # the answer comes before this one's
            forged = {(key[0], line.text) for f in found for line in _lines(f)
                      if (key := _said(line)) is not None and key in self._denied}
            if not forged - self._printed:
                return
            self._note(forged)

    def _note(self, records: set[Record]) -> None:
        new = sorted(records - self._printed)
        if new:
            self._printed.update(new)
            self._recorder.event("printed", records=[list(record) for record in new])


def _lines(finding: Finding) -> list[Line]:
    return [parse_line(0, raw.encode("utf-8", "replace")) for raw in finding.text.splitlines()]


def _said(line: Line) -> Said | None:
    return None if line.time_s is None else (round(line.time_s * 1e6), folded(line.text))
