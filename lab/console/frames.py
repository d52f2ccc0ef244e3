"""Stack frames of x86, arm64, arm and others, and which of them say nothing about the fault."""

from __future__ import annotations

import re

_SYMBOL = r"[A-Za-z_$][\w.$]{0,127}"
_FRAME = re.compile(
    r"\s{0,8}(?:\(?\[[<0-9a-f]{8,20}>?\]\s{0,2}|\(____ptrval____\) |\[\(ptrval\)\] ){0,2}(?P<doubt>\? )?"
    rf"(?P<frame>(?P<symbol>{_SYMBOL})\+0x[0-9a-f]{{1,8}}/0x[0-9a-f]{{1,8}}(?: \[[\w-]{{1,64}}(?=[ \]]))?)"
)
_ARM_FRAME = re.compile(
    rf"\s{{0,8}}(?:\[<[0-9a-f]{{8}}>\] )?\(?(?P<symbol>{_SYMBOL})\)? from (?:\[<[0-9a-f]{{8}}>\] )?\(?{_SYMBOL}\+0x")
# RIP: 0010:fn+0x../0x.. of kernel code (0033 is user space), EIP, pc : fn+.., PC is at fn+.., NIP [c0..] fn+..
_INSTRUCTION = re.compile(
    r"(?:RIP: 00(?!33)[0-9a-f]{2}:(?:\[<[0-9a-f]{16}>\]\s*(?:\[<[0-9a-f]{16}>\] ?)?)?"
    r"|E?IP: (?:\[<[0-9a-f]{8,16}>\] )?|pc : |PC is at |NIP \[[0-9a-f]{8,16}\] |epc : "
    r"|Krnl PSW : [0-9a-f]{16} [0-9a-f]{16} \()"
    rf"(?P<frame>(?P<symbol>{_SYMBOL})\+0x[0-9a-f]{{1,8}}/0x[0-9a-f]{{1,8}}(?: \[[\w-]{{1,64}}(?=[ \]]))?)"
)
_EMBEDDED = re.compile(
    r"(?: in | at |:\d{1,6} )"
    rf"(?P<frame>(?P<symbol>{_SYMBOL})\+0x[0-9a-f]{{1,8}}/0x[0-9a-f]{{1,8}}(?: \[[\w-]{{1,64}}(?=[ \]]))?)")
_SUFFIX = re.compile(r"\.(?:cold|isra|constprop|part|llvm|lto_priv|clone|warm)(?:\.\d+)*|\.\d+$")
_SYSCALL = re.compile(r"^__(?:x64|ia32|arm64|se|do|riscv|s390x?|powerpc)_(?:compat_)?sys_")

