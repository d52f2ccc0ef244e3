"""lab.run.hang and lab.run.sysrq: ten lines about a hang, from what real guests said."""

from __future__ import annotations

from lab.run import sysrq
from lab.run.hang import MAX_LINES, Scene, Waiter, summarise

# A write to a suspended dm device with its abort behind it, 6.1.192 (tests/vm/bad_luck/hang.yaml).
SYSRQ_W = """\
[   46.270656] sysrq: Show Blocked State
[   46.271072] task:kworker/u4:0    state:D stack:0     pid:9     ppid:2      flags:0x00004000
[   46.271889] Workqueue: scsi_tmf_0 scmd_eh_abort_handler [scsi_mod]
[   46.272524] Call Trace:
[   46.274906]  <TASK>
[   46.275359]  __schedule+0x34d/0xa00
[   46.276195]  schedule+0x5a/0xd0
[   46.276330]  schedule_timeout+0x11a/0x150
[   46.276467]  __wait_for_common+0x94/0x1e0
[   46.276599]  ? usleep_range_state+0x90/0x90
[   46.280918]  tcm_loop_issue_tmr+0xb8/0x100 [tcm_loop]
[   46.281120]  tcm_loop_abort_task+0x3e/0x60 [tcm_loop]
[   46.281283]  scmd_eh_abort_handler+0xdc/0x330 [scsi_mod]
[   46.281497]  process_one_work+0x1c7/0x380
[   46.282262]  </TASK>
[   46.289516] task:python3         state:D stack:0     pid:151   ppid:1      flags:0x00004002
[   46.289766] Call Trace:
[   46.289843]  <TASK>
[   46.289913]  __schedule+0x34d/0xa00
[   46.290398]  io_schedule_timeout+0x4c/0x80
[   46.290544]  __wait_for_common+0x94/0x1e0
[   46.293129]  submit_bio_wait+0x7b/0xc0
[   46.293271]  __blkdev_direct_IO_simple+0x12c/0x270
[   46.383707] sysrq: Show State
[   46.383999] task:systemd         state:S stack:0     pid:1     ppid:0      flags:0x00004002
[   46.384010]  __schedule+0x34d/0xa00
"""
BUSY = ("00000000567bd607 {.op=WRITE, .cmd_flags=SYNC|IDLE, .rq_flags=STARTED|DONTPREP|ELVPRIV|IO_STAT|STATS|TIMED_OUT"
        "|ELV, .state=in_flight, .tag=217, .internal_tag=9, .cmd=Write(10) 2a 00 00 00 00 00 00 00 40 00, .retries=0, "
        ".result = 0x0, .flags=TAGGED|INITIALIZED|LAST, .timeout=30.000, allocated 33.824 s ago}")
REGISTERS = """\
CPU#0
RAX=0000000000000001 RBX=ff3c46bf1da32e00 RCX=0000000000000001 RDX=0000000000000001
RSI=ff3c46bf1db384e0 RDI=ff3c46bf0107abf8 RBP=ff3c46bf1da315c0 RSP=ff4cffe20040b808
RIP=ffffffff95570441 RFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0

CPU#1
RIP=ffffffff95db5a1b RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
"""
NMI = """\
[   46.934805] Kernel panic - not syncing: NMI: Not continuing
[   46.934906] CPU: 0 PID: 612 Comm: spin Not tainted 6.1.0-56-amd64 #1  Debian 6.1.192-2
[   46.935003] RIP: 0010:labcrash_spin+0x12/0x20 [labcrash]
[   46.935020] Call Trace:
[   46.935030]  <NMI>
[   46.935040]  dump_stack_lvl+0x5c/0x80
[   46.935050]  </NMI>
[   46.935060]  <TASK>
[   46.935070]  labcrash_hardlockup+0x5/0x10 [labcrash]
[   46.935080]  </TASK>
[   46.935103] RIP: 0033:0x7f09707f9000
"""


def scene(**facts: object) -> Scene:
    given: dict[str, object] = {"agent_alive": True, "waiters": [], "block": {}, "said": "", "registers": "", **facts}
    return Scene(**given)  # type: ignore[arg-type]


def test_what_the_agent_told() -> None:
    task = {"name": "python3", "pid": 151, "state": "D", "wchan": "submit_bio_wait", "last_ran_s": 8.4,
            "stack": ["submit_bio_wait+0x7b/0xc0", "__blkdev_direct_IO_simple+0x12c/0x270", "vfs_writev+0x1/0x2"]}
    assert summarise(scene(waiters=[Waiter.told(task)], block={"sda/hctx0/busy": BUSY, "sda/hctx0/state": "x"})) == [
        "the guest's agent still answers; 1 task waits uninterruptibly",
        "python3 (151) waits for I/O in submit_bio_wait < __blkdev_direct_IO_simple < vfs_writev (last ran 8.4 s ago)",
        "sda: Write(10) 2a 00 00 00 00 00 00 00 40 00, in flight for 33.824 s (timeout 30 s, 0 retries)",
    ]


