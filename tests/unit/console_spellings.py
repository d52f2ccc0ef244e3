"""First lines of reports as kernels spell them: what must fire, as which class, and what must not."""

from __future__ import annotations

# (class, part of the title, message). x86 where nothing else is said; "old" before 6.1, "new" after.
FAILURES: list[tuple[str, str, str]] = [
    ("panic", "VFS: Unable to mount root fs", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"),
    ("panic", "hung_task: blocked tasks", "Kernel panic - not syncing: hung_task: blocked tasks"),
    ("panic", "corrupted stack end", "Kernel panic - not syncing: corrupted stack end detected inside scheduler"),
    ("panic", "Fatal exception in interrupt", "Kernel panic - not syncing: Oops: Fatal exception in interrupt"),
    ("panic", "stack guard page", "BUG: stack guard page was hit at 00000000a1b2c3d4 (stack is 00000000deadbeef..00000000cafe)"),
    ("panic", "stack guard page", "BUG: TASK stack guard page was hit at ffffc90001a2fff8 (stack is ffffc90001a30000..ffffc9)"),
    ("panic", "kernel stack overflow", "Insufficient stack space to handle exception!"),  # arm64
    ("oops", "NULL pointer dereference", "BUG: kernel NULL pointer dereference, address: 0000000000000010"),
    ("oops", "NULL pointer dereference", "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010"),  # old
    ("oops", "NULL pointer", "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010"),  # arm64
    ("oops", "bad page fault", "BUG: unable to handle page fault for address: ffffc90000f51000"),
    ("oops", "bad paging request", "BUG: unable to handle kernel paging request at ffffc90000f51000"),  # old
    ("oops", "bad paging request", "Unable to handle kernel paging request at virtual address dead000000000108"),  # arm64
    ("oops", "access to user memory", "Unable to handle kernel access to user memory outside uaccess routines at virtual address 0"),
    ("oops", "general protection fault", "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP"),
    ("oops", "general protection fault", "general protection fault: 0000 [#1] SMP KASAN"),  # old
    ("oops", "general protection fault", "Oops: general protection fault, maybe for address 0x8: 0000 [#1] PREEMPT SMP"),  # new
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
    ("oops", "synchronous external abort", "Internal error: synchronous external abort: 0000000096000010 [#1] PREEMPT SMP"),
    ("oops", "Oops", "Oops: 0002 [#1] PREEMPT SMP NOPTI"),
    ("oops", "Oops", "Oops - load access fault [#1]"),  # riscv
    ("oops", "Unhandled fault: external abort", "Unhandled fault: external abort on non-linefetch (0x1008) at 0xf0a2c000"),  # arm
    ("oops", "unhandled exception", "Unhandled 64-bit el1h sync exception on CPU0, ESR 0x0000000002000000 -- Unknown/Uncategorized"),
    ("oops", "unhandled exception", "SError Interrupt on CPU0, code 0x00000000bf000000 -- SError"),
    ("oops", "CFI failure", "CFI failure at tcm_loop_make_naa_tpg+0x20/0x30 [tcm_loop] (target: foo+0x0/0x4; expected type: 0x1)"),
    ("BUG", "kernel BUG at drivers/target/target_core_tpg.c", "kernel BUG at drivers/target/target_core_tpg.c:101!"),
    ("BUG", "kernel BUG at fs/inode.c", "kernel BUG at [inode->i_state & 0x20] fs/inode.c:612!"),  # new, detailed
    ("BUG", "Dentry", "BUG: Dentry 00000000a1b2c3d4{i=2a,n=naa.6001405000000001}  still in use (1) [unmount of configfs configfs]"),
    ("WARN", "lio", "WARNING: CPU: 1 PID: 77 at drivers/target/lio.c:67 transport_lio+0x12/0x40 [target_core_mod]"),
    ("WARN", "lio", "WARNING: drivers/target/lio.c:67 at transport_lio+0x12/0x40 [target_core_mod], CPU#1: fio/77"),  # new
    ("WARN", "lio", "WARNING: [!cmd && \"no command\"] drivers/target/lio.c:67 at transport_lio+0x12/0x40, CPU#1: fio/77"),
    ("WARN", "lib/idr.c", "WARNING: lib/idr.c:19 at 0x0, CPU#1: fio/6051"),
    ("WARN", "cut here", "------------[ cut here ]------------"),
    ("KASAN", "slab-out-of-bounds", "BUG: KASAN: slab-out-of-bounds in sbc_execute_rw+0x1a/0x40 [target_core_mod]"),
    ("KASAN", "null-ptr-deref", "BUG: KASAN: null-ptr-deref in target_show+0x1a/0x40"),
    ("KASAN", "double-free or invalid-free", "BUG: KASAN: double-free or invalid-free in tcm_loop_port_unlink+0x1a/0x40"),
    ("KMSAN", "uninit-value", "BUG: KMSAN: uninit-value in spc_emulate_inquiry+0x4a1/0x900 drivers/target/target_core_spc.c:412"),
    ("KCSAN", "data-race in target_a target_b", "BUG: KCSAN: data-race in target_a / target_b"),
    ("KFENCE", "out-of-bounds read", "BUG: KFENCE: out-of-bounds read in spc_parse_cdb+0xa3/0x22b"),
    ("KFENCE", "memory corruption", "BUG: KFENCE: memory corruption in tcm_loop_release_cmd+0x9d/0x16f"),
    ("UBSAN", "array-index-out-of-bounds", "UBSAN: array-index-out-of-bounds in drivers/target/target_core_spc.c:87:12"),
    ("UBSAN", "Undefined behaviour", "UBSAN: Undefined behaviour in drivers/target/target_core_spc.c:87:12"),  # old
    ("slab", "Redzone overwritten", "BUG kmalloc-64 (Tainted: G    B W         ): Right Redzone overwritten"),
    ("slab", "Objects remaining", "BUG se_cmd_cache (Not tainted): Objects remaining in se_cmd_cache on __kmem_cache_shutdown()"),
    ("slab", "while it has objects", "kmem_cache_destroy tcm_loop_cmd_cache: Slab cache still has objects when called from foo+0x1/0x2"),
    ("list-corruption", "list_add corruption", "list_add corruption. prev->next should be next (ffff8881), but was dead000000000122. (prev=ffff)."),
    ("list-corruption", "list_del corruption", "list_del corruption, ffff888104a1c0a8->next is LIST_POISON1 (dead000000000100)"),
    ("list-corruption", "list corruption", "kernel BUG at lib/list_debug.c:62!"),
    ("refcount", "addition on N; use-after-free", "refcount_t: addition on 0; use-after-free."),
    ("refcount", "saturated; leaking memory", "refcount_t: saturated; leaking memory."),
    ("refcount", "refcount_t", "WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x1/0x2, CPU#1: fio/612"),
    ("usercopy", "overwrite", "usercopy: Kernel memory overwrite attempt detected to SLUB object 'task_struct' (offset 0, size 1)!"),
    ("usercopy", "exposure", "usercopy: kernel memory exposure attempt detected from ffff8880 (kmalloc-8) (16 bytes)"),  # old
    ("usercopy", "usercopy", "kernel BUG at mm/usercopy.c:102!"),
    ("ODEBUG", "free active timer_list", "ODEBUG: free active (active state 0) object type: timer_list hint: tcm_timer+0x0/0x10"),
    ("ODEBUG", "work_struct", "ODEBUG: init active (active state 0) object: ffff8881 object type: work_struct hint: f+0x0/0x10"),
    ("ODEBUG", "ODEBUG", "WARNING: CPU: 0 PID: 1 at lib/debugobjects.c:514 debug_print_object+0x16e/0x250"),
    ("state", "Bad page state", "BUG: Bad page state in process fio  pfn:104a1"),
    ("state", "Bad page map", "BUG: Bad page map in process fio  pte:8000000104a1c067 pmd:102d3a067"),
    ("state", "Bad rss-counter", "BUG: Bad rss-counter state mm:00000000a1b2c3d4 type:MM_ANONPAGES val:1"),
    ("state", "pgtables_bytes", "BUG: non-zero pgtables_bytes on freeing mm: 4096"),
    ("state", "Busy inodes", "VFS: Busy inodes after unmount of sda (ext4)"),
    ("state", "kobject_add_internal", "kobject: kobject_add_internal failed for tcm_loop_0 with -EEXIST, don't try to register things"),
    ("state", "cannot create duplicate", "sysfs: cannot create duplicate filename '/devices/tcm_loop_0/tcm_loop_adapter_0'"),
    ("lockdep", "possible recursive locking", "WARNING: possible recursive locking detected"),
    ("lockdep", "possible irq lock inversion", "WARNING: possible irq lock inversion dependency detected"),
    ("lockdep", "inconsistent lock state", "WARNING: inconsistent lock state"),
    ("lockdep", "suspicious RCU usage", "WARNING: suspicious RCU usage"),
    ("lockdep", "bad unlock balance", "WARNING: bad unlock balance detected!"),
    ("lockdep", "held lock freed", "WARNING: held lock freed!"),
    ("lockdep", "lock held when returning", "WARNING: lock held when returning to user space!"),
    ("lockdep", "Invalid wait context", "[ BUG: Invalid wait context ]"),
    ("lockdep", "SOFTIRQ-safe -> SOFTIRQ-unsafe", "WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected"),
    ("lockdep", "non-static key", "INFO: trying to register non-static key."),
    ("lockdep", "locks still held", "WARNING: fio/612 still has locks held!"),
    ("lockdep", "possible circular", "[ INFO: possible circular locking dependency detected ]"),  # old
    ("lockdep", "DEBUG_LOCKS_WARN_ON", "DEBUG_LOCKS_WARN_ON(lock->magic != lock)"),
    ("lockdep", "inconsistent state", "WARNING: CPU: 0 PID: 9 at kernel/locking/lockdep.c:232 __lock_acquire+0x1/0x2"),
    ("atomic", "scheduling while atomic", "BUG: scheduling while atomic: fio/612/0x00000002"),
    ("atomic", "sleeping function", "BUG: sleeping function called from invalid context at mm/slab.h:494"),
    ("atomic", "per-CPU access", "BUG: using smp_processor_id() in preemptible [00000000] code: fio/612"),
    ("atomic", "workqueue leaked", "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/123"),
    ("atomic", "workqueue leaked", "BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[123]"),  # new
    ("spinlock", "spinlock bad magic", "BUG: spinlock bad magic on CPU#1, fio/612"),
    ("rcu-stall", "RCU stall", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
    ("rcu-stall", "RCU stall", "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 21 jiffies s: 57 root: 0x2/."),
    ("rcu-stall", "RCU stall", "INFO: rcu_sched self-detected stall on CPU"),  # old
    ("rcu-stall", "RCU stall", "INFO: rcu_tasks detected stalls on tasks:"),
    ("rcu-stall", "kthread starved", "rcu: rcu_preempt kthread starved for 2502 jiffies! g4129 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1"),
    ("soft-lockup", "soft lockup", "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [fio:612]"),
    ("soft-lockup", "soft lockup", "NMI watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [fio:612]"),  # old
    ("hard-lockup", "hard lockup", "watchdog: Watchdog detected hard LOCKUP on cpu 1"),
    ("hard-lockup", "hard lockup", "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1"),  # old
    ("hard-lockup", "hard lockup", "watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3"),  # new
    ("workqueue-lockup", "workqueue lockup", "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 36s!"),
    ("hung-task", "task hung", "INFO: task kworker/u8:3:77 blocked for more than 30 seconds."),
    ("hung-task", "task hung", "INFO: task fio:612 blocked in I/O wait for more than 120 seconds."),  # new
    ("kmemleak", "memory leak", "unreferenced object 0xffff888104a1c000 (size 1024):"),
    ("kmemleak", "suspected memory leaks", "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"),
    ("ref-tracker", "has N/N users", "ref_tracker: net notrefcnt@ffff8881 has 1/1 users at"),
    ("ref-tracker", "ref_tracker", "WARNING: CPU: 0 PID: 1 at lib/ref_tracker.c:46 ref_tracker_dir_exit.cold+0x1/0x2"),
]

NOTES: list[tuple[str, str, str]] = [
    ("block", "I/O error, dev sda", "I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2"),
    ("block", "I/O error, dev dm-N", "blk_update_request: I/O error, dev dm-0, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1"),  # 5.10
    ("block", "critical medium error, dev sdb", "critical medium error, dev sdb, sector 2048 op 0x0:(READ) flags 0x0"),
    ("block", "Buffer I/O error, dev sda", "Buffer I/O error on dev sda, logical block 256, async page read"),
    ("block", "Device offlined", "sd 2:0:1:0: Device offlined - not ready after error recovery"),
    ("block", "rejecting I/O to offline device", "sd 2:0:1:0: rejecting I/O to offline device"),
    ("block", "timing out command", "sd 2:0:1:0: [sda] tag#5 timing out command, waited 180s"),
    ("LIO", "ABORT_TASK: Found", "ABORT_TASK: Found referenced tcm_loop task_tag: 18446744073709551615"),
    ("LIO", "NON_EXISTENT_LUN", "TARGET_CORE[loopback]: Detected NON_EXISTENT_LUN Access for 0x00000007 from naa.6001405000000002"),
    ("LIO", "I_T Nexus", "Unable to remove TCM_Loop I_T Nexus with active TPG port count: 1"),
    ("LIO", "scsi_device", "Unable to locate struct scsi_device for 0:1:7"),
    ("taint", "out-of-tree module", "tcm_loop: loading out-of-tree module taints kernel."),
    ("taint", "Disabling lock debugging", "Disabling lock debugging due to kernel taint"),
    ("lockdep-off", "lockdep is turned off", "INFO: lockdep is turned off."),
    ("lockdep-off", "lockdep is turned off", "BUG: MAX_LOCKDEP_ENTRIES too low!"),
    ("out-of-memory", "Out of memory", "Out of memory: Killed process 612 (fio) total-vm:1048576kB, anon-rss:524288kB"),
    ("out-of-memory", "page allocation failure", "fio: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP|__GFP_ZERO)"),
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
    "the last report said: BUG: KASAN: use-after-free in foo+0x1/0x2",
    "---[ end trace 0000000000000000 ]---",
    "CPU: 1 PID: 412 Comm: python3 Not tainted 6.1.0-49-amd64 #1  Debian 6.1.176-1",
    "==================================================================",
]
