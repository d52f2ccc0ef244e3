"""Reports that are late by nature: for how long the thing had gone on when the kernel said so.

Sources: kernel/hung_task.c, kernel/watchdog.c, kernel/workqueue.c, kernel/rcu/tree_stall.h, kernel/rcu/tasks.h,
kernel/smp.c, mm/kmemleak.c, drivers/scsi/scsi_lib.c.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.console.marks import Flight, Marks

MAX_HZ = 1000
"""Ticks per second where the log does not tell: the most that kernels are built with on the usual architectures, so
the span is the shortest possible and no step that was over is blamed by a guess."""
RATES = (100, 128, 200, 250, 256, 300, 500, 512, 1000, 1024)
"""CONFIG_HZ of kernel/Kconfig.hz and of arch/*/Kconfig."""

_JIFFIES_MAX_IDLE_NS = 1_911_260_446_275_000
"""`max_idle_ns` of the clocksource `jiffies` at 1000 Hz (kernel/time/jiffies.c); it grows with the tick."""

_SECONDS = re.compile(
    r".{0,100}?:\d+ (?:is )?(?:blocked(?: in I/O wait)?|can't die) for more than (?P<hung>\d{1,9}) seconds"
    r"|.*?BUG: soft lockup - CPU#\d+ stuck for (?P<soft>\d{1,9})s!"
    r"|.*?BUG: workqueue lockup - .{0,200}? stuck for (?P<pool>\d{1,9})s!"
    r"|.*?waiting (?P<ns>\d{1,19}) ns for CPU#"
    r"|.*?timing out command, waited (?P<scsi>\d{1,9})s"
    r"|.*?\(age (?P<age>\d{1,9}\.\d{1,3})s\)"
)
# What is surely of the stall itself. A soft lockup is counted from the last sign of life, of which there is one in each
# fifth of the time after which it is reported (watchdog_thresh, set_sample_period).
_SHARE = {"ns": 1e-9, "soft": 0.8}
_JIFFIES = re.compile(
    r".*?\(t=(?P<t>\d{1,12}) jiffies"
    r"|.*?\(detected by \d+, t=(?P<other>\d{1,12}) jiffies"
    r"|.*? \} (?P<expedited>\d{1,12}) jiffies s: "
    r"|.*? kthread starved for (?P<starved>\d{1,12}) jiffies"
    r"|.*? kthread timer wakeup didn't happen for (?P<timer>\d{1,12}) jiffies"
)
_ALLOCATED = re.compile(r'(?:kmemleak: )?\s*comm ".{0,64}", pid \d+, jiffies (?P<jiffies>\d{1,20})(?! \(age)')
_INITIAL_SECONDS = 300
"""Jiffies start five minutes before they wrap at 2**32 (INITIAL_JIFFIES)."""

_BOGOMIPS = re.compile(r".*?(?P<mips>\d{1,6}\.\d\d) BogoMIPS \(lpj=(?P<lpj>\d{1,12})\)")
_CLOCKSOURCE = re.compile(r"clocksource: jiffies: .*max_idle_ns: (?P<ns>\d{1,19}) ns")


@dataclass(frozen=True)
class Attribution:
    """To which step a report belongs."""

    step: int | None
    reported: int | None
    late_s: float
    beside: tuple[str, ...]


class Timeline:
    """The marks and the tick rate of a log."""

    def __init__(self, marks: Marks, hz: int | None = None) -> None:
        self.marks = marks
        self.hz = hz
        """Ticks per second; None until the log tells."""

    def learn(self, text: str) -> None:
        """Takes the tick rate from `... BogoMIPS (lpj=...)` or from the line about the clocksource `jiffies`."""
        found = _BOGOMIPS.match(text)
        if found and int(found["lpj"]):
            self._rate(float(found["mips"]) * 500_000 / int(found["lpj"]))
        found = _CLOCKSOURCE.match(text)
        if found and int(found["ns"]):
            self._rate(MAX_HZ * _JIFFIES_MAX_IDLE_NS / int(found["ns"]))

    def span_s(self, text: str, time_s: float | None = None) -> float | None:
        """Seconds for which a line says that the thing has gone on, at least; None when it says nothing of the kind.

        `time_s`: its printk time, for kmemleak of kernels from 6.6, which prints only the jiffies of the allocation.
        """
        match = _SECONDS.match(text)
        if match:
            return float(match[str(match.lastgroup)]) * _SHARE.get(str(match.lastgroup), 1.0)
        match = _JIFFIES.match(text)
        if match:
            return int(match[str(match.lastgroup)]) / (self.hz or MAX_HZ)
        match = _ALLOCATED.match(text)
        if match and self.hz and time_s is not None:
            ticks = (int(match["jiffies"]) - (1 << 32) + _INITIAL_SECONDS * self.hz) % (1 << 32)
            return max(time_s - ticks / self.hz, 0.0)
        return None

    def attribute(self, reported: Flight, time_s: float | None, late_s: float) -> Attribution:
        """The step in which a thing began that was reported at a time, after it had gone on for `late_s` seconds.

        A late report belongs to the step in flight at `time_s - late_s`. Between two steps it belongs to the one
        that ended last: detectors count from when they first looked (khungtaskd looks once per timeout, RCU counts
        from the grace period's begin), so the thing itself began then or earlier. During set-up and tear-down, before
        and after the run it belongs to no step. Without a time it belongs to the step in which it was reported.
        """
        if time_s is None or late_s <= 0.0:
            return Attribution(reported.step, reported.step, late_s, reported.background)
        began = self.marks.at(time_s - late_s)
        step = began.step if began.step is not None else began.ended
        return Attribution(step, reported.step, late_s, began.background)

    def _rate(self, measured: float) -> None:
        """BogoMIPS are cut to two digits, so the nearest rate that kernels are built with is the one."""
        nearest = min(RATES, key=lambda rate: abs(rate - measured))
        if abs(nearest - measured) <= nearest * 0.01:
            self.hz = nearest