# Machinery that reports, allocates, locks, waits or enters the kernel: the fault is in whoever called it.
_BOILERPLATE = re.compile("|".join((
    # entry, exit and exceptions
    r"(?:asm_)?(?:exc|sysvec|idtentry|common_interrupt|error_entry|paranoid|nmi|handle_bug|do_trap|do_error|do_invalid_op)\w*",
    r"(?:entry_|ret_from_|do_syscall|do_fast_syscall|do_int80|(?:__)?invoke_syscall|syscall_)\w*",
    r"x64_sys_call|do_el0_svc\w*|el[01]\w*|__el[01]\w*|ret_fast_syscall|__irq_svc|__dabt_svc|__und_svc|vectors",
    r"(?:invalid_op|page_fault|general_protection|async_page_fault|apic_timer_interrupt|brk_handler)\w*",
    r"(?:bug_handler|call_break_hook|do_debug_exception|do_mem_abort|do_translation_fault|do_bad_area)\w*",
    r"handle_bad_stack|__bad_stack|rust_helper_BUG|_R\w*(?:panicking|rust_begin_unwind)\w*",
    r"do_tag_check_fault|do_sea|fortify_panic|skb_panic|skb_(?:over|under)_panic|exiting_irq|__fortify_report",
    r"(?:__do_kernel_fault|die\w*|__die\w*|no_context|__bad_area\w*|bad_area\w*|page_fault_oops|oops_end)",
    r"(?:kernelmode_fixup_or_oops|fixup_exception|spurious_kernel_fault|do_user_addr_fault|do_kern_addr_fault)",
    r"kthread|kthread_worker_fn|worker_thread|rescuer_thread|process_one_work|process_scheduled_works|smpboot_thread_fn",
    r"start_secondary\w*|secondary_startup\w*|cpu_startup_entry|start_kernel|x86_64_start\w*|rest_init|do_idle",
    # reporting
    r"(?:dump_stack|show_stack|dump_backtrace|print_report|print_address|panic|vpanic|nmi_panic|check_panic)\w*",
    r"(?:__warn|warn_slowpath|warn_bogus|report_bug|fixup_bug|__report_bug|__WARN_trap|warn_alloc)\w*",
    r"(?:_?_?kasan|__asan|__hwasan|hwasan|kmsan|__msan|kcsan|__tsan|kfence|__kfence|__ubsan|ubsan|__sanitizer)\w*",
    r"(?:check_memory_region|check_region_inline|end_report|fail_dump|fault_create|should_fail)\w*",
    r"(?:refcount_|__refcount|kref_|__list_|list_(?:add|del|move|splice)|debug_object|debug_print_object)\w*",
    r"(?:ref_tracker|kobject_add_internal|sysfs_warn_dup|sysfs_create_dir_ns|usercopy_|__check_object|__check_heap)\w*",
    r"(?:__might_|might_|___might_|__schedule_bug|check_preemption_disabled|debug_smp_processor_id)\w*",
    # slab
    r"(?:k|kv|kz|v|kc|kvz|kvm)(?:m?alloc|z?alloc|calloc|free|realloc)\w*|__kmalloc\w*|(?:__)?kmem_cache\w*",
    r"(?:slab_|__slab|___slab|slub_|check_slab|check_object|check_bytes|object_err|free_debug|alloc_debug)\w*",
    r"(?:get_partial|get_any_partial|free_to_partial|put_cpu_partial|alloc_consistency|free_consistency|on_freelist)\w*",
    r"(?:new_slab|allocate_slab|discard_slab|deactivate_slab|__unfreeze_partials|__free_slab|__put_partials)\w*",
    (r"(?:__alloc_pages|alloc_pages|__free_pages|free_unref|free_pages|bad_page|free_large_kmalloc"
    r"|get_page_from)\w*"),
    # locks, lockdep, waiting
    r"(?:(?:__)?lock_(?:acquire|release|is_held|downgrade|pin)|(?:__)?lockdep|debug_lockdep|validate_chain)\w*",
    r"print_(?:circular|deadlock|usage|unlock|lock|bad|irq|wait_context)\w*|trace_hardirqs\w*|trace_softirqs\w*",
    (r"(?:check_(?:noncircular|prev_add|prevs_add|deadlock|irq|usage)|mark_(?:lock|held)|register_lock"
    r"|lock_class)\w*"),
    r"(?:debug_check_no_locks|debug_check_no_locks_held|look_up_lock_class|assign_lock_key|print_kernel_ident)\w*",
    (r"_?_?_?raw_(?:spin|read|write)\w*|(?:do_raw_|native_queued_|queued_|__pv_queued_|arch_)?spin_\w*"
    r"|pv_\w*lock\w*"),
    r"(?:_?_?mutex_|_?_?rt_mutex|_?_?down|_?_?up_read|_?_?up_write|rwsem_|rwbase|percpu_|__percpu|osq_)\w*",
    r"(?:__schedule|schedule|preempt_schedule|io_schedule|__switch_to|context_switch|finish_task_switch)\w*",
    r"(?:(?:__)?wait_(?:for|on|event|rcu)|do_wait_for|bit_wait|out_of_line_wait|wait_woken)\w*",
    r"(?:msleep|usleep_range|fsleep|ssleep|do_nanosleep|hrtimer_nanosleep)\w*",
    r"(?:delay_|__delay|__const_udelay|__udelay|__ndelay|read_tsc|rdtsc|cpu_relax|native_pause)\w*",
    r"do_task_dead|do_exit|make_task_dead|rewind_stack_and_make_dead|do_group_exit|get_signal|arch_do_signal\w*",
    r"exit_to_user_mode\w*|kprobe_ftrace_handler|ftrace_\w*call\w*|ftrace_trampoline\w*|arch_ftrace_ops\w*",
    r"(?:__wait_rcu|synchronize_|__synchronize|rcu_barrier|__flush_work|flush_work|__cancel_work)\w*",
    # timer and RCU tick that notices a stall
    r"(?:rcu_sched_clock|print_cpu_stall|print_other_cpu|check_cpu_stall|rcu_pending|rcu_dump|rcu_check)\w*",
    r"(?:nmi_cpu_backtrace|nmi_trigger|arch_trigger|trigger_single|update_process_times|tick_|__hrtimer)\w*",
    r"(?:hrtimer_|local_apic|smp_apic|__sysvec|watchdog_timer|arch_timer|handle_percpu|handle_irq|__handle)\w*",
    r"(?:generic_handle|handle_domain|gic_|do_interrupt|call_on_irq|irq_exit|__irq_exit|irqentry|__do_softirq)\w*",
    (r"(?:do_softirq|handle_softirqs|run_ksoftirqd|invoke_softirq|call_timer_fn|__run_timer|run_timer"
    r"|expire_timers)\w*"),
    (r"(?:rcu_gp_|rcu_stall|sched_show_task|dump_cpu_task|show_state|smp_call_function|on_each_cpu|printk"
    r"|vprintk)\w*"),
    r"(?:_printk|console_|serial8250_|univ8250_|io_serial_|wait_for_lsr|preempt_count_|trace_preempt|__wake_up)\w*",
    (r"(?:rb_(?:erase|next|insert|first|prev)|timerqueue_|__rb_)\w*|__this_cpu_preempt_check"
    r"|__x86_indirect_thunk\w*|ldsem_\w*|call_rwsem\w*"),
    r"(?:perf_event_overflow|__perf_event|intel_pmu|watchdog_overflow|watchdog_hardlockup)\w*",
    # string and user copies: the caller passed the bad pointer
    (r"(?:__)?(?:mem(?:cpy|set|move|cmp)|str(?:n?len|n?cpy|n?cmp|scpy|chr|str))(?:_\w+)?|(?:_?copy_(?:to|from)"
    r"|copy_user)\w*"),
)))
_STALL_TICK = re.compile(r"(?:rcu_sched_clock_irq|print_cpu_stall|print_other_cpu_stall|nmi_cpu_backtrace)")


