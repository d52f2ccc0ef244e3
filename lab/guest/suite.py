"""What a test suite of another project is to the driver that runs it (suites.py)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.guest.disks import Disk
from lab.guest.ledger import Ledger

_TEXT_LIMIT = 4 << 10  # characters of what one case printed


@dataclass(frozen=True)
class Case:
    """One case: how it ended (pass, fail, skip, hung: the time was up, crashed: the suite ended in it), why in one
    line, what it printed, and how many seconds it took."""

    name: str
    ends: str
    why: str = ""
    output: str = ""
    seconds: float = 0.0

    def observation(self) -> dict[str, str | float]:
        """For the host: the beginning of the output, which says what went wrong first, and its end."""
        text = self.output
        if len(text) > _TEXT_LIMIT:
            half = _TEXT_LIMIT // 2
            text = f"{text[:half]}\n... {len(text) - 2 * half} characters are left out ...\n{text[-half:]}"
        return {"name": self.name, "ends": self.ends, "why": self.why[:300], "output": text,
                "seconds": round(self.seconds, 3)}


@dataclass(frozen=True)
class Told:
    """Where a suite runs: the LUN's disk and what it holds, a folder of its own, until when (on clock.now()), and the
    other LUN and the cases that the scenario gives it."""

    disk: Disk
    ledger: Ledger
    work: Path
    deadline: float
    stopping: threading.Event
    destination: Disk | None = None
    given: dict[str, Any] = field(default_factory=dict)


class TestSuite(Protocol):
    """A module that knows a suite. `given`: the step's own fields."""

    def missing(self, given: dict[str, Any]) -> str | None:
        """Why the guest cannot run it; None when it can."""

    def names(self, given: dict[str, Any], deadline: float) -> list[str]:
        """All its cases. Raises Refused."""

    def run(self, chosen: list[str], told: Told) -> Iterator[Case]:
        """Run cases; the last one that is given may be hung or crashed. Raises Refused."""
