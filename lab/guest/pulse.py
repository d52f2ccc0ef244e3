"""Signs of life while an operation runs: what moved, and what user space wrote into the kernel log meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.guest.configfs import entries, read_text
from lab.guest.kmsg import Witness

BEAT_S = 1.0
_DISKSTATS = Path("/proc/diskstats")
_SCSI = Path("/sys/bus/scsi/devices")
# Of the guest's own disks; what it reads from there says nothing about the step.
_OWN = ("vda", "vdb")
# Completed reads, writes and discards (Documentation/admin-guide/iostats.rst), counted from the line's first word.
_COMPLETED = (3, 7, 14)


class Pulse:
    """Sends events of the operation in progress, once a second and at its end."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._witness = Witness()
        self._number: int | None = None
        self._change = threading.Condition()
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    @contextlib.contextmanager
    def during(self, number: int) -> Iterator[None]:
        """While request `number` is carried out."""
        with self._change:
            self._number = number
            self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._number = None
            self._tell_printed(number)

    def confirm(self, number: int, lines: list[list[Any]]) -> None:
        """Answers which of these console lines, [us, folded text], are no message of the kernel."""
        self._tell_printed(number)
        self._send({"id": number, "event": {"denied": self._witness.denied([(t, text) for t, text in lines])}})

    def _beat(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._number is not None)
                self._change.wait_for(lambda: self._number is None, BEAT_S)
                number = self._number
            if number is not None:
                self._tell_printed(number)
                with contextlib.suppress(OSError, ValueError, IndexError):
                    self._send({"id": number, "event": {"moved": completed()}})

    def _tell_printed(self, number: int) -> None:
        if records := self._witness.printed():
            self._send({"id": number, "event": {"printed": records}})


def completed() -> int:
    """Requests that all disks but the guest's own have completed, successfully or not, since they are there."""
    return _of_block_devices() + _of_scsi_devices()


def _of_block_devices() -> int:
    rows = [line.split() for line in _DISKSTATS.read_text().splitlines()] if _DISKSTATS.exists() else []
    return sum(int(row[place]) for row in rows if row[2] not in _OWN for place in _COMPLETED if place < len(row))


def _of_scsi_devices() -> int:
    """SCSI commands, those through /dev/sgN too (drivers/scsi/scsi_sysfs.c prints them in hex)."""
    total = 0
    for name in entries(_SCSI):
        with contextlib.suppress(OSError, ValueError):
            total += int(read_text(_SCSI / name / "iodone_cnt"), 16)
    return total
