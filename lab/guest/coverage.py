"""What of the target's code ran: the counters of a kernel with CONFIG_GCOV_KERNEL (debugfs gcov/)."""

from __future__ import annotations

import base64
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from lab.guest import clock, program
from lab.guest.observation import Observation, Refused

DEBUGFS = Path("/sys/kernel/debug")
OF_THE_TARGET = "/drivers/target/"
REPLY_BYTES = 2 << 20  # of counters in one reply, packed: well below what a message may have
_MOUNT_S = 10.0


def reset(debugfs: Path = DEBUGFS) -> Observation:
    """All counters to zero: what booting and loading the modules ran is not the scenario's. OSError, Refused."""
    (_gcov(debugfs) / "reset").write_text("1")
    return {}


def counters(after: str, debugfs: Path = DEBUGFS) -> Observation:
    """The files of drivers/target behind `after` in the order of their names, as many as one reply holds: wire.py."""
    found: dict[str, str] = {}
    size = 0
    for name, path in sorted(_files(_gcov(debugfs))):
        if name <= after:
            continue
        if size >= REPLY_BYTES:
            return {"files": found, "more": True}
        found[name] = base64.b64encode(zlib.compress(path.read_bytes(), 1)).decode()
        size += len(found[name])
    return {"files": found, "more": False}


def _files(gcov: Path) -> Iterator[tuple[str, Path]]:
    """(path of the object on the host that built it, its counters here)"""
    for folder, _, names in os.walk(gcov):
        inside = folder.removeprefix(str(gcov))
        if OF_THE_TARGET in f"{inside}/":
            yield from ((f"{inside}/{name}", Path(folder, name)) for name in names if name.endswith(".gcda"))


def _gcov(debugfs: Path) -> Path:
    gcov = debugfs / "gcov"
    if not gcov.is_dir() and debugfs.is_dir() and not os.path.ismount(debugfs):
        program.run(["mount", "-t", "debugfs", "debugfs", str(debugfs)], deadline=clock.now() + _MOUNT_S)
    if not gcov.is_dir():
        raise Refused(f"there is no {gcov}: the kernel has no CONFIG_GCOV_KERNEL or no debugfs")
    return gcov
