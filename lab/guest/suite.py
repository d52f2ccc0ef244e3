"""What a test suite of another project is to the driver that runs it (suites.py)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from lab.guest.disks import Disk

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
    """Where a suite runs: the LUN's disk, a folder of its own, and until when (on clock.now())."""

    disk: Disk
    work: Path
    deadline: float
    stopping: threading.Event
