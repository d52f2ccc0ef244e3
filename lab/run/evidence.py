"""What a run directory holds, read once: the plan, the record, and what the console says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.console import scan
from lab.console.finding import Finding
from lab.console.messages import MarksSeen
from lab.console.printed import Record as Printed
from lab.run.places import Places, places
from lab.run.plan import RunPlan, load_plan
from lab.run.record import Event, Record, load_record

_TAIL_LINES, _TASK_LINES, _SUMMARY_LINES = 25, 20, 10


@dataclass(frozen=True)
class Evidence:
    """One run directory. `limit`: bytes of the console before the lab itself began to provoke messages."""

    plan: RunPlan
    record: Record
    directory: Path
    printed: frozenset[Printed]
    limit: int | None

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @cached_property
    def findings(self) -> list[Finding]:
        """The kernel's reports, in the order of the log."""
        if not self.console.exists():
            return []
        return scan.scan_file(self.console, self.plan.token, printed=self.printed, limit=self.limit,
                              hz=self.plan.kernel.hz)

    @cached_property
    def places(self) -> Places:
        """Where in the log the steps are."""
        return places(self.console, self.plan.token, self.printed)

    def said(self, patterns: list[str], step: int | None = None) -> set[str]:
        """Those of some expressions that the kernel printed, in the whole run or between the marks of a step."""
        if not self.console.exists():
            return set()
        return scan.kernel_said(self.console, patterns, self.plan.token, step, printed=self.printed)

    def messages(self, step: int) -> list[str]:
        """The last kernel messages of a step."""
        return scan.messages_of_step(self.console, self.plan.token, step, 40, printed=self.printed)

    def marks(self) -> MarksSeen:
        """The marks that the console recorded."""
        if not self.console.exists():
            return MarksSeen(frozenset(), frozenset(), False)
        return scan.marks_seen(self.console, self.plan.token, printed=self.printed)

    def tail(self) -> str:
        """The end of the console, as far as it is the run's own. Reads the end of the file only: a guest may have
        flooded it."""
        try:
            with open(self.console, "rb") as file:
                end = file.seek(0, 2) if self.limit is None else min(self.limit, file.seek(0, 2))
                file.seek(max(0, end - 16384))
                lines = file.read(min(end, 16384)).decode(errors="backslashreplace").splitlines()
        except OSError:
            return ""
        return "\n".join(line.rstrip() for line in lines[-_TAIL_LINES:])

    def waiting(self) -> str:
        """Why nothing went on: the summary of what the guest was asked, or else the first tasks that wait."""
        return self._artifact("summary.txt", _SUMMARY_LINES) or self._artifact("tasks.txt", _TASK_LINES)

    def _artifact(self, name: str, lines: int) -> str:
        try:
            text = (self.directory / "artifacts" / name).read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[:lines])


def load_evidence(directory: Path) -> Evidence:
    """Read a run directory. Raises OSError or ValueError only when plan.json itself cannot be read."""
    plan, record = load_plan(directory), load_record(directory)
    forensics = record.first("forensics")
    limit = forensics.data.get("offset") if forensics is not None else None
    return Evidence(plan, record, directory, _printed(record.events), limit if isinstance(limit, int) else None)


def _printed(events: list[Event]) -> frozenset[Printed]:
    """What user space wrote to /dev/kmsg, as the guest itself listed it."""
    listed = [entry for e in events if e.kind == "printed" and isinstance(records := e.data.get("records"), list)
              for entry in records]
    return frozenset((entry[0], entry[1]) for entry in listed if isinstance(entry, list) and len(entry) == 2
                     and isinstance(entry[0], int) and isinstance(entry[1], str))
