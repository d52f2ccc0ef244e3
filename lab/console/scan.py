"""Scans a console log, as it grows or whole, in constant memory.

Bytes to whole lines, a cheap search for candidates, then line by line only where a report is open. Lines that
nothing marks as printk's are user space's text, unless the log has no such marks at all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from lab.console.finding import Effect, Finding, Severity
from lab.console.group import Grouper
from lab.console.late import Timeline
from lab.console.line import MAX_LINE_BYTES, Line, clean, parse_line
from lab.console.marks import Marks
from lab.console.match import CANDIDATE, CANDIDATE_PLAIN, MARKED, RESTART, TICK_RATE, rule_of
from lab.console.messages import kernel_said as kernel_said  # the same file read for other questions
from lab.console.messages import marks_seen as marks_seen
from lab.console.messages import messages_like as messages_like
from lab.console.messages import messages_of_step as messages_of_step
from lab.console.printed import Printed, Record
from lab.console.source import open_log

CHUNK_BYTES = 1 << 20
BOOT_S = 1.0
"""A log whose first line is printed later than this begins in the middle of a kernel's life."""
UNDECIDED_LINES = 2000
UNDECIDED_BYTES = 256 * 1024
MAX_REPEATS = 100
"""Findings of one fingerprint that are reported; a flood of the same message adds nothing."""
MAX_FINDINGS = 10_000
MAX_MUTED = 256
_OF_THE_KERNEL = ("Linux version ", *RESTART, *TICK_RATE)
_VARIES = re.compile(rb"\b\d+")


class _Log(Enum):
    """Whether the log tells the kernel's lines from user space's."""

    UNDECIDED = "undecided"
    MARKED = "marked"
    PLAIN = "plain"