def frame_of(text: str) -> str | None:
    """`symbol+0xoff/0xsize [module]` of a reliable frame line; None for others and for `? symbol`."""
    match = _FRAME.match(text)
    if match:
        return None if match["doubt"] else _closed(match["frame"])
    arm = _ARM_FRAME.match(text)
    return arm["symbol"] if arm else None


def instruction_of(text: str) -> str | None:
    """The frame of the line that shows the kernel's instruction pointer."""
    match = _INSTRUCTION.match(text)
    return _closed(match["frame"]) if match else None


def named_in(text: str) -> str | None:
    """The frame that the first line of a report names: `WARNING: ... at f.c:1 fn+0x1/0x2`, `... in fn+0x1/0x2`."""
    match = _EMBEDDED.search(text)
    return _closed(match["frame"]) if match else None


def is_frame(text: str) -> bool:
    """A line of a stack, reliable or not."""
    return _FRAME.match(text) is not None or _ARM_FRAME.match(text) is not None


def function_of(frame: str) -> str:
    """The function without offset, module and compiler suffixes; system calls lose the architecture."""
    name = _SUFFIX.sub("", frame.split("+0x", 1)[0].split(" ", 1)[0])
    return _SYSCALL.sub("sys_", name)


def telling(frames: tuple[str, ...] | list[str], limit: int) -> list[str]:
    """The first functions that are not boilerplate, neighbours that repeat taken once."""
    functions: list[str] = []
    for frame in frames:
        name = function_of(frame)
        if _BOILERPLATE.fullmatch(name) or (functions and functions[-1] == name):
            continue
        functions.append(name)
        if len(functions) == limit:
            break
    return functions


def is_stall_tick(frames: list[str]) -> bool:
    """These frames are of the tick that noticed a stall, not of the code that stalls."""
    return any(_STALL_TICK.match(frame) for frame in frames)


def _closed(frame: str) -> str:
    """Newer kernels add a build id after the module's name: `fn+0x1/0x2 [mod 1234abcd]`."""
    return frame + "]" if " [" in frame else frame
