"""What user space wrote to /dev/kmsg, so that it is not taken for the kernel's.

On the console such a line looks like any other; only /dev/kmsg itself tells them apart (a facility other than 0).
It lists a record as one line, with other characters than printable ASCII as `\\xNN`
(Documentation/ABI/testing/dev-kmsg).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from lab.console.line import MAX_LINE_BYTES, Line

Record = tuple[int, str]
"""printk's time in microseconds, and the text as /dev/kmsg lists it."""

MAX_LINES = 200_000
"""Lines that a scanner of a growing log remembers; the oldest are forgotten first."""

_ESCAPE = re.compile(rb"\\x([0-9a-f]{2})")


class Printed:
    """The lines of user space's records. The agent's own marks must not be among them."""

    def __init__(self, records: Collection[Record] = frozenset()) -> None:
        self._lines: dict[tuple[int, str], None] = {}
        for record in records:
            self._lines.update(dict.fromkeys(_lines_of(record)))

    def add(self, records: Iterable[Record]) -> None:
        """More records, as they come."""
        for record in records:
            self._lines.update(dict.fromkeys(_lines_of(record)))
        while len(self._lines) > MAX_LINES:
            del self._lines[next(iter(self._lines))]

    def wrote(self, line: Line) -> bool:
        """User space wrote this console line: exactly its printk time, and the text is a line of that record."""
        if not self._lines or line.time_s is None:
            return False
        return (round(line.time_s * 1e6), _comparable(line.text)) in self._lines


def _lines_of(record: Record) -> list[tuple[int, str]]:
    time_us, text = record
    raw = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), text.encode("utf-8", "surrogateescape"))
    # console lines are decoded and cut in the same way (lab/console/line.py)
    return [(time_us, _comparable(piece.decode("utf-8", "replace"))) for piece in raw.split(b"\n")]


def _comparable(text: str) -> str:
    """The console's carriage returns are not in the record, and its lines are cut where the scanner cuts them."""
    return text.strip("\r\0 ")[: MAX_LINE_BYTES - 256]
