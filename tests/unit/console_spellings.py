"""First lines of reports as kernels spell them: what must fire, as which class, and what must not."""

from __future__ import annotations

# (class, part of the title, message). x86 where nothing else is said; "old" before 6.1, "new" after.
FAILURES: list[tuple[str, str, str]] = [
    ("panic", "VFS: Unable to mount root fs",
     "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
    ("panic", "hung_task: blocked tasks", "Kernel panic - not syncing: hung_task: blocked tasks"),
    ("panic", "corrupted stack end", "Kernel panic - not syncing: corrupted stack end detected inside scheduler"),
    ("panic", "Fatal exception in interrupt", "Kernel panic - not syncing: Oops: Fatal exception in interrupt"),
    ("panic", "stack guard page",
     "BUG: stack guard page was hit at 00000000a1b2c3d4 (stack is 00000000deadbeef..00000000cafe)"),
    ("panic", "stack guard page",
     "BUG: TASK stack guard page was hit at ffffc90001a2fff8 (stack is ffffc90001a30000..ffffc9)"),
    ("panic", "kernel stack overflow", "Insufficient stack space to handle exception!"),  # arm64
    ("oops", "NULL pointer dereference", "BUG: kernel NULL pointer dereference, address: 0000000000000010"),
    ("oops", "NULL pointer dereference",  # old
     "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010"),
    ("oops", "NULL pointer",  # arm64
     "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010"),
    ("oops", "bad page fault", "BUG: unable to handle page fault for address: ffffc90000f51000"),
    ("oops", "bad paging request", "BUG: unable to handle kernel paging request at ffffc90000f51000"),  # old
    ("oops", "bad paging request",  # arm64
     "Unable to handle kernel paging request at virtual address dead000000000108"),
    ("oops", "access to user memory",
     "Unable to handle kernel access to user memory outside uaccess routines at virtual address 0"),
    ("oops", "general protection fault",
     "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP"),
    ("oops", "general protection fault", "general protection fault: 0000 [#1] SMP KASAN"),  # old
    ("oops", "general protection fault",  # new
     "Oops: general protection fault, maybe for address 0x8: 0000 [#1] PREEMPT SMP"),
    ("oops", "divide error", "divide error: 0000 [#1] PREEMPT SMP NOPTI"),
    ("oops", "divide error", "Oops: divide error: 0000 [#1] SMP NOPTI"),  # new
    ("oops", "stack segment", "stack segment: 0000 [#1] PREEMPT SMP NOPTI"),
    ("oops", "invalid opcode", "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI"),
    ("oops", "invalid opcode", "Oops: invalid opcode: 0000 [#2] SMP NOPTI"),  # new
    ("oops", "int3", "int3: 0000 [#1] PREEMPT SMP NOPTI"),
    ("oops", "double fault", "PANIC: double fault, error_code: 0x0"),
    ("oops", "double fault", "traps: PANIC: double fault, error_code: 0x0"),
    ("oops", "Internal error", "Internal error: Oops: 96000004 [#1] SMP"),  # arm64, old
    ("oops", "Internal error undefined", "Internal error: Oops - Undefined instruction: 0000000002000000 [#1] SMP"),
    ("oops", "synchronous external abort",
     "Internal error: synchronous external abort: 0000000096000010 [#1] PREEMPT SMP"),
    ("oops", "Oops", "Oops: 0002 [#1] PREEMPT SMP NOPTI"),
    ("oops", "Oops", "Oops - load access fault [#1]"),  # riscv
    ("oops", "Unhandled fault: external abort",  # arm
     "Unhandled fault: external abort on non-linefetch (0x1008) at 0xf0a2c000"),
    ("oops", "unhandled exception",
     "Unhandled 64-bit el1h sync exception on CPU0, ESR 0x0000000002000000 -- Unknown/Uncategorized"),
    ("oops", "unhandled exception", "SError Interrupt on CPU0, code 0x00000000bf000000 -- SError"),
    ("oops", "CFI failure",
     "CFI failure at tcm_loop_make_naa_tpg+0x20/0x30 [tcm_loop] (target: foo+0x0/0x4; expected type: 0x1)"),
    ("BUG", "kernel BUG at drivers/target/target_core_tpg.c", "kernel BUG at drivers/target/target_core_tpg.c:101!"),
    ("BUG", "kernel BUG at fs/inode.c", "kernel BUG at [inode->i_state & 0x20] fs/inode.c:612!"),  # new, detailed
    ("BUG", "kernel BUG", "Kernel BUG [#1]"),  # riscv
    ("BUG", "not creating mapping",  # arm64; any other text after `BUG: `
     "BUG: not creating mapping for 0x0000000040000000 at 0x0000000000100000 - outside kernel range"),
    ("oops", "general protection fault", "segment-related general protection fault: 0018 [#1] PREEMPT SMP NOPTI"),
    ("oops", "bad data access",  # powerpc
     "BUG: Unable to handle kernel data access on read at 0xc0000000feedface"),
    ("oops", "NULL pointer", "BUG: Kernel NULL pointer dereference on read at 0x00000010"),  # powerpc
    ("oops", "Oops", "Oops: Kernel access of bad area, sig: 11 [#1]"),  # powerpc
    ("oops", "bad pointer dereference",  # s390
     "Unable to handle kernel pointer dereference in virtual kernel address space"),
    ("oops", "illegal operation", "illegal operation: 0001 ilc:1 [#1] SMP"),  # s390
    ("oops", "specification exception", "specification exception: 0006 ilc:3 [#1] PREEMPT SMP"),  # s390
    ("oops", "bad paging request",  # arm
     "Unable to handle kernel paging request at virtual address 00200200 when read"),
    ("oops", "Internal error undefined instruction", "Internal error: Oops - undefined instruction: 0 [#1] SMP ARM"),
    ("state", "dentry still in use",
     "BUG: Dentry 00000000a1b2c3d4{i=2a,n=naa.6001405000000001}  still in use (1) [unmount of configfs configfs]"),
    ("WARN", "lio", "WARNING: CPU: 1 PID: 77 at drivers/target/lio.c:67 transport_lio+0x12/0x40 [target_core_mod]"),
    ("WARN", "lio",  # new
     "WARNING: drivers/target/lio.c:67 at transport_lio+0x12/0x40 [target_core_mod], CPU#1: fio/77"),
    ("WARN", "lio",
     "WARNING: [!cmd && \"no command\"] drivers/target/lio.c:67 at transport_lio+0x12/0x40, CPU#1: fio/77"),
    ("WARN", "lib/idr.c", "WARNING: lib/idr.c:19 at 0x0, CPU#1: fio/6051"),
    ("WARN", "without its first line", "Modules linked in: tcm_loop target_core_mod"),
    ("WARN", "cut here", "------------[ cut here ]------------"),
    ("KASAN", "slab-out-of-bounds", "BUG: KASAN: slab-out-of-bounds in sbc_execute_rw+0x1a/0x40 [target_core_mod]"),
    ("KASAN", "null-ptr-deref", "BUG: KASAN: null-ptr-deref in target_show+0x1a/0x40"),
    ("KASAN", "double-free or invalid-free",
     "BUG: KASAN: double-free or invalid-free in tcm_loop_port_unlink+0x1a/0x40"),
    ("KMSAN", "uninit-value",
     "BUG: KMSAN: uninit-value in spc_emulate_inquiry+0x4a1/0x900 drivers/target/target_core_spc.c:412"),
    ("KCSAN", "data-race in target_a target_b", "BUG: KCSAN: data-race in target_a / target_b"),
    ("KFENCE", "out-of-bounds read", "BUG: KFENCE: out-of-bounds read in spc_parse_cdb+0xa3/0x22b"),
    ("KFENCE", "memory corruption", "BUG: KFENCE: memory corruption in tcm_loop_release_cmd+0x9d/0x16f"),
    ("UBSAN", "array-index-out-of-bounds",
     "UBSAN: array-index-out-of-bounds in drivers/target/target_core_spc.c:87:12"),
    ("UBSAN", "Undefined behaviour", "UBSAN: Undefined behaviour in drivers/target/target_core_spc.c:87:12"),  # old
    ("slab", "Redzone overwritten", "BUG kmalloc-64 (Tainted: G    B W         ): Right Redzone overwritten"),
    ("slab", "No slab cache", "BUG <unknown> (Not tainted): No slab cache for object 0xffff888104a1c000"),
    ("slab", "first line lost", "Allocated in core_tmr_alloc_req+0x1/0x2 age=612 cpu=0 pid=412"),
    ("slab", "first line lost", "INFO: Freed in core_tmr_release_req+0x1/0x2 age=612 cpu=0 pid=412"),  # old
    ("slab", "first line lost",
     "Slab 0xffbc437640098600 objects=21 used=6 fp=0xff1ed64802618dc0 flags=0xfffffc0000200(slab|node=0)"),
    ("KASAN", "first line lost", "Read of size 8 at addr ffff888104a1c000 by task fio/612"),
    ("slab", "Objects remaining",
     "BUG se_cmd_cache (Not tainted): Objects remaining in se_cmd_cache on __kmem_cache_shutdown()"),
    ("slab", "while it has objects",
     "kmem_cache_destroy tcm_loop_cmd_cache: Slab cache still has objects when called from foo+0x1/0x2"),
    ("list-corruption", "list_add corruption",
     "list_add corruption. prev->next should be next (ffff8881), but was dead000000000122. (prev=ffff)."),
    ("list-corruption", "list_del corruption",
     "list_del corruption, ffff888104a1c0a8->next is LIST_POISON1 (dead000000000100)"),
    ("list-corruption", "list corruption", "kernel BUG at lib/list_debug.c:62!"),
    ("refcount", "addition on N; use-after-free", "refcount_t: addition on 0; use-after-free."),
    ("refcount", "saturated; leaking memory", "refcount_t: saturated; leaking memory."),
    ("refcount", "refcount_t", "WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x1/0x2, CPU#1: fio/612"),
    ("usercopy", "overwrite",
     "usercopy: Kernel memory overwrite attempt detected to SLUB object 'task_struct' (offset 0, size 1)!"),
    ("usercopy", "exposure",  # old
     "usercopy: kernel memory exposure attempt detected from ffff8880 (kmalloc-8) (16 bytes)"),
    ("usercopy", "usercopy", "kernel BUG at mm/usercopy.c:102!"),
    ("ODEBUG", "free active timer_list",
     "ODEBUG: free active (active state 0) object type: timer_list hint: tcm_timer+0x0/0x10"),
    ("ODEBUG", "work_struct",
     "ODEBUG: init active (active state 0) object: ffff8881 object type: work_struct hint: f+0x0/0x10"),
    ("ODEBUG", "ODEBUG", "WARNING: CPU: 0 PID: 1 at lib/debugobjects.c:514 debug_print_object+0x16e/0x250"),
    ("state", "Bad page state", "BUG: Bad page state in process fio  pfn:104a1"),
    ("state", "Bad page map", "BUG: Bad page map in process fio  pte:8000000104a1c067 pmd:102d3a067"),
    ("state", "Bad rss-counter", "BUG: Bad rss-counter state mm:00000000a1b2c3d4 type:MM_ANONPAGES val:1"),
    ("state", "pgtables_bytes", "BUG: non-zero pgtables_bytes on freeing mm: 4096"),
    ("state", "file count is zero", "VFS: Close: file count is 0"),
    ("state", "waiting for a device", "unregister_netdevice: waiting for lo to become free. Usage count = 2"),
    ("state", "Busy inodes", "VFS: Busy inodes after unmount of sda (ext4)"),
    ("state", "kobject_add_internal",
     "kobject: kobject_add_internal failed for tcm_loop_0 with -EEXIST, don't try to register things"),
    ("state", "cannot create duplicate",
     "sysfs: cannot create duplicate filename '/devices/tcm_loop_0/tcm_loop_adapter_0'"),
    ("lockdep", "possible recursive locking", "WARNING: possible recursive locking detected"),
    ("lockdep", "possible irq lock inversion", "WARNING: possible irq lock inversion dependency detected"),
    ("lockdep", "inconsistent lock state", "WARNING: inconsistent lock state"),
    ("lockdep", "suspicious RCU usage", "WARNING: suspicious RCU usage"),
    ("lockdep", "bad unlock balance", "WARNING: bad unlock balance detected!"),
    ("lockdep", "held lock freed", "WARNING: held lock freed!"),
    ("lockdep", "lock held when returning", "WARNING: lock held when returning to user space!"),
    ("lockdep", "Invalid wait context", "[ BUG: Invalid wait context ]"),
    ("lockdep", "SOFTIRQ-safe -> SOFTIRQ-unsafe", "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected"),
    ("lockdep", "chain_key collision", "WARNING: chain_key collision"),
    ("lockdep", "invalid subclass", "BUG: looking up invalid subclass: 9"),
    ("lockdep", "has not been registered", "BUG: key ffff888104a1c000 has not been registered!"),
    ("lockdep", "first line lost", "other info that might help us debug this:"),
    ("lockdep", "non-static key", "INFO: trying to register non-static key."),
    ("lockdep", "locks still held", "WARNING: fio/612 still has locks held!"),
    ("lockdep", "possible circular", "[ INFO: possible circular locking dependency detected ]"),  # old
    ("lockdep", "DEBUG_LOCKS_WARN_ON", "DEBUG_LOCKS_WARN_ON(lock->magic != lock)"),
    ("lockdep", "inconsistent state", "WARNING: CPU: 0 PID: 9 at kernel/locking/lockdep.c:232 __lock_acquire+0x1/0x2"),
    ("atomic", "scheduling while atomic", "BUG: scheduling while atomic: fio/612/0x00000002"),
    ("atomic", "sleeping function", "BUG: sleeping function called from invalid context at mm/slab.h:494"),
    ("atomic", "non-blocking section", "BUG: scheduling in a non-blocking section: fio/612/1"),
    ("atomic", "assuming atomic context", "BUG: assuming atomic context at drivers/target/target_core_tmr.c:12"),
    ("atomic", "assuming non migratable", "BUG: assuming non migratable context at mm/slub.c:12"),
    ("atomic", "per-CPU access", "BUG: using smp_processor_id() in preemptible [00000000] code: fio/612"),
    ("atomic", "workqueue leaked", "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/123"),
    ("atomic", "workqueue leaked", "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[123]"),  # new
    ("spinlock", "spinlock bad magic", "BUG: spinlock bad magic on CPU#1, fio/612"),
    ("rcu-stall", "RCU stall", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
    ("rcu-stall", "RCU stall",
     "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 21 jiffies s: 57 root: 0x2/."),
    ("rcu-stall", "RCU stall", "INFO: rcu_sched self-detected stall on CPU"),  # old
    ("rcu-stall", "RCU stall", "INFO: rcu_tasks detected stalls on tasks:"),
    ("rcu-stall", "kthread starved",
     "rcu: rcu_preempt kthread starved for 2502 jiffies! g4129 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1"),
    ("soft-lockup", "soft lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [fio:612]"),
    ("soft-lockup", "soft lockup", "NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [fio:612]"),  # old
    ("hard-lockup", "hard lockup", "watchdog: Watchdog detected hard LOCKUP on cpu 1"),
    ("hard-lockup", "hard lockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1"),  # old
    ("hard-lockup", "hard lockup", "watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3"),  # new
    ("hard-lockup", "hard lockup", "watchdog: CPU 3 self-detected hard LOCKUP @ tcm_loop_busy+0x10/0x20"),  # powerpc
    ("hard-lockup", "hard lockup", "watchdog: CPU 3 Hard LOCKUP"),  # powerpc
    ("csd-lock", "does not answer",
     "smp: csd: Detected non-responsive CSD lock (#1) on CPU#1, waiting 5000000132 ns for CPU#00 fn+0x0/0x10(0x0)."),
    ("rcu-stall", "RCU stall", "rcu: \t(detected by 1, t=5252 jiffies, g=4129, q=12 ncpus=2)"),
    ("rcu-stall", "RCU stall", "\t(t=5250 jiffies g=4129 q=12)"),
    ("workqueue-lockup", "workqueue lockup",
     "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 36s!"),
    ("hung-task", "task hung", "INFO: task kworker/u8:3:77 blocked for more than 30 seconds."),
    ("hung-task", "task hung", "INFO: task fio:612 blocked in I/O wait for more than 120 seconds."),  # new
    ("hung-task", "task hung", "INFO: task fio:612 can't die for more than 143 seconds."),  # linux-next
    ("hung-task", "task hung", "INFO: task fi"),  # a newline in the task's name
    ("kmemleak", "memory leak", "kmemleak: unreferenced object 0xffff888104a1c000 (size 1024):"),
    ("kmemleak", "memory leak", "unreferenced object 0xffff888104a1c000 (size 1024):"),
    ("kmemleak", "suspected memory leaks", "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"),
    ("ref-tracker", "has N/N users", "ref_tracker: net notrefcnt@ffff8881 has 1/1 users at"),
    ("ref-tracker", "ref_tracker", "WARNING: CPU: 0 PID: 1 at lib/ref_tracker.c:46 ref_tracker_dir_exit.cold+0x1/0x2"),
    ("WARN", "spc_parse_cdb",  # 5.10, without CONFIG_DEBUG_BUGVERBOSE
     "WARNING: CPU: 3 PID: 412 at spc_parse_cdb+0x4c/0x90 [target_core_mod]"),
    ("WARN", "spc_parse_cdb",  # 7.3, the same
     "WARNING: at spc_parse_cdb+0x4c/0x90 [target_core_mod], CPU#3: fio/412"),
    ("oops", "overflow", "overflow: 0000 [#1] SMP NOPTI"),  # 5.10
    ("oops", "overflow", "Oops: overflow: 0000 [#1] SMP NOPTI"),  # 7.3
    ("oops", "coprocessor segment overrun", "coprocessor segment overrun: 0000 [#1] SMP NOPTI"),  # 5.10
    ("oops", "invalid TSS", "invalid TSS: 0018 [#1] PREEMPT SMP"),  # 5.10
    ("oops", "segment not present", "segment not present: 0010 [#1] SMP"),  # 5.10
    ("oops", "double fault", "double fault: 0000 [#1] SMP"),  # 5.10
    ("oops", "fpu exception", "fpu exception: 0000 [#1] SMP"),  # 5.10
    ("oops", "simd exception", "Oops: simd exception: 0000 [#1] SMP"),  # 7.3
    ("oops", "unexpected #NM exception", "unexpected #NM exception: 0000 [#1] SMP"),  # 5.10
    ("oops", "iret exception", "iret exception: 0000 [#1] SMP"),  # 5.10
    ("oops", "Bad pagetable", "Bad pagetable: 0009 [#1] PREEMPT SMP NOPTI"),  # 5.10
    ("oops", "Bad pagetable", "Oops: Bad pagetable: 0009 [#1] SMP NOPTI"),  # 7.3
    ("oops", "split lock", "Split lock detected"),  # 5.10
    ("oops", "recursive fault", "Fixing recursive fault but reboot is needed!"),  # 5.10, 7.3
    ("panic", "kernel stack overflow", "kernel stack overflow (page fault): 0000 [#1] SMP"),  # 5.10
    ("panic", "kernel stack overflow", "Oops: stack guard page: 0000 [#1] SMP NOPTI"),  # 7.3
    ("oops", "access to user memory with fs=KERNEL_DS",  # arm64, 5.10
     "Unable to handle kernel access to user memory with fs=KERNEL_DS at virtual address 00000000deadbeef"),
    ("oops", "bad level N address size fault",  # arm64, 7.3
     "Unable to handle kernel level 1 address size fault at virtual address ffff000012345000"),
    ("oops", "bad implementation fault (lockdown abort)",  # arm64, 7.3
     "Unable to handle kernel implementation fault (lockdown abort) at virtual address ffff000012345000"),
    ("oops", "UBSAN: array index out of bounds",  # arm64, 7.3, CONFIG_UBSAN_TRAP
     "Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1] SMP"),
    ("UBSAN", "shift out of bounds",  # 7.3, CONFIG_UBSAN_TRAP
     "UBSAN: shift out of bounds at sbc_get_write_same_sectors+0x3a/0x60 [target_core_mod]"),
    ("slab", "No slab cache", "SLUB <none>: no slab for object 0x00000000c0ffee12."),  # 5.10
    ("refcount", "percpu_ref underflow",  # 7.3
     "percpu_ref_switch_to_atomic_rcu: percpu_ref_switch_to_atomic_rcu(): percpu_ref underflow"),
    ("ODEBUG", "call_rcu() of a queued callback",  # 7.3
     "rcu: __call_rcu_common(): Double-freed CB 00000000c0ffee12->core_lun_free+0x0/0x20()!!!"),
    ("state", "page poison overwritten: single bit error", "pagealloc: single bit error"),  # 5.10, 7.3
    ("state", "page poison overwritten: memory corruption", "pagealloc: memory corruption"),  # 5.10, 7.3
    ("state", "init an initialized object",  # 5.10
     "kobject (00000000c0ffee12): tried to init an initialized object, something is seriously wrong."),
    ("state", "add an uninitialized object",  # 7.3
     "kobject: kobject 'lun_0' (0000000012ab): tried to add an uninitialized object, something is seriously wrong."),
    ("state", "must have a ktype",  # 7.3
     "kobject: kobject (00000000c0ffee12): must have a ktype to be initialized properly!"),
    ("lockdep", "circular locking deadlock", "WARNING: circular locking deadlock detected!"),  # 5.10, rt_mutex
    ("atomic", "preempt count",  # 5.10, 7.3
     "softirq: huh, entered softirq 4 BLOCK 00000000c0ffee12 with preempt_count 00000101, exited with 00000100?"),
    ("rcu-stall", "RCU stall",  # 7.3
     "rcu: INFO: rcu_preempt detected stall, but suppressed full report due to a stuck CSD-lock."),
    ("rcu-stall", "RCU stall", "INFO: rcu_tasks_trace detected stalls? (Late IPI?)"),  # 5.10
    ("kmemleak", "memory leak", "kmemleak: unreferenced object (phys) 0x00000000be000000 (size 4096):"),  # 7.3
    ("kmemleak", "memory leak", "kmemleak: unreferenced object (percpu) 0xffffe8ffffc1a2b0 (size 8):"),  # 7.3
]

NOTES: list[tuple[str, str, str]] = [
    ("block", "I/O error, dev sda",
     "I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2"),
    ("block", "I/O error, dev dm-N",  # 5.10
     "blk_update_request: I/O error, dev dm-0, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1"),
    ("block", "operation not supported error, dev sdb",  # 7.3
     "operation not supported error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "timeout error, dev sdb",  # 7.3
     "timeout error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "recoverable transport error, dev sdb",  # 7.3
     "recoverable transport error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "reservation conflict error, dev sdb",  # 7.3
     "reservation conflict error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "protection error, dev sdb",  # 7.3
     "protection error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "kernel resource error, dev sdb",  # 7.3
     "kernel resource error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "device resource error, dev sdb",  # 7.3
     "device resource error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "nonblocking retry error, dev sdb",  # 7.3
     "nonblocking retry error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "device offline error, dev sdb",  # 7.3
     "device offline error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "dm internal retry error, dev sdb",  # 7.3
     "dm internal retry error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "open zones exceeded error, dev sdb",  # 7.3
     "open zones exceeded error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "active zones exceeded error, dev sdb",  # 7.3
     "active zones exceeded error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "duration limit exceeded error, dev sdb",  # 7.3
     "duration limit exceeded error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "invalid error, dev sdb",  # 7.3
     "invalid error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1"),
    ("block", "critical nexus error, dev sdb",  # 5.10
     "blk_update_request: critical nexus error, dev sdb, sector 96 op 0x1:(WRITE) flags 0x0 phys_seg 1 prio class 0"),
    ("block", "guard tag error, dev sdb", "sdb: guard tag error at sector 96 (rcvd 1d0f, want 84c0)"),
    ("block", "ref tag error, dev sdb", "sdb: ref tag error at location 96 (rcvd 95)"),
    ("block", "critical medium error, dev sdb", "critical medium error, dev sdb, sector 2048 op 0x0:(READ) flags 0x0"),
    ("block", "Buffer I/O error, dev sda", "Buffer I/O error on dev sda, logical block 256, async page read"),
    ("block", "Device offlined", "sd 2:0:1:0: Device offlined - not ready after error recovery"),
    ("block", "rejecting I/O to offline device", "sd 2:0:1:0: rejecting I/O to offline device"),
    ("block", "timing out command", "sd 2:0:1:0: [sda] tag#5 timing out command, waited 180s"),
    ("LIO", "ABORT_TASK: Found", "ABORT_TASK: Found referenced tcm_loop task_tag: 18446744073709551615"),
    ("LIO", "NON_EXISTENT_LUN",
     "TARGET_CORE[loopback]: Detected NON_EXISTENT_LUN Access for 0x00000007 from naa.6001405000000002"),
    ("LIO", "I_T Nexus", "Unable to remove TCM_Loop I_T Nexus with active TPG port count: 1"),
    ("LIO", "scsi_device", "Unable to locate struct scsi_device for 0:1:7"),
    ("taint", "out-of-tree module", "tcm_loop: loading out-of-tree module taints kernel."),
    ("taint", "Disabling lock debugging", "Disabling lock debugging due to kernel taint"),
    ("lockdep-off", "lockdep is turned off", "INFO: lockdep is turned off."),
    ("lockdep-off", "lockdep is turned off", "BUG: MAX_LOCKDEP_ENTRIES too low!"),
    ("out-of-memory", "Out of memory",
     "Out of memory: Killed process 612 (fio) total-vm:1048576kB, anon-rss:524288kB"),
    ("out-of-memory", "page allocation failure",
     "fio: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO)"),
    ("fault-injection", "injected failure", "FAULT_INJECTION: forcing a failure."),
]

# Messages of healthy kernels and of user space that contain the words.
NEAR_MISSES: list[str] = [
    "DEBUG: not a bug",
    "tcm: DEBUG: BUG: quoted",
    "systemd[1]: Kernel panic - not syncing: printed by a unit",
    "lab: Kernel panic - not syncing: text of the agent",
    "lab: BUG: unable to handle page fault for address: 0",
    "Kernel command line: panic=1 oops=panic hung_task_panic=1",
    "sysrq: Show Blocked State",
    "BUG: Bad page state: 3 messages suppressed",
    "INFO: task list of the scheduler follows: 12 entries",
    "rcu: \t1-...!: (0 ticks this GP) idle=2d4/0/0x0 softirq=12/12 fqs=1",
    "smp: csd: CSD lock (#1) got unstuck on CPU#01, CPU#00 released the lock.",
    "VFS: Close: a file was closed",
    "unregister_netdevice: device is gone",
    "Read of size 8 at addr of the device",
    "Allocated in advance: 12 pages",
    "BUG kmalloc-64 is a nice name",
    "Dentry cache hash table entries: 65536 (order: 7, 524288 bytes, linear)",
    "Modules: 12 loaded",
    "reboot: Restarting system",
    "illegal operation: the user asked for it",
    "watchdog: CPU hard LOCKUP detector is disabled",
    "kexec_core: Starting new kernel",
    "Calibrating delay loop (skipped), value calculated using timer frequency.. 4800.00 BogoMIPS (lpj=9600000)",
    "clocksource: jiffies: mask: 0xffffffff max_cycles: 0xffffffff, max_idle_ns: 7645041785100000 ns",
    "traps: a.out[412] general protection fault ip:401136 sp:7ffd1a2b3c40 error:0 in a.out[401000+1000]",
    "traps: a.out[412] trap divide error ip:401136 sp:7ffd1a2b3c40 error:0 in a.out[401000+1000]",
    "traps: a.out[412] trap invalid opcode ip:401136 sp:7ffd1a2b3c40 error:0",
    "a.out[412]: segfault at 0 ip 0000000000401136 sp 00007ffd1a2b3c40 error 4 in a.out[401000+1000]",
    "a.out[412]: unhandled exception: SP Alignment, ESR 0x000000009a000000",
    "WARNING: The mand mount option has been deprecated and",
    "WARNING: workqueue cpumask: online intersect > possible intersect",
    "WARNING: fbcon: Driver 'vkmsdrmfb' missed to adjust virtual screen size (0x0 vs. 1024x768)",
    "XFS (loop0): WARNING: Reset corrupted AGFL on AG 0. 4 blocks leaked. Please unmount and run xfs_repair.",
    "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 1.23 msecs",
    "INFO: task fio:612 is blocked on a mutex likely owned by task python3:412.",
    "INFO: Stall ended before state dump start",
    "workqueue: blk_mq_run_work_fn hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
    "watchdog: watchdog0: watchdog did not stop!",
    "watchdog: Disabling watchdog on nohz_full cores by default",
    "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
    "rcu: Preemptible hierarchical RCU implementation.",
    "rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.",
    "rcu_sched kthread started",
    "KASAN: null-ptr-deref in range [0x0000000000000000-0x0000000000000007]",
    "kasan: KernelAddressSanitizer initialized",
    "KFENCE: initialized - using 2097152 bytes for 255 objects at 0x(____ptrval____)",
    "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
    "kmemleak: Kernel memory leak detector initialized (mem pool available: 15874)",
    "kmemleak: Automatic memory scanning thread started",
    "ODEBUG: selftest passed",
    "refcounting of modules is on",
    "list_sort: list_add corruption of the third kind is not at the start",
    "kobject: 'sda' (00000000a1b2c3d4): kobject_add_internal: parent: 'block', set: 'devices'",
    "usercopy: whitelisting is enabled",
    "lkdtm: Performing direct entry PANIC",
    "unreferenced objects are not reported here",
    "sd 2:0:1:0: [sda] Attached SCSI disk",
    "EXT4-fs (sda): error count since last fsck: 1",
    # of the same files as the failures, 5.10 and 7.3
    "INFO: The task sync:412 has been waiting for writeback completion for more than 121 seconds.",  # it goes on
    "INFO: task fio:412 is blocked on a mutex, but the owner is not found.",
    "INFO: task fio:412 blocked on a semaphore likely last held by task python3:77",
    "INFO: task fio:412 <reader> blocked on an rw-semaphore likely owned by task python3:77 <writer>",
    "rcu: INFO: Stall ended during stack backtracing.",
    "rcu: INFO: Expedited stall ended before state dump start",
    "rcu_tasks_wait_gp: rcu_tasks grace period number 9 (since boot) is 2502 jiffies old.",
    "BUG: Bad page map: 3 messages suppressed",
    "WARNING: Flushing system-wide workqueues will be prohibited in near future.",
    "WARNING: stack recursion on stack type 2",
    "workqueue tcm_loop: drain_workqueue() isn't complete after 10 tries",
    "ref_tracker: memory allocation failure, unreliable refcount tracker.",
    "ODEBUG: Out of memory. ODEBUG disabled",
    "usercopy: Invalid option string for hardened_usercopy: 'maybe'",
    "NMI: PCI system error (SERR) for reason a1 on CPU 0.",
    "Uhhuh. NMI received for unknown reason 2d on CPU 0.",
    "x86/split lock detection: #AC: fio/412 took a split_lock trap at address: 0x401136",
    "traps: a.out[412] trap overflow ip:401136 sp:7ffd1a2b3c40 error:0",
    "traps: a.out[412] trap stack segment ip:401136 sp:7ffd1a2b3c40 error:0",
    "kobject: can not set name properly!",
    "kobject: 'lun_0' (00000000a1b2c3d4): kobject_cleanup, parent 00000000a1b2c3d4",
    "SLUB: Unable to allocate memory on node -1, gfp=0xcc0(GFP_KERNEL)",
    "CPU features: SANITY CHECK: Unexpected variation in SYS_CTR_EL0. Boot CPU: 0x84448004, CPU1: 0x84448003",
    "sd 2:0:1:0: [sda] tag#5 device offline or changed",
    "NEIGH: BUG, double timer add, state is 1",
    "watchdog: Delayed init of the lockup detector failed: -19",
    "panic: Redirected from CPU 1, skipping stack dump.",
    "DIFv1 checksum failed on sector 8 guard tag 0x0001 csum 0x84c0",
    "the last report said: BUG: KASAN: use-after-free in foo+0x1/0x2",
    "---[ end trace 0000000000000000 ]---",
    "CPU: 1 PID: 412 Comm: python3 Not tainted 6.1.0-49-amd64 #1  Debian 6.1.176-1",
    "==================================================================",
]
