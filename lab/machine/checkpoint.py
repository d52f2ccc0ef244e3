"""Checkpoints: one boot of a kernel, kept as memory file and device state, from which any number of guests fork.

A checkpoint belongs to exactly one kernel, module disk, guest image, QEMU and command line; its directory is named by
the hash of those. It is made under a temporary name and renamed when whole. One that was cut, changed or made by
something else is thrown away and made again, never trusted.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.machine import qemu
from lab.machine.plan import Plan
from lab.machine.qmp import QmpFailed
from lab.usage import used

FORMAT = 1  # of the directory
_SHARED_MEMORY = {"capabilities": [{"capability": "x-ignore-shared", "state": True}]}


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk. `boot_s` is what the boot took when it was made."""

    path: Path
    plan: Plan
    boot_s: float

    @property
    def memory(self) -> Path:
        return self.path / "ram"


def save(machine: qemu.Qemu, directory: Path, plan: Plan, *, key: str, boot_s: float, deadline_s: float) -> None:
    """Stop the machine, write its device state beside its memory file in `directory`, end it. LabError on failure."""
    try:
        machine.qmp.execute("stop")
        machine.qmp.execute("migrate-set-capabilities", _SHARED_MEMORY)
        machine.qmp.execute("migrate", {"uri": f"exec:exec cat >{shlex.quote(str(directory / 'state'))}"})
        machine.qmp.wait_migrated(deadline_s=deadline_s)
        machine.qmp.execute("quit")
        if not process.ended(machine.child, deadline_s):
            raise LabError("no checkpoint could be made: QEMU does not end")
    except QmpFailed as error:
        raise LabError(f"no checkpoint could be made: {error} {machine.last_words()}") from error
    meta = {"format": FORMAT, "key": key, "argv": plan.argv, "qemu_version": plan.qemu_version, "boot_s": boot_s,
            "memory": _stamp(directory / "ram"), "state": _digest(directory / "state")}
    (directory / "meta.json").write_text(json.dumps(meta))


def load(path: Path, key: str) -> Checkpoint | None:
    """The checkpoint in `path` if it is whole and is that of `key`, else None. `make` replaces one that is not."""
    try:
        meta = json.loads((path / "meta.json").read_text())
        whole = (meta["format"] == FORMAT and meta["key"] == key and meta["memory"] == _stamp(path / "ram")
                 and meta["state"] == _digest(path / "state"))
        if whole:
            used(path)
            return Checkpoint(path, Plan(tuple(meta["argv"]), meta["qemu_version"]), meta["boot_s"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # as good as none
    return None


def make(path: Path, build: Callable[[Path], None]) -> None:
    """Let `build` fill a temporary directory beside `path`, and give it its name when it is whole.

    The caller holds the lock that guards `path`: what is there, and what a killed maker left, is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".making-{path.name}-"
    for stale in path.parent.glob(f"{prefix}*"):
        discard(stale)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix, ignore_cleanup_errors=True) as tmp:
        inner = Path(tmp) / "checkpoint"
        inner.mkdir(mode=0o700)
        build(inner)
        discard(path)
        inner.rename(path)


def discard(path: Path) -> None:
    """Remove a checkpoint. Guests that run from it keep their memory: they hold the file open."""
    shutil.rmtree(path, ignore_errors=True)


def resume(machine: qemu.Qemu, checkpoint: Checkpoint, *, deadline_s: float) -> None:
    """Bring a QEMU that waits for a migration to where the checkpoint was made, and let it run. Raises QmpFailed."""
    machine.qmp.execute("migrate-set-capabilities", _SHARED_MEMORY)
    machine.qmp.execute("migrate-incoming", {"uri": f"exec:exec cat {shlex.quote(str(checkpoint.path / 'state'))}"})
    machine.qmp.wait_migrated(deadline_s=deadline_s)
    machine.qmp.execute("cont")


def _stamp(file: Path) -> list[int]:
    """Size and time of change: half a gigabyte is too much to hash for each guest."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
