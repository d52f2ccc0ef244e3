"""A report that is open: takes lines until its end, then becomes a Finding."""

from __future__ import annotations

import re
from enum import Enum

from lab.console.finding import MAX_TEXT_BYTES, Finding, Severity
from lab.console.frames import frame_of, instruction_of, is_frame, is_stall_tick, named_in, telling
from lab.console.late import Timeline
from lab.console.line import Line
from lab.console.rule import End, Rule
from lab.console.rules import CUT_HERE
from lab.console.title import fingerprint, normalise, source_file

MAX_FRAMES = 64
MAX_LINES = 2000
GRACE_LINES = 6
"""Foreign lines after a stack that another CPU may have printed into it."""
SILENCE_S = 15.0
"""A report is printed in one go; a later line of the same caller belongs to something else."""

_TRACE = re.compile(r"(?:Call [Tt]race:|Backtrace:|\s*backtrace(?: \(crc [0-9a-f]+\))?:\s*$"
     r"|\[<[0-9a-f]+>\] \(?unwind_backtrace)")
_END_TRACE = re.compile(r"---\[ end trace")
_END_PANIC = re.compile(r"---\[ end Kernel panic|Rebooting in \d+ seconds|Kernel Offset: ")
_RULER = re.compile(r"={20,}$")
_ACCESS = re.compile(r"(Read|Write|Free) (?:of size|of addr)|Access of size")
# Lines between and after the stacks of a report; what is not of these ends a report whose stack was seen.
_REPORT = re.compile(r"\s*(?:" + "|".join((
    # registers, code, the machine and the task
    (r"</?[A-Z#]+\d?>|R[A-Z0-9]{2}:|E[A-Z]{2}:|[RE]IP|[FDC]S:|[CD]R\d:|PKRU:|Code:|Stack:|Process |pstate"
    r"|p[cs] : |lr : |sp : "),
    (r"x\d+ ?:|pmr_save|CPU: |Hardware name|Workqueue: |Tainted: |Modules linked|Kernel Offset|task:|comm \""
    r"|ftrace|\(ftrace"),
    r"Mem abort|Data abort|ESR|EC =|SET =|EA =|FSC|ISV|CM =|user pgtable|\[[0-9a-f]{8,16}\] |preempt_count",
    r"Call [Tt]race|Backtrace|backtrace|---\[|Kernel panic|SMP: stopping|Internal error|Oops",
    # locks and stalls
    (r"irq event|(?:hard|soft)irqs last|\d+ locks? held|#\d+: |Showing all locks|other info|stack backtrace|-> #"
    r"|but task"),
    (r"which lock|INFO: task .{1,40} blocked on|INFO: lockdep|\"echo 0|NMI backtrace|Sending NMI|rcu: "
    r"|\(detected by|\(t="),
    r"pool \d|workqueue |pending:|in-flight:|pwq ",
    # memory
    (r"Allocated by|Freed by|Last potentially|The buggy|The (?:bug|address)|page:|page dumped|flags:|raw:|head:"
    r"|Memory state"),
    r"[ >][0-9a-f]{16}: |\^|Object [0-9a-f]|FIX |Padding|Redzone|Slab 0x|Reported by|value changed|hex dump",
    r"(?:read|write) (?:to|of)",
)) + ")")


class Fate(Enum):
    """What became of a line that was offered to an open report."""

    TAKEN = "taken"
    LAST = "last"
    """Taken, and the report is over."""
    REFUSED = "refused"
    """Not part of it; the report is over."""


def one_line(rule: Rule, match: re.Match[str], line: Line, timeline: Timeline) -> Finding:
    """The finding of a rule whose report is its first line; floods of these are common, so nothing is built up."""
    title = normalise(_base_title(rule, match))
    late_s = timeline.span_s(line.text, line.time_s) if rule.late else None
    began = timeline.attribute(timeline.marks.now, line.time_s, late_s or 0.0)
    return Finding(rule.kind, title, fingerprint(rule.kind, title, ()), rule.severity, rule.effect, rule.fatal,
                   line.number, line.number, line.time_s, began.step, line.raw, (), True, began.reported, began.late_s,
                   began.beside)


