"""What a scenario left behind: the difference between before its setup and after its teardown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from lab.guest import modules
from lab.guest.configfs import directories, entries, read_text
from lab.guest.lio import Configuration

_SETTLE_S = 3.0


def tainted() -> int:
    """/proc/sys/kernel/tainted"""
    try:
        return int(read_text(Path("/proc/sys/kernel/tainted")))
    except OSError:
        return 0


@dataclass
class Snapshot:
    """Everything that must be as before; made before setup does anything."""

    configuration: Configuration
    tainted: int = field(default_factory=tainted)
    references: dict[str, int] = field(default_factory=lambda: {n: modules.references(n) for n in modules.WATCHED})
    things: set[str] = field(default_factory=lambda: _things())

    def left(self) -> list[str]:
        """What is there and was not before. Waits a little first: removal of devices goes on by itself."""
        end = time.monotonic() + _SETTLE_S
        while (found := self._look()) and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _look(self) -> list[str]:
        found = [f"configfs: {path}" for path in self.configuration.left()]
        found += sorted(_things() - self.things)
        for name, before in self.references.items():
            more = modules.references(name) - before
            if more > 0:
                found.append(f"module {name}: {more} reference{'s' * (more > 1)}")
        return found

    def new_taint(self) -> int:
        """Taint bits that were added since."""
        return tainted() & ~self.tainted


def _things() -> set[str]:
    block = Path("/sys/class/block")
    found = {f"scsi host: {name}" for name in entries(Path("/sys/class/scsi_host"))}
    found |= {f"scsi device: {name}" for name in entries(Path("/sys/bus/scsi/devices"))
              if name[0].isdigit()}
    found |= {f"dm device: {name}" for name in entries(block) if name.startswith("dm-")}
    found |= {f"loop device: {name}" for name in entries(block)
              if name.startswith("loop") and (block / name / "loop").is_dir()}
    found |= {f"null_blk device: {name}" for name in directories(Path("/sys/kernel/config/nullb"))}
    return found | {f"mount: {place}" for place in _mounts()}


def _mounts() -> list[str]:
    try:
        lines = read_text(Path("/proc/self/mounts")).splitlines()
    except OSError:
        return []
    return [line.split()[1] for line in lines]
