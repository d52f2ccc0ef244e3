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

_ROUNDS = 20  # a forged report may hide another one behind its first line
Record = tuple[int, str]


def began_us(finding: Finding) -> int | None:
    """printk's time of a report's first line, in us."""
    return None if finding.time_s is None else round(finding.time_s * 1e6)


def times_of(finding: Finding) -> set[int]:
    """printk's times of a report's lines, in us."""
    return {time_us for line in _lines(finding) if (time_us := _time_us(line)) is not None}


class Testimony:
    """What the guest has said of the lines on its console, written down for the verdict."""

    def __init__(self, recorder: Recorder, link: Link, console: Path, token: str) -> None:
        self._recorder, self._link, self._console, self._token = recorder, link, console, token
        self._printed: set[Record] = set()
        self._denied: set[int] = set()

    def printed(self, records: list[list[object]]) -> None:
        """User space wrote these to /dev/kmsg: [[us, text], ...]."""
        self._note({(int(str(time_us)), str(text)) for time_us, text in records})

    def denied(self, times_us: list[int]) -> None:
        """The kernel said nothing at these times."""
        self._denied.update(times_us)

    def examine(self, *, deadline_s: float) -> None:
        """Ask the agent of every failure on the console. Does nothing for a console without any."""
        for _ in range(_ROUNDS):
            found = [f for f in scan.scan_file(self._console, self._token, printed=self._printed)
                     if f.effect is Effect.FAIL] if self._console.exists() else []
            times = sorted({t for f in found for t in times_of(f)})
            if not times:
                return
            self._link.notify("confirm", times_us=times)
            self._link.ping(deadline_s=deadline_s)  # the answer comes before this one's
            forged = {(t, line.text) for f in found for line in _lines(f) if (t := _time_us(line)) in self._denied}
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


def _time_us(line: Line) -> int | None:
    return None if line.time_s is None else round(line.time_s * 1e6)