def _base_title(rule: Rule, match: re.Match[str]) -> str:
    groups = {name: value or "" for name, value in match.groupdict().items()}
    if "file" in groups:
        groups["file"] = source_file(groups["file"])
    return rule.title.format(**groups)


class Block:
    """One open report. Bounded in lines, text and frames."""

    def __init__(self, rule: Rule, match: re.Match[str], line: Line, timeline: Timeline) -> None:
        self.rule, self.match = rule, match
        self._timeline, self._flight = timeline, timeline.marks.now
        self._late_s: float | None = None
        self.first = line
        self.last = line
        self._latest_s: float | None = None
        self.stack_seen = False
        self.complete = False
        self._stack_over = False
        self._task_over = False
        self._frames: list[str] = []
        self._text: list[str] = []
        self._text_bytes = 0
        self._held: list[Line] = []
        self._quiet = 0
        self._lines = 0
        self._message: str | None = None
        self.owed: Block | None = None
        """A report that this panic cut short (panic_on_warn and its like): the panic's stack is that of its fault."""
        self._access = ""
        self._name(line.text)
        self._keep(line)

    @property
    def provisional(self) -> bool:
        """Only the cut-here line was seen: what it is about comes next."""
        return self.rule is CUT_HERE

    def refine(self, rule: Rule, match: re.Match[str], line: Line) -> None:
        """A cut-here block learns what it is about."""
        self.rule, self.match = rule, match
        self._name(line.text)
        self._keep(line)

    @property
    def lacks_stack(self) -> bool:
        """Its stack has not come yet, and would be next."""
        return self.rule.located and not self.stack_seen

    def offer(self, line: Line) -> Fate:
        """Gives it the next line of its caller that opens no report of its own."""
        if self.too_late(line):
            self.complete = self.stack_seen
            return Fate.REFUSED
        if self._closes(line.text):
            self.complete = True
            self._keep(line)
            return Fate.LAST
        if self._is_report(line.text):
            self._keep(line)
            return Fate.TAKEN
        return self._foreign(line)

    def displaced(self) -> None:
        """Another report of the same caller begins: this one is over."""
        self.complete = self.complete or self.stack_seen

    def join(self, line: Line) -> None:
        """Takes a line that would open a report elsewhere but is part of this one."""
        self._keep(line)

    def finding(self) -> Finding:
        """The report as far as it was seen."""
        title, frames = self._title(), tuple(self._frames)
        began = self._timeline.attribute(self._flight, self.first.time_s, self._late_s or 0.0)
        return Finding(
            kind=self.rule.kind, title=title, fingerprint=fingerprint(self.rule.kind, title, frames),
            severity=self._severity(), effect=self.rule.effect, fatal=self.rule.fatal,
            line=self.first.number, last_line=self.last.number, time_s=self.first.time_s, step=began.step,
            text="\n".join(self._text), frames=frames,
            reported=began.reported, late_s=began.late_s, beside=began.beside,
            complete=self.complete or (self._task_over and self._stack_closed()),
        )

    def _name(self, text: str) -> None:
        """The frame that a first line names goes before those of the stack."""
        frame = named_in(text) if self.rule.located and self.rule.end in (End.MARK, End.RULER) else None
        if frame and not self._frames:
            self._frames.append(frame)

    # -- taking lines ---------------------------------------------------------------------------------------

    def _keep(self, line: Line) -> None:
        for held in (*self._held, line):
            self._store(held)
        self._held.clear()
        self._quiet = 0
        self._see(line)

    def _see(self, line: Line) -> None:
        self.last = line
        if line.time_s is not None:
            self._latest_s = max(line.time_s, self._latest_s or line.time_s)
        self._learn(line.text)

    def _store(self, line: Line) -> None:
        self._lines += 1
        size = len(line.raw.encode("utf-8", "replace")) + 1
        if self._text_bytes + size <= MAX_TEXT_BYTES:
            self._text.append(line.raw)
            self._text_bytes += size
        else:
            self._text_bytes = MAX_TEXT_BYTES

    def _learn(self, text: str) -> None:
        """Frames of the first stack, the instruction pointer before it, the kind of access, since when."""
        if self.owed:
            self.owed._learn(text)
        if self.rule.late and self._late_s is None:
            self._late_s = self._timeline.span_s(text, self.last.time_s)
        if _TRACE.match(text):
            self._stack_over = self.stack_seen and bool(telling(self._frames, 1))
            self._task_over = False
            self.stack_seen = True
        elif text.startswith(" </TASK>"):
            self._task_over = True
        elif not self.stack_seen:
            self._learn_head(text)
        elif not self._stack_over:
            self._learn_stack(text)

    def _learn_head(self, text: str) -> None:
        frame = instruction_of(text)
        if frame is None and self.rule.end is End.RULER:
            frame = frame_of(text)  # KFENCE, KMSAN and KCSAN print their stacks without a heading
            self.stack_seen = frame is not None
        self._push(frame)
        access = _ACCESS.match(text)
        if access and access[1] and self.rule.kind == "KASAN":
            self._access = f" {access[1]}"

    def _learn_stack(self, text: str) -> None:
        if text.startswith(" </IRQ>") and is_stall_tick(self._frames):
            self._frames.clear()
        frame = frame_of(text) or (instruction_of(text) if not self._frames else None)
        self._push(frame)

    def _push(self, frame: str | None) -> None:
        """The first line, the instruction pointer and the top of the stack often name the same frame."""
        if frame and len(self._frames) < MAX_FRAMES and frame not in self._frames[-1:]:
            self._frames.append(frame)

    def _foreign(self, line: Line) -> Fate:
        """A line that no report prints: of another CPU, or what comes after."""
        if self._message is None and self.provisional and line.text.strip():
            self._message = line.text
        self._quiet += 1
        patience = GRACE_LINES if self._stack_closed() else self.rule.patience
        if self._quiet > patience or self._lines > MAX_LINES:
            self.complete = self._stack_closed()
            return Fate.REFUSED
        if self.stack_seen:
            self._held.append(line)
        else:
            self._store(line)
            self._see(line)
        return Fate.TAKEN

    # -- questions ------------------------------------------------------------------------------------------

    def _stack_closed(self) -> bool:
        """A stack was seen, and the rule waits for nothing more than that."""
        return self.stack_seen and self.rule.end in (End.TRACE, End.MARK)

    def _closes(self, text: str) -> bool:
        if self.rule.end is End.PANIC:
            return _END_PANIC.match(text) is not None
        if self.rule.end is End.RULER and _RULER.match(text):
            return True
        return _END_TRACE.match(text) is not None

    def _is_report(self, text: str) -> bool:
        return is_frame(text) or _REPORT.match(text) is not None

    def too_late(self, line: Line) -> bool:
        """So long after the latest line that it belongs to something else.

        A time that goes back is none: the clock of a CPU that was stuck stood still, and shows in its backtrace.
        """
        if line.time_s is None or self._latest_s is None:
            return False
        return line.time_s - self._latest_s > SILENCE_S

    # -- naming ---------------------------------------------------------------------------------------------

    def _title(self) -> str:
        base = _base_title(self.rule, self.match) + self._access
        if self.provisional and self._message:
            base = f"{base}: {self._message}"
        told = telling(self._frames, 1) if self.rule.located else []
        if told and self.rule.kind == "WARN":
            return normalise(f"WARNING in {told[0]}")
        return normalise(f"{base} in {told[0]}") if told else normalise(base)

    def _severity(self) -> Severity:
        """KASAN and its like tell use after free from other memory corruption in their first line."""
        if self.rule.severity is Severity.MEMORY_CORRUPTION and "use-after-free" in self.match[0]:
            return Severity.USE_AFTER_FREE
        if self.rule.kind == "KASAN" and "null-ptr" in self.match[0]:
            return Severity.OOPS
        return self.rule.severity