def test_what_a_task_waits_for_may_be_in_sysrqs_stack_only() -> None:
    waiter = Waiter("kworker/u4:0", 9, ("tcm_loop_issue_tmr+0xb8/0x100 [tcm_loop]",), 3.0)
    assert summarise(scene(waiters=[waiter], said=SYSRQ_W))[1] == \
        "kworker/u4:0 (9) waits for a completion in tcm_loop_issue_tmr (last ran 3 s ago)"


def test_a_guest_in_which_nothing_waits_tells_what_runs() -> None:
    assert summarise(scene(registers=REGISTERS, said=NMI))[1] == \
        "CPU 0 is at labcrash_spin < labcrash_hardlockup, with interrupts off"


def test_a_task_whose_stack_is_secret_waits_in_its_wchan() -> None:
    waiter = Waiter.told({"name": "rmmod", "pid": 7, "wchan": "rcu_barrier", "stack": [], "last_ran_s": None})
    assert summarise(scene(waiters=[waiter]))[1] == "rmmod (7) waits for RCU in rcu_barrier"


def test_what_sysrq_told_of_a_guest_whose_agent_is_dead() -> None:
    lines = summarise(scene(agent_alive=False, said=SYSRQ_W))
    assert lines[0] == "the guest's agent does not answer; 2 tasks wait uninterruptibly"
    assert lines[1].startswith("kworker/u4:0 (9) waits for a completion in tcm_loop_issue_tmr < tcm_loop_abort_task")
    assert lines[2] == "python3 (151) waits for I/O in submit_bio_wait < __blkdev_direct_IO_simple"
    assert len(lines) == 3


def test_where_the_cpus_of_a_dead_guest_are() -> None:
    lines = summarise(scene(agent_alive=False, registers=REGISTERS))
    assert lines[1:] == ["CPU 0 is at RIP ffffffff95570441, with interrupts off", "CPU 1 is idle"]
    lines = summarise(scene(agent_alive=False, registers=REGISTERS, said=NMI))
    assert lines[1] == "CPU 0 is at labcrash_spin < labcrash_hardlockup, with interrupts off"


def test_since_when_and_on_whose_lock() -> None:
    before = ("[  101.0] INFO: task fio:612 blocked for more than 45 seconds.\n"
              "[  101.1] INFO: task fio:612 is blocked on a mutex likely owned by task rmmod:77.\n"
              "[  102.0] INFO: task dd:613 <writer> blocked on an rw-semaphore likely owned by task rmmod:77 <reader>\n"
              "[  146.0] INFO: task fio:612 blocked for more than 90 seconds.\n")
    said = ("[  150.0] 2 locks held by fio/612:\n[  150.1]  #0: ffff8880 (sb_writers#5){.+.+}-{0:0}, at: f+0x1/0x2\n"
            "[  150.2]  #1: ffff8881 (&tpg->acl_node_mutex){+.+.}-{3:3}, at: f+0x1/0x2\n"
            "[  150.3] 1 lock held by x/9:\n"
            "[  150.4]  #0: ffff8882 (other){+.+.}-{3:3}, at: f+0x1/0x2\n")
    waiters = [Waiter("fio", 612, ("__mutex_lock.constprop.0+0x1/0x2", "core_tpg_add+0x1/0x2")),
               Waiter("dd", 613, ("rwsem_down_write_slowpath+0x1/0x2", "lun_unlink+0x1/0x2"))]
    lines = summarise(scene(waiters=waiters, before=before, said=said))
    assert lines[1] == ("fio (612) waits for a mutex (&tpg->acl_node_mutex) (mutex likely owned by task rmmod:77) in "
                        "core_tpg_add for more than 90 s")
    assert lines[2] == ("dd (613) waits for a semaphore (rw-semaphore likely owned by task rmmod:77 <reader>) in "
                        "lun_unlink")
    assert sysrq.lock_of(9, [line.split("] ", 1)[1] for line in said.splitlines()]) == "other"


def test_ten_lines_are_enough_and_those_that_wait_at_one_place_are_one() -> None:
    same = [Waiter("fio", n, ("f+0x1/0x2",), float(n)) for n in range(50)]
    assert summarise(scene(waiters=same))[1:] == ["fio (49) waits in f (last ran 49 s ago)"]
    many = [Waiter("fio", n, (f"f{n}x+0x1/0x2",), float(n)) for n in range(50)]
    busy = {f"sd{n}/hctx0/busy": BUSY for n in range(9)}
    lines = summarise(scene(agent_alive=False, waiters=many, block=busy, registers=REGISTERS))
    assert len(lines) == MAX_LINES
    assert sum("in flight" in line for line in lines) == 3


def test_a_request_that_is_no_scsi_command() -> None:
    busy = {"vda/hctx0/busy": "00000000567bd607 {.op=FLUSH, .cmd_flags=PREFLUSH, .rq_flags=, .state=in_flight, .tag=1}"}
    assert summarise(scene(block=busy))[1] == "vda: FLUSH, in_flight"
