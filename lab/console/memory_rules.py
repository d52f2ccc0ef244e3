"""Memory checkers, allocators, counters and lists: their reports' first lines."""

from __future__ import annotations

from lab.console.finding import Severity
from lab.console.rule import End, rule

MEMORY = (
    rule("KASAN", "BUG: KASAN", r"BUG: KASAN: (?:slab-(?=use-after))?(?P<what>[\w-]+(?: or [\w-]+)*)",
         "KASAN: {what}", Severity.MEMORY_CORRUPTION, End.RULER, patience=120),
    rule("KMSAN", "BUG: KMSAN", r"BUG: KMSAN: (?P<what>[\w-]+(?: [\w-]+)*?)(?= in |$)", "KMSAN: {what}",
         Severity.MEMORY_CORRUPTION, End.RULER, patience=120),
    rule("KCSAN", "BUG: KCSAN", r"BUG: KCSAN: (?P<what>[\w-]+(?:: race)?) in (?P<one>[\w.]+)(?:\S* / (?P<two>[\w.]+))?",
         "KCSAN: {what} in {one} {two}", Severity.LOCKDEP, End.RULER, located=False, patience=120),
    rule("KFENCE", "BUG: KFENCE", r"BUG: KFENCE: (?P<what>[\w -]{3,40}?)(?= in |$)", "KFENCE: {what}",
         Severity.MEMORY_CORRUPTION, End.RULER, patience=120),
    rule("UBSAN", "UBSAN:", r"UBSAN: (?P<what>.{1,60}?) (?:in \S+?:\d+|at [\w.$]+\+0x)",  # at: CONFIG_UBSAN_TRAP
         "UBSAN: {what}",
         Severity.WARN, End.RULER, patience=40),
    rule("slab", "BUG ", r"BUG [^\s(]+ ?\((?:Not tainted|Tainted:)[^)]*\): Objects remaining ",
         "slab objects remaining on __kmem_cache_shutdown", Severity.LEAK, End.TRACE, patience=200),
    rule("slab", "BUG ", r"BUG (?P<cache>[^\s(]+) ?\((?:Not tainted|Tainted:)[^)]*\): (?P<what>.{3,80})",
         "slab {what}", Severity.MEMORY_CORRUPTION, End.TRACE, patience=200),
    rule("slab", "SLUB <none>: no slab", r"SLUB <none>: no slab for object 0x", "slab No slab cache for object",
         Severity.MEMORY_CORRUPTION, End.TRACE),
    rule("slab", "kmem_cache_destroy|Slab cache still",
         r"kmem_cache_destroy (?P<cache>\S+): Slab cache still has objects",
         "slab {cache} destroyed while it has objects", Severity.LEAK, End.TRACE),
    rule("list-corruption", "list_add |list_del |list_add_rcu|slist_", r"(?P<what>list_(?:add|del)) corruption",
         "{what} corruption", Severity.MEMORY_CORRUPTION, End.MARK),
    rule("refcount", "refcount_t", r"refcount_t: (?P<what>[^.]{3,80})", "refcount_t: {what}",
         Severity.USE_AFTER_FREE, End.MARK),
    rule("refcount", "percpu_ref_switch_to_atomic_rcu",
         r"(?:percpu_ref_switch_to_atomic_rcu: )?percpu_ref_switch_to_atomic_rcu\(\): percpu_ref underflow",
         "percpu_ref underflow", Severity.USE_AFTER_FREE, End.LINE, located=False),
    rule("usercopy", "usercopy:", r"usercopy: (?:Bad or missing usercopy whitelist\? )?[Kk]ernel memory "
         r"(?P<what>exposure|overwrite) attempt detected", "usercopy: kernel memory {what}",
         Severity.MEMORY_CORRUPTION, End.MARK, fatal=True),
    rule("ODEBUG", "ODEBUG:", r"ODEBUG: (?P<what>[a-z_]+ (?:active|destroyed|not available|[a-z]+)) "
         r".*?object(?: type)?: ?(?:[0-9a-fx]+ )?(?:object type: )?(?P<object>\w+)", "ODEBUG: {what} {object}",
         Severity.USE_AFTER_FREE, End.MARK),
    rule("ODEBUG", "rcu: __call_rcu|rcu: call_rcu", r"rcu: \w+\(\): Double-freed CB ",
         "call_rcu() of a queued callback", Severity.USE_AFTER_FREE, End.LINE, located=False),
    rule("state", "pagealloc: ", r"pagealloc: (?P<what>single bit error|memory corruption)",
         "page poison overwritten: {what}", Severity.MEMORY_CORRUPTION, End.TRACE, located=False, patience=300),
    rule("state", "BUG: Bad page", r"BUG: Bad page (?P<what>state|map|cache)(?!: \d+ messages)", "Bad page {what}",
         Severity.MEMORY_CORRUPTION, End.TRACE, patience=24),
    rule("state", "BUG: Bad rss|BUG: non-zero", r"BUG: (?P<what>Bad rss-counter state|non-zero pgtables_bytes)",
         "{what}", Severity.MEMORY_CORRUPTION, End.LINE, located=False),
    rule("state", "BUG: Dentry", r"BUG: Dentry [0-9a-fpx(_)tralX]+\{.*\} +still in use", "dentry still in use",
         Severity.LEAK, End.MARK, patience=8),
    rule("state", "VFS: Close: file", r"VFS: Close: file count is (?:0|zero)", "VFS: Close: file count is zero",
         Severity.USE_AFTER_FREE, End.LINE, located=False),
    rule("state", "unregister_netdevice: waiting", r"unregister_netdevice: waiting for \S+ to become free",
         "unregister_netdevice: waiting for a device to become free", Severity.LEAK, End.LINE, located=False),
    rule("state", "VFS: Busy|Busy inodes", r"(?:VFS: )?Busy inodes after unmount", "Busy inodes after unmount",
         Severity.LEAK, End.LINE, located=False),
    rule("state", "kobject_add_internal failed", r"(?:kobject: )?kobject_add_internal failed for \S+ "
         r"(?:with (?P<error>-E\w+)|\(error: (?P<number>-\d+))", "kobject_add_internal failed",
         Severity.WARN, End.LINE, located=False),
    rule("state", "kobject (|kobject '", r"(?:kobject: )?kobject (?:'.*' )?\(.{1,24}\): (?P<what>"
         r"tried to (?:init an initialized|add an uninitialized) object|must have a ktype)", "kobject: {what}",
         Severity.WARN, End.TRACE),
    rule("state", "sysfs: cannot create|cannot create duplicate", r"sysfs: cannot create duplicate filename",
         "sysfs: cannot create duplicate filename", Severity.WARN, End.TRACE),
)

