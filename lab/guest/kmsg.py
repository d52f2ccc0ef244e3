"""The kernel log: marks written to it, and messages read from it since a scenario began."""

from __future__ import annotations

import contextlib
import os
import re
import threading

DEVICE = "/dev/kmsg"


class KernelLog:
    """Messages since this object was made. Where /dev/kmsg cannot be opened, there are none."""

    def __init__(self, device: str = DEVICE) -> None:
        self._messages: list[str] = []
        self._lock = threading.Lock()
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
            os.lseek(self._fd, 0, os.SEEK_END)

    def messages(self) -> list[str]:
        """All messages so far, oldest first."""
        with self._lock:
            while (record := self._record()) is not None:
                self._messages.append(record)
            return list(self._messages)

    def find(self, pattern: str) -> str | None:
        """The first message that a regular expression is found in."""
        expression = re.compile(pattern)
        return next((m for m in self.messages() if expression.search(m)), None)

    def _record(self) -> str | None:
        # One read is one record: "6,339,5140900,-;text\n KEY=value\n" (Documentation/ABI/testing/dev-kmsg).
        while self._fd >= 0:
            try:
                record = os.read(self._fd, 16384)
            except BrokenPipeError:  # records were overwritten before we read them; go on with the next
                continue
            except OSError:
                return None
            return record.partition(b";")[2].partition(b"\n")[0].decode("utf-8", "replace") if record else None
        return None

    def close(self) -> None:
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1


def write(line: str) -> None:
    """One line into the kernel log; a machine without /dev/kmsg goes on without marks."""
    with contextlib.suppress(OSError):
        fd = os.open(DEVICE, os.O_WRONLY)
        try:
            os.write(fd, f"<5>{line}\n".encode())
        finally:
            os.close(fd)
