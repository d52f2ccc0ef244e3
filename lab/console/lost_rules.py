"""Reports whose first line is lost: dropped by printk, overwritten in the ring buffer, or cut off before the log.

A line that only such reports print opens one where none is open. Sources: print_modules() has no callers but reports
(kernel/panic.c, kernel/watchdog.c, mm/page_alloc.c, arch/*/kernel/traps.c), mm/kasan/report.c, mm/slub.c,
kernel/locking/lockdep.c, kernel/rcu/tree_stall.h.
"""

from __future__ import annotations

from lab.console.finding import Severity
from lab.console.rule import End, rule

LOST = (
    rule("KASAN", "Read of size|Write of size", r"(?P<what>Read|Write) of size \d+ at addr [0-9a-f]{8,16} by task",
         "KASAN: first line lost", Severity.MEMORY_CORRUPTION, End.RULER, patience=120),
    rule("slab", "INFO: Allocated|INFO: Freed|INFO: Slab 0x|Allocated in|Freed in|Slab 0x",
         r"(?:INFO: )?(?:(?:Allocated|Freed) in .{1,200} age=\d+ cpu=\d+ pid="
         r"|Slab 0x[0-9a-f]{8,16} objects=\d)", "slab: first line lost", Severity.MEMORY_CORRUPTION,
         End.TRACE, patience=200),
    rule("lockdep", "other info that", r"other info that might help (?:us )?debug this", "lockdep: first line lost",
         Severity.LOCKDEP, End.TRACE, patience=600),
    rule("rcu-stall", "rcu: \t(|\t(t=|\t(detected by", r"(?:rcu: )?\t\((?:detected by \d+, )?t=\d+ jiffies",
         "RCU stall", Severity.HANG, End.TRACE, patience=40, late=True),
    rule("WARN", "Modules linked in:", r"Modules linked in:", "report without its first line", Severity.WARN, End.MARK,
         patience=40),
)
LOST_RULES = frozenset(LOST)
