"""The failures, in the order in which they are tried: the special spelling before the general one.

Spellings are those of the kernel's own sources from 5.10 to 7.x: lib/bug.c, kernel/panic.c, arch/*/mm/fault.c,
arch/*/kernel/traps.c, mm/kasan, mm/kfence, mm/slub.c, lib/ubsan.c, lib/list_debug.c, lib/refcount.c,
lib/debugobjects.c, kernel/locking/lockdep.c, kernel/rcu/tree_stall.h, kernel/watchdog.c, kernel/hung_task.c,
kernel/workqueue.c, kernel/softirq.c, block/blk-core.c, block/t10-pi.c. "Older" and "newer" below are relative to 6.1.
"""

from __future__ import annotations

from lab.console.finding import Effect, Severity
from lab.console.lost_rules import LOST
from lab.console.memory_rules import MEMORY, REPORTED_AT
from lab.console.rule import End, Rule, rule

_SYM = r"(?P<symbol>[A-Za-z_$][\w.$]*)"
_DOGS = r"(?:(?:NMI )?watchdog: )?"

CUT_HERE = rule("WARN", "------------[ cut here|-----------[ cut here", r"-{8,}\[ cut here \]-{8,}", "WARNING",
                Severity.WARN, End.MARK, patience=40)

OOPSES = (
    rule("panic", "Kernel panic", r"Kernel panic - not syncing(?:: (?P<what>.*))?", "Kernel panic: {what}",
         Severity.OOPS, End.PANIC, fatal=True, located=False, patience=120),
    rule("panic", "BUG: stack guard|BUG: TASK stack|BUG: IRQ stack|BUG: NMI stack|BUG: #|BUG: unknown stack|BUG: ENTRY",
         r"BUG: (?:\S+ |unknown )?stack guard page was hit", "stack guard page was hit", Severity.OOPS, End.MARK,
         fatal=True, patience=60),
    rule("panic", "Insufficient stack|kernel stack overflow|Thread overran|stack guard page: |Oops: stack guard",
         r"Insufficient stack space to handle exception"
         r"|kernel stack overflow|Thread overran stack|(?:Oops: )?stack guard page: [0-9a-f]{4}",
         "kernel stack overflow", Severity.OOPS, End.TRACE,
         fatal=True, patience=60),
    rule("oops", "BUG: unable|BUG: kernel NULL|Unable to handle|BUG: Unable|BUG: Kernel NULL",
         r"(?:(?:BUG: )?[Uu]nable to handle kernel NULL pointer|BUG: kernel NULL pointer"
         r"|BUG: Kernel NULL pointer)(?: dereference)?",
         "NULL pointer dereference", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "BUG: unable|Unable to handle|BUG: Unable",
         r"(?:BUG: )?[Uu]nable to handle (?:kernel )?(?P<what>paging request|page fault|access to user memory"
         r"|execute from|read from|write to|pointer dereference|[a-z ]{3,40}?|(?<=kernel )[\w ()/=-]{3,60}?)"
         r"(?: for address| at | in virtual| outside| without|:|$)",
         "bad {what}", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "general protection|Oops: general|segment-related|Oops: segment",
         r"(?:Oops: )?(?:segment-related )?general protection fault(?: for |,|:)",
         "general protection fault", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "traps: PANIC|PANIC: double|Oops: double", r"(?:traps: )?(?:PANIC"
         r"|Oops): double fault", "double fault",
         Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "stack segment|divide error|divide_error|invalid opcode|int3:|alignment check|bounds:|Oops: "
         "|overflow: |coprocessor segment|invalid TSS|segment not present|double fault: |fpu exception|simd exception"
         "|unexpected #NM|iret exception|VE fault|Bad pagetable",
         r"(?:Oops: )?(?P<what>stack segment|divide[ _]error|invalid opcode|int3|alignment check|bounds"
         r"|control protection|unexpected instruction|kernel stack overflow|overflow|coprocessor segment overrun"
         r"|invalid TSS|segment not present|double fault|fpu exception|simd exception|unexpected #NM exception"
         r"|iret exception|VE fault|Bad pagetable): [0-9a-f]{4,8} (?:\[#|\S+ \[#)",
         "{what}", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "Split lock detected|Oops: Split lock", r"(?:Oops: )?Split lock detected$",  # the rest on a new line
         "split lock", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "Fixing recursive fault", r"Fixing recursive fault but reboot is needed", "recursive fault",
         Severity.OOPS, End.LINE, fatal=True, located=False),
    rule("oops", "addressing exc|data exc|execute exc|fixpoint div|illegal op|monitor event: |operand exc"
         "|privileged op|protection exc|special op|specification exc|translation exc",  # s390
         r"(?P<what>[a-zA-Z /-]{4,40}): [0-9a-f]{4} ilc:\d \[#\d+\]", "{what}", Severity.OOPS, End.MARK, fatal=True,
         patience=60),
    rule("oops", "Internal error:", r"Internal error: (?:Oops(?: - |: )?)?(?P<what>[^\[]{0,60}?)(?:: [0-9a-f]+"
         r"|[0-9a-f]{8,16})?"
         r" \[#\d+\]", "Internal error {what}", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "Oops:|Oops -|Oops [#|Kernel access of|kernel tried to",
         r"(?:Oops(?::| -| \[)|Kernel access of bad area|BUG: Kernel )(?P<what>.{0,60})", "Oops", Severity.OOPS,
         End.MARK, fatal=True, patience=60),
    rule("oops", "Unhandled fault:|Unhandled prefetch", r"Unhandled (?P<what>fault"
         r"|prefetch abort): (?P<fault>[^(]{3,50})",
         "Unhandled {what}: {fault}", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "Unhandled |Bad mode in|SError Interrupt", r"Unhandled (?:64|32)-bit el1\w* \w+ exception"
         r"|Bad mode in .{3,40} handler detected|SError Interrupt on CPU\d+, code", "unhandled exception",
         Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("oops", "CFI failure", r"CFI failure (?:at|\(target)", "CFI failure", Severity.OOPS, End.MARK,
         fatal=True, patience=60),
    rule("BUG", "kernel BUG at|Kernel BUG at", r"[Kk]ernel BUG at (?:\[.*\] )?(?P<file>[^\s:!]+)",
         "kernel BUG at {file}", Severity.OOPS, End.MARK, fatal=True, patience=60),
    rule("BUG", "Kernel BUG [", r"Kernel BUG \[#\d+\]", "kernel BUG", Severity.OOPS, End.MARK, fatal=True,  # riscv
         patience=60),
)

LOCKING = (
    rule("lockdep", "WARNING: |INFO: |[ INFO: |[ BUG: |BUG: |BUG: Invalid wait",
         r"(?:\[ )?(?:WARNING|INFO|BUG): (?P<what>possible circular locking dependency|possible recursive locking"
         r"|circular locking deadlock"
         r"|possible irq lock inversion dependency|inconsistent lock state|suspicious RCU usage|bad unlock balance"
         r"|held lock freed|lock held when returning to user space|[Ii]nvalid wait context|bad contention"
         r"|Nested lock was not taken|(?:HARD|SOFT)IRQ-\w+ -> (?:HARD|SOFT)IRQ-\w+ lock order"
         r"|trying to register non-static key|possible nested epoll|possible unsafe locking|chain_key collision"
         r"|looking up invalid subclass|key [0-9a-f]{8,16} has not been registered)",
         "lockdep: {what}", Severity.LOCKDEP, End.TRACE, patience=600),
    rule("lockdep", "WARNING: |BUG: |[ BUG: ", r"(?:\[ )?(?:WARNING|BUG): .{1,64} still has locks held!",
         "lockdep: locks still held", Severity.LOCKDEP, End.TRACE, patience=60),
    rule("lockdep", "DEBUG_LOCKS_WARN_ON", r"DEBUG_LOCKS_WARN_ON\((?P<what>.{1,80})\)",
         "lockdep: DEBUG_LOCKS_WARN_ON({what})",
         Severity.LOCKDEP, End.MARK),
    rule("lockdep-off", "INFO: lockdep is|BUG: MAX_", r"(?:INFO: lockdep is turned off|BUG: MAX_\w+ too low)",
         "lockdep is turned off: locking is untested from here", Severity.NOTE, End.LINE, effect=Effect.NOTE,
         located=False),
    rule("atomic", "BUG: ", r"BUG: (?P<what>sleeping function called from invalid context|scheduling while atomic"
         r"|scheduling in a non-blocking section|assuming (?:atomic|non migratable) context"
         r"|atomic scheduling while|workqueue leaked (?:lock or atomic|atomic|lock))",
         "{what}", Severity.LOCKDEP, End.TRACE, patience=60),
    rule("atomic", "BUG: using", r"BUG: using \S+ in preemptible", "per-CPU access in preemptible code",
         Severity.LOCKDEP, End.TRACE),
    rule("atomic", "softirq: huh|huh, entered softirq", r"(?:softirq: )?huh, entered softirq",
         "softirq handler changed the preempt count", Severity.LOCKDEP, End.LINE, located=False),
    rule("spinlock", "BUG: ", r"BUG: (?P<what>(?:spinlock|rwlock)[a-z -]{3,40}?)(?: on CPU|,|$)", "{what}",
         Severity.LOCKDEP, End.TRACE),
)

STALLS = (
    rule("rcu-stall", "INFO: rcu|rcu: INFO:",
         r"(?:rcu: )?INFO: (?P<flavor>\w+) (?:self-)?detected (?:expedited )?stalls?",
         "RCU stall", Severity.HANG, End.TRACE, patience=40, late=True),
    rule("rcu-stall", "rcu: rcu_|rcu_sched kthread|rcu_preempt kthread", r"(?:rcu: )?(?P<flavor>rcu_\w+) kthread "
         r"(?:starved for|timer wakeup didn't happen)", "RCU grace-period kthread starved", Severity.HANG, End.TRACE,
         patience=40, late=True),
    rule("soft-lockup", "BUG: soft", _DOGS + r"BUG: soft lockup - CPU#\d+ stuck", "soft lockup", Severity.HANG,
         End.TRACE, patience=40, late=True),
    rule("hard-lockup", "Watchdog detected|watchdog: CPU|watchdog: Watchdog",
         _DOGS + r"(?:CPU ?\d+: )?(?:Watchdog detected hard LOCKUP"
         r"|CPU \d+ (?:(?:self-)?detected hard|Hard) LOCKUP)", "hard lockup", Severity.HANG, End.TRACE,
         patience=40),
    rule("workqueue-lockup", "BUG: workqueue lockup", r"BUG: workqueue lockup", "workqueue lockup", Severity.HANG,
         End.TRACE, patience=8, late=True),
    rule("hung-task", "INFO: task",
         r"INFO: task (?P<task>.{1,64}):\d+ (?:is )?(?:blocked(?: in I/O wait)?|can't die) for more than \d+ seconds",
         "task hung", Severity.HANG, End.TRACE, patience=16, late=True),
    rule("hung-task", "INFO: task", r"INFO: task [^:]{0,32}$",  # a newline in the task's name
         "task hung", Severity.HANG, End.TRACE, patience=16, late=True),
    rule("csd-lock", "smp: csd: Detected|csd: Detected", r"(?:smp: )?csd: Detected non-responsive CSD lock",
         "CPU does not answer a function call", Severity.HANG, End.TRACE, late=True),
)

LEAKS = (
    rule("kmemleak", "unreferenced object|kmemleak: unref|BUG: memory leak",
         r"(?:kmemleak: )?unreferenced (?:percpu )?object (?:\((?:percpu|phys)\) )?0x"
         r"|BUG: memory leak",
         "memory leak", Severity.LEAK, End.TRACE, patience=24, late=True),
    rule("kmemleak", "kmemleak: ", r"kmemleak: \d+ new suspected memory leaks", "suspected memory leaks",
         Severity.LEAK, End.LINE, located=False),
    rule("ref-tracker", "ref_tracker:", r"ref_tracker: (?P<what>.*?(?:has \d+/\d+ users at"
         r"|reference already released"
         r"|reference leaked|leaked reference))", "ref_tracker: {what}", Severity.LEAK, End.TRACE),
)

WARNINGS = (
    rule("WARN", "WARNING: ",
         r"WARNING: (?:CPU: \d+ PID: -?\d+ )?(?:at )?(?:\[.*\] )?(?P<file>[\w./+-]+\.[a-zA-Z]{1,3}):\d+"
         r"(?: (?:at )?(?:" + _SYM + r"\+0x|0x|\w)|$)", "WARNING at {file}", Severity.WARN, End.MARK, patience=40),
    rule("WARN", "WARNING: ",  # without CONFIG_DEBUG_BUGVERBOSE
         r"WARNING: (?:CPU: \d+ PID: -?\d+ )?at " + _SYM + r"\+0x[0-9a-f]", "WARNING", Severity.WARN, End.MARK,
         patience=40),
    rule("BUG", "BUG: ", r"BUG: (?!Bad page \w+: \d+ messages suppressed)(?P<what>\S.*)", "BUG: {what}",
         Severity.OOPS, End.TRACE, fatal=True, patience=24),
)

NOTES = (
    rule("block", "I/O error|blk_update_request|critical |Buffer I/O|operation not supported error|timeout error"
         "|recoverable transport error|reservation conflict error|protection error|kernel resource error"
         "|device resource error|nonblocking retry error|device offline error|dm internal retry error"
         "|open zones exceeded error|active zones exceeded error|duration limit exceeded error|invalid error",
         r"(?:blk_update_request: |print_req_error: )?(?P<what>(?:[a-z]+ )*?(?:I/O"
         r"|[a-z ]{4,24}?) error), dev (?P<dev>[\w-]+)",
         "{what}, dev {dev}", Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("block", "Buffer I/O", r"Buffer I/O error on (?:dev"
         r"|device) (?P<dev>[\w-]+)", "Buffer I/O error, dev {dev}",
         Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("block", "ref tag error|guard tag error", r"(?P<dev>[\w-]+): (?P<what>(?:ref|guard) tag error) at (?:loc|sec)",
         "{what}, dev {dev}", Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("block", "Device offlined|rejecting I/O|timing out command|Medium access timeout",
         r"(?:\S+ )?\d+:\d+:\d+:\d+: (?:\[\w+\] )?(?:tag#\d+ )?(?P<what>Device offlined"
         r"|rejecting I/O to (?:offline|dead) device"
         r"|timing out command|Medium access timeout)", "{what}", Severity.NOTE, End.LINE, effect=Effect.NOTE,
         located=False, late=True),
    rule("LIO", "ABORT_TASK: Found",
         r"ABORT_TASK: Found referenced \w+ task_tag", "ABORT_TASK: Found referenced task_tag",
         Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("LIO", "Detected NON_EXISTENT|Detected WRITE_PROTECTED", r"TARGET_CORE\[(?P<fabric>\w+)\]: "
         r"(?P<what>Detected (?:NON_EXISTENT_LUN|WRITE_PROTECTED LUN) Access)", "{what}",
         Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("LIO", "Unable to remove TCM|Unable to locate struct", r"(?P<what>Unable to remove TCM_Loop I_T Nexus"
         r"|Unable to locate struct scsi_device)", "{what}",
         Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("taint", "loading out-of-tree|loading test module|module license|module verification|Disabling lock debugging",
         r"(?:[\w-]+: )?(?P<what>loading (?:out-of-tree|test) module taints kernel"
         r"|module license '.{1,40}' taints kernel"
         r"|module verification failed|Disabling lock debugging due to kernel taint)", "{what}",
         Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("out-of-memory", "Out of memory|Memory cgroup out|page allocation failure",
         r"(?P<what>Out of memory(?:: Killed process)?|Memory cgroup out of memory"
         r"|[^:\[]{1,40}: page allocation failure)",
         "{what}", Severity.NOTE, End.LINE, effect=Effect.NOTE, located=False),
    rule("fault-injection", "FAULT_INJECTION:", r"FAULT_INJECTION: forcing a failure", "injected failure",
         Severity.NOTE, End.TRACE, effect=Effect.NOTE, patience=8),
)

RULES: tuple[Rule, ...] = (
    CUT_HERE, *MEMORY, *REPORTED_AT, *OOPSES, *LOCKING, *STALLS, *LEAKS, *WARNINGS, *NOTES, *LOST)
