"""Source lines for what a run's kernel reported, where debug information of that kernel is at hand."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.console.decode import Decoder, as_text
from lab.report.result import Result

DECODED = "decoded.txt"
"""The kernel's reports with a line of source below each frame; in the run directory, beside the raw console.log."""
_TASKS, _TASKS_DECODED = "tasks.txt", "tasks.decoded.txt"


@dataclass
class Decoding:
    """One kernel's decoder, for any number of threads: one report after the other, for a vmlinux takes memory."""

    decoder: Decoder
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def apply(self, result: Result, directory: Path) -> Result:
        """The result with its kernel failures decoded, which are also written to decoded.txt; the stacks of tasks that
        hung are decoded beside tasks.txt. As it was where nothing is known. OSError when the disk is full."""
        self._hung_tasks(directory / "artifacts")
        if not result.faults:
            return result
        with self._lock:
            self.decoder.problems.clear()
            blocks = self.decoder.decode([fault.text for fault in result.faults])
            problems = list(self.decoder.problems)
        if problems or any(block.decoded for block in blocks):
            (directory / DECODED).write_text(as_text(blocks, problems), encoding="utf-8", errors="backslashreplace")
        return replace(result, faults=[replace(fault, decoded=block.text if block.decoded else "")
                                       for fault, block in zip(result.faults, blocks, strict=True)])

    def _hung_tasks(self, artifacts: Path) -> None:
        try:
            text = (artifacts / _TASKS).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return  # nothing hung
        with self._lock:
            block, = self.decoder.decode([text])
        if block.decoded:
            (artifacts / _TASKS_DECODED).write_text(block.text, encoding="utf-8", errors="backslashreplace")
