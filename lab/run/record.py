"""The run directory: the truth about one run. Whoever drives a machine only writes here; the verdict only reads."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

Ending = Literal["finished", "skipped", "guest-lost", "deadline", "boot-failed", "interrupted", "lab-error"]


@dataclass(frozen=True)
class Event:
    """One line of events.jsonl; `t` is seconds since the run began, by the host's clock."""

    t: float
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class End:
    """How a run ended (end.json): the reason, and what is known about it."""

    reason: Ending
    detail: str = ""
    machine: str = ""  # how QEMU ended: "running", "exit 0", "signal 9"
    agent_alive: bool | None = None  # after a deadline: does the agent still answer?
    extended_s: float = 0.0  # by how much the deadline was moved on: the host was busy, or the guest still moved
    moved_s: float | None = None  # after a deadline: seconds since its disks last completed something
    seconds: float = 0.0


class Recorder:
    """Writes a run's events as they happen; each line is on disk before the next operation begins."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._began = time.monotonic()
        self._file = open(  # noqa: SIM115 - closed by end()
            directory / "events.jsonl", "w", encoding="utf-8", buffering=1)

    def event(self, kind: str, /, **data: Any) -> None:
        """Append one event. OSError when the disk is full."""
        # A guest's reply cannot say of which kind it is, nor when it came.
        own = {"t": round(time.monotonic() - self._began, 4), "kind": kind}
        line = json.dumps({**own, **data, **own})
        self._file.write(line + "\n")

    def artifacts(self) -> Path:
        """The folder for what lies beside the events, made when first asked for. OSError when the disk is full."""
        folder = self.directory / "artifacts"
        folder.mkdir(exist_ok=True)
        return folder

    def artifact(self, name: str, text: str) -> None:
        """Keep a text beside the events, below artifacts/."""
        (self.artifacts() / name).write_text(text, encoding="utf-8", errors="backslashreplace")

    def end(self, reason: Ending, **facts: Any) -> None:
        """Write end.json: from here on the directory does not change."""
        data = {"reason": reason, "seconds": round(time.monotonic() - self._began, 3), **facts}
        self._file.close()
        (self.directory / "end.json").write_text(json.dumps(data))

    def close(self) -> None:
        """Let go of the file on every path; on a full disk what was not written is lost, and said elsewhere."""
        with contextlib.suppress(OSError):
            self._file.close()


@dataclass(frozen=True)
class Record:
    """What a run directory says, as far as it can be read."""

    events: list[Event] = field(default_factory=list)
    end: End | None = None

    def first(self, kind: str) -> Event | None:
        return next((e for e in self.events if e.kind == kind), None)

    def last(self, kind: str) -> Event | None:
        return next((e for e in reversed(self.events) if e.kind == kind), None)

    def step(self, kind: str, index: int) -> Event | None:
        return next((e for e in self.events if e.kind == kind and e.data.get("index") == index), None)


def load_record(directory: Path) -> Record:
    """Read events and end. A last line that was cut off, or a missing end.json, is not an error here: the verdict
    sees what is missing."""
    events = []
    try:
        lines = (directory / "events.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            data = json.loads(line)
            events.append(Event(float(data.pop("t")), str(data.pop("kind")), data))
        except (ValueError, TypeError, KeyError, AttributeError):
            break
    return Record(events, _load_end(directory))


def _load_end(directory: Path) -> End | None:
    try:
        end = End(**json.loads((directory / "end.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return end if end.reason in get_args(Ending) else None