class Scanner:
    """Finds kernel failures in a console log that arrives in pieces, cut anywhere."""

    def __init__(
        self, token: str | None = None, printed: Collection[Record] = frozenset(), *, hz: int | None = None,
    ) -> None:
        """`token`: the 16 hex digits in the marks of this run; without it no finding has a step.

        `printed`: what user space wrote to /dev/kmsg (lab/console/printed.py); it is never taken for the kernel's.
        `hz`: the kernel's ticks per second where known; a log that holds the boot says it itself.
        """
        self._marks = Marks(token)
        self._timeline = Timeline(self._marks, hz)
        self._printed = Printed(printed)
        self._grouper = Grouper(self._timeline)
        self._counts_to: int | None = None
        self._tail = b""
        self._number = 0
        self._log = _Log.UNDECIDED
        self._held: list[tuple[int, bytes]] = []
        self._held_bytes = 0
        self._running = False
        """A kernel is known to run, so that another one's first line means that it went down."""
        self._seen: dict[str, int] = {}
        self._reported = 0
        self._muted: set[bytes] = set()
        """Messages, without their numbers, of one line each that were reported often enough: a flood costs little."""
        self.dropped = 0
        """Findings left out because the same ones had been reported MAX_REPEATS times."""

    def feed(self, data: bytes) -> list[Finding]:
        """Takes the next bytes of the log; the findings that they complete, in the order of completion."""
        found: list[Finding] = []
        for start in range(0, len(data), CHUNK_BYTES):
            piece = self._tail + data[start : start + CHUNK_BYTES]
            end = piece.rfind(b"\n") + 1
            self._tail = piece[end : end + MAX_LINE_BYTES]
            if end:
                found += self._scan(b"\n" + clean(piece[:end]))
        return self._limited(found)

    def close(self) -> list[Finding]:
        """The log is over: what is still open, the part of a last line without newline included."""
        found: list[Finding] = []
        if self._tail:
            self._number += 1
            found += self._line(clean(self._tail))
            self._tail = b""
        if self._log is _Log.UNDECIDED:
            found += self._decide(_Log.PLAIN)
        return self._limited(found + self._grouper.close())

    def printed(self, records: Iterable[Record]) -> None:
        """More of what user space wrote to /dev/kmsg; told before the console lines of it are fed."""
        self._printed.add(records)

    def stop(self) -> None:
        """What begins after the bytes fed so far does not count; reports that are open are read to their end."""
        self._counts_to = self._number + bool(self._tail)

    @property
    def lines(self) -> int:
        """Lines fed so far."""
        return self._number

    @property
    def in_line(self) -> bool:
        """The bytes fed so far end in the middle of a line."""
        return bool(self._tail)

    def pending(self) -> list[Finding]:
        """Reports that are open now, as far as they were seen: a dead kernel never writes their end."""
        return self._grouper.pending()

    # -- bytes to lines -------------------------------------------------------------------------------------

    def _scan(self, chunk: bytes) -> list[Finding]:
        """Whole lines, with a newline before the first."""
        found: list[Finding] = []
        at = 1
        while at < len(chunk):
            if self._log is not _Log.UNDECIDED and not self._grouper.busy:
                at = self._skip(chunk, at)
                if at >= len(chunk):
                    break
            end = chunk.index(b"\n", at) + 1
            self._number += 1
            raw = chunk[at : min(end, at + MAX_LINE_BYTES)]
            if self._muted and _VARIES.sub(b"", raw.rstrip()) in self._muted:
                self.dropped += 1
            else:
                found += self._line(raw)
            at = end
        return found

    def _skip(self, chunk: bytes, at: int) -> int:
        """Start of the next line from `at` that may matter; the end of the chunk when there is none."""
        plain = self._log is _Log.PLAIN
        hit = (CANDIDATE_PLAIN if plain else CANDIDATE).search(chunk, at - 1)
        place = hit.start() if hit else len(chunk)
        if plain:
            marked = MARKED.search(chunk, at - 1, place)
            place = marked.start() if marked else place
        start = chunk.rfind(b"\n", at - 1, place + 1) + 1 if place < len(chunk) else len(chunk)
        self._number += chunk.count(b"\n", at, start)
        return start

    # -- lines to findings ----------------------------------------------------------------------------------

    def _line(self, raw: bytes) -> list[Finding]:
        line = parse_line(self._number, raw)
        found: list[Finding] = []
        if line.kernel and self._log is not _Log.MARKED:
            found += self._decide(_Log.MARKED)
            self._running = (line.time_s or 0.0) > BOOT_S
        if self._log is _Log.UNDECIDED:
            return self._hold(raw)
        if not line.kernel and self._log is _Log.MARKED:
            return found + self._grouper.idle(line.number)
        return found + self._kernel_line(line, raw)

    def _kernel_line(self, line: Line, raw: bytes) -> list[Finding]:
        if self._printed.wrote(line):
            return []
        if line.text.startswith("lab: "):
            self._marks.see(line.text, line.time_s)
            return []
        if line.from_user:
            return []
        if self._counts_to is not None and line.number > self._counts_to:
            return self._grouper.follow(line, rule_of(line, raw))
        if line.text.startswith(_OF_THE_KERNEL):
            return self._of_the_kernel(line)
        return self._grouper.take(line, rule_of(line, raw))

    def _of_the_kernel(self, line: Line) -> list[Finding]:
        """Messages that say something about the kernel that runs, and are no part of a report."""
        if line.text.startswith("Linux version "):
            return self._banner(line)
        if line.text.startswith(RESTART):
            self._running = False
        else:
            self._timeline.learn(line.text)
        return self._grouper.take(line, None)

    def _banner(self, line: Line) -> list[Finding]:
        """The kernel's first line. Where one ran that was not asked to restart, it went down without a word."""
        if not self._running:
            self._running = True
            return []
        found = self._grouper.close()
        self._marks.restart()
        title = "reboot: the kernel started again"
        digest = hashlib.sha256(title.encode()).hexdigest()[:12]
        found.append(Finding("reboot", title, digest, Severity.OOPS, Effect.FAIL, True, line.number, line.number,
                             line.time_s, self._marks.step, line.raw, (), True, self._marks.step))
        return found

    # -- is this log marked? --------------------------------------------------------------------------------

    def _hold(self, raw: bytes) -> list[Finding]:
        """Keeps a line of which it is not yet known whether it can be the kernel's."""
        self._held.append((self._number, raw))
        self._held_bytes += len(raw)
        full = len(self._held) >= UNDECIDED_LINES or self._held_bytes >= UNDECIDED_BYTES
        return self._decide(_Log.PLAIN) if full else []

    def _decide(self, log: _Log) -> list[Finding]:
        """In a plain log every line counts as the kernel's; once one is marked, only marked ones do."""
        held, self._held, self._held_bytes = self._held, [], 0
        self._log = log
        if log is _Log.MARKED:
            return []
        found: list[Finding] = []
        for number, raw in held:
            found += self._kernel_line(parse_line(number, raw), raw)
        return found

    def _limited(self, found: list[Finding]) -> list[Finding]:
        kept: list[Finding] = []
        for finding in found:
            times = self._seen.get(finding.fingerprint, 0)
            if times >= MAX_REPEATS or self._reported >= MAX_FINDINGS:
                self.dropped += 1
                self._mute(finding)
                continue
            self._seen[finding.fingerprint] = times + 1
            self._reported += 1
            kept.append(finding)
        return kept

    def _mute(self, finding: Finding) -> None:
        """The next such line of a flood is not looked at any more."""
        if finding.complete and finding.line == finding.last_line and len(self._muted) < MAX_MUTED:
            self._muted.add(_VARIES.sub(b"", finding.text.encode().rstrip()))


def scan_file(
    path: Path, token: str | None = None, *, printed: Collection[Record] = frozenset(), limit: int | None = None,
    hz: int | None = None,
) -> list[Finding]:
    """All findings of a log, in its order.

    `printed`: what user space wrote to /dev/kmsg, without the agent's marks (lab/console/printed.py). `limit`: bytes of
    the file that count; what begins beyond them belongs to the lab's own forensics, but a report that began before
    them is read to its end. `hz`: ticks per second of the kernel, for reports that count in jiffies.
    Raises LabError when the file cannot be read.
    """
    with open_log(path) as log:
        return scan_log(log, Scanner(token, printed, hz=hz), limit)


def scan_log(log: BinaryIO, scanner: Scanner, limit: int | None = None) -> list[Finding]:
    """All findings of an open log, in its order; `limit` as for scan_file. Raises what reading it raises."""
    found: list[Finding] = []
    while data := log.read(CHUNK_BYTES if limit is None else min(CHUNK_BYTES, limit)):
        found += scanner.feed(data)
        limit = None if limit is None else limit - len(data)
        if limit == 0:
            found += _after_limit(scanner, log)
            break
    found += scanner.close()
    return sorted(found, key=lambda finding: finding.line)


def _after_limit(scanner: Scanner, log: BinaryIO) -> list[Finding]:
    """The rest of a line that began within the limit, and of the reports that did."""
    found: list[Finding] = []
    while scanner.in_line and (data := log.readline(MAX_LINE_BYTES)):
        found += scanner.feed(data)
    scanner.stop()
    while scanner.pending() and (data := log.read(CHUNK_BYTES)):
        found += scanner.feed(data)
    return found
