"""The kernel log as /dev/kmsg has it: marks written to it, what the kernel said, and what user space wrote into it.

A console shows kernel and user space alike; a record's facility tells them apart (kernel/printk/printk.c,
devkmsg_write: what user space writes never has the kernel's own, 0).
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lab.wire import folded, mark

DEVICE = "/dev/kmsg"
MAX_KNOWN = 100_000
"""Times at which the kernel said something that are remembered; of one that says more nothing is known any more."""
_SHORT = 8
_own: Counter[str] = Counter()
"""Marks of this process that no reader has come across yet."""


@dataclass(frozen=True)
class Record:
    """One record: `6,339,5140900,-;text` (Documentation/ABI/testing/dev-kmsg). Control characters are \\xNN."""

    facility: int
    time_us: int
    text: str


class Reader:
    """Reads records without waiting: from now on, or `whole`: from the oldest that the kernel still has.

    Where /dev/kmsg cannot be opened, there are none.
    """

    def __init__(self, device: str = DEVICE, *, whole: bool = False) -> None:
        self.gap = False
        """Records were overwritten before they were read."""
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
            if not whole:
                os.lseek(self._fd, 0, os.SEEK_END)

    def __iter__(self) -> Iterator[Record]:
        """The records that came since the last time."""
        while self._fd >= 0:
            try:
                raw = os.read(self._fd, 16384)
            except BrokenPipeError:  # the next read goes on with the oldest record that is left
                self.gap = True
                continue
            except OSError:
                return
            if not raw:
                return
            if (record := parse(raw)) is not None:
                yield record

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def parse(raw: bytes) -> Record | None:
    """One read of /dev/kmsg is one record; the lines after the first are its dictionary."""
    head, _, text = raw.partition(b";")
    fields = head.split(b",")
    try:
        return Record(int(fields[0]) >> 3, int(fields[2]), text.partition(b"\n")[0].decode("utf-8", "replace"))
    except (ValueError, IndexError):
        return None


class KernelLog:
    """What the kernel said since this object was made; what user space wrote does not count."""

    def __init__(self, device: str = DEVICE) -> None:
        self._reader = Reader(device)
        self._messages: list[str] = []
        self._lock = threading.Lock()

    def messages(self) -> list[str]:
        """All messages so far, oldest first."""
        with self._lock:
            self._messages += [record.text for record in self._reader if record.facility == 0]
            return list(self._messages)

    def find(self, pattern: str, since: int = 0) -> str | None:
        """The first message that a regular expression is found in. `since` leaves out so many of the first ones."""
        expression = re.compile(pattern)
        return next((m for m in self.messages()[since:] if expression.search(m)), None)

    def close(self) -> None:
        with self._lock:
            self._reader.close()


class Witness:
    """Knows of each line of the console whether the kernel said it."""

    def __init__(self, device: str = DEVICE) -> None:
        self._reader = Reader(device, whole=True)
        self._kernel: dict[int, list[str]] = {}  # us -> folded lines
        self._full = False
        self._first_us: int | None = None
        self._lock = threading.Lock()
        self.printed()  # what is older is of no run of ours

    def printed(self) -> list[tuple[int, str]]:
        """(time in us, text) of what user space wrote since the last call; the agent's own marks are left out."""
        with self._lock:
            found = []
            for record in self._reader:
                if record.facility == 0:
                    self._first_us = record.time_us if self._first_us is None else self._first_us
                    self._remember(record)
                elif not _is_own(record.text):
                    found.append((record.time_us, record.text))
            return found

    def denied(self, lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
        """Those (us, folded text) that the kernel did not say: such a line was printed by something else.

        Nothing is denied when records were missed or too many, nor what is older than all that is known. A line that
        holds what the kernel said at that time is the kernel's: other text may have come between on the way.
        """
        first = self._first_us
        if self._reader.gap or self._full or first is None:
            return []
        return [(t, text) for t, text in lines
                if t >= first and not any(_within(said, text) for said in self._kernel.get(t, ()))]

    def _remember(self, record: Record) -> None:
        """A console shows each line of a record with the record's time."""
        if len(self._kernel) >= MAX_KNOWN:
            self._full = True
            self._kernel.clear()
        if not self._full:
            self._kernel.setdefault(record.time_us, []).extend(folded(x) for x in record.text.split("\\x0a"))


def _within(said: str, shown: str) -> bool:
    """Whether all characters of a line are in another one, in their order; of a very short line, whether it is it."""
    if len(said) < _SHORT:
        return said == shown
    rest = iter(shown)
    return all(character in rest for character in said)


def _is_own(text: str) -> bool:
    """Takes a mark that this process wrote off its account; a second one of the same text is somebody else's."""
    if _own[text] <= 0:
        return False
    _own[text] -= 1
    return True


def write(line: str) -> bool:
    """A mark into the kernel log; False where that cannot be done, and a run goes on without marks."""
    line = f"{line} ~{secrets.token_hex(3)}"
    _own[line] += 1
    try:
        fd = os.open(DEVICE, os.O_WRONLY)
        try:
            os.write(fd, f"<5>{line}\n".encode())
            return True
        finally:
            os.close(fd)
    except OSError:
        _own[line] -= 1
        return False


@contextlib.contextmanager
def marked(token: str, phase: str) -> Iterator[None]:
    """Begin and end of a phase in the kernel log, whatever happens between."""
    write(mark(token, phase, "begin"))
    try:
        yield
    finally:
        write(mark(token, phase, "end"))