# The same faults by the place that reports them: the line with the words may be lost or come later.
_AT = r"(?:WARNING: (?:CPU: \d+ PID: -?\d+ )?(?:at )?|[Kk]ernel BUG at )(?:\[.*\] )?"
_PLACES = "WARNING: |kernel BUG at|Kernel BUG at"
REPORTED_AT = (
    rule("list-corruption", _PLACES, _AT + r"lib/list_debug\.c:", "list corruption", Severity.MEMORY_CORRUPTION,
         End.MARK, patience=40),
    rule("refcount", _PLACES, _AT + r"lib/refcount\.c:", "refcount_t", Severity.USE_AFTER_FREE, End.MARK, patience=40),
    rule("ODEBUG", _PLACES, _AT + r"lib/debugobjects\.c:", "ODEBUG", Severity.USE_AFTER_FREE, End.MARK, patience=40),
    rule("ref-tracker", _PLACES, _AT + r"lib/ref_tracker\.c:", "ref_tracker", Severity.LEAK, End.MARK, patience=40),
    rule("usercopy", _PLACES, _AT + r"mm/usercopy\.c:", "usercopy", Severity.MEMORY_CORRUPTION, End.MARK, fatal=True,
         patience=40),
    rule("lockdep", _PLACES, _AT + r"kernel/locking/lockdep\.c:", "lockdep: inconsistent state", Severity.LOCKDEP,
         End.MARK, patience=40),
)
