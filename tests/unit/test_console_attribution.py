"""To which step a report belongs: marks, their order and history, reports that come late, what user space wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.console.finding import Effect, Finding, describe
from lab.console.late import Timeline
from lab.console.marks import MAX_HISTORY, Marks
from lab.console.scan import Scanner, kernel_said, marks_seen, messages_of_step, scan_file

TOKEN = "0123456789abcdef"
LOGS = Path(__file__).parent / "console_logs"
PANIC = "Kernel panic - not syncing: x"


def at(time_s: float, message: str) -> str:
    return f"[{time_s:12.6f}] {message}\r\n"


def mark(time_s: float, what: str) -> str:
    return at(time_s, f"lab: {TOKEN} {what}")


def failures(log: str, printed: frozenset[tuple[int, str]] = frozenset()) -> list[Finding]:
    scanner = Scanner(TOKEN, printed)
    found = scanner.feed(log.encode()) + scanner.close()
    return sorted((f for f in found if f.effect is Effect.FAIL), key=lambda finding: finding.line)


RUN = "".join((
    mark(10, "setup begin"), mark(11, "setup end"), mark(12, "step 0 begin"), mark(20, "step 0 end"),
    mark(20.5, "step 1 begin"), mark(21, "background writer begin"), mark(30, "step 1 end"), mark(30.2, "step 2 begin"),
))
CPU = "CPU: 0 PID: 612 Comm: fio Not tainted 6.1.0 #1"
LPJ = "Calibrating delay loop (skipped), value calculated using timer frequency.. 4800.00 BogoMIPS (lpj=9600000)"


# -- late reports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "messages", "step", "late_s", "beside"), [
    (60, ["INFO: task fio:612 blocked for more than 30 seconds."], 1, 30, ("writer",)),
    (60, ["INFO: task fio:612 blocked in I/O wait for more than 30 seconds."], 1, 30, ("writer",)),
    (50.3, ["INFO: task fio:612 blocked for more than 30 seconds."], 0, 30, ()),  # between steps 0 and 1
    (35, ["INFO: task fio:612 blocked for more than 24 seconds."], None, 24, ()),  # in the set-up
    (35, ["INFO: task fio:612 blocked for more than 30 seconds."], None, 30, ()),  # before it
    # counted from the last sign of life, which came up to a fifth of that before the lockup
    (40, ["watchdog: BUG: soft lockup - CPU#0 stuck for 30s! [fio:612]", CPU], 0, 24, ()),
    (62, ["BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 36s!"], 1, 36, ("writer",)),
    (62, ["rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu: \t0-....: (5250 ticks this GP) idle=1/1/0x40",
          "rcu: \t(t=40000 jiffies g=4129 q=12 ncpus=2)"], 1, 40, ("writer",)),
    (62, ["rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
          "rcu: \t(detected by 1, t=40000 jiffies, g=4129, q=12)"], 1, 40, ("writer",)),
    (62, ["rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-...D } 40000 jiffies s: 57 root: 0x2/."],
     1, 40, ("writer",)),
    (62, ["rcu: rcu_preempt kthread starved for 40000 jiffies! g4129 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x0 ->cpu=1"],
     1, 40, ("writer",)),
    (62, ["unreferenced object 0xffff888104a1c000 (size 1024):",
          '  comm "configfs", pid 612, jiffies 4294937295 (age 40.500s)'], 1, 40.5, ("writer",)),
    (62, [PANIC], 2, 0, ("writer",)),
])
def test_late_report_belongs_to_the_step_where_it_began(
        now: float, messages: list[str], step: int | None, late_s: float, beside: tuple[str, ...]) -> None:
    (finding,) = failures(RUN + "".join(at(now, message) for message in messages))
    assert (finding.step, finding.reported, finding.late_s) == (step, 2, late_s)
    assert finding.beside == beside


@pytest.mark.parametrize(("boot", "late_s"), [
    ("", 5.25), (at(0, LPJ), 21), (at(0, LPJ.replace("9600000", "24000000")), 52.5),
    (at(0, LPJ.replace("4800", "1")), 5.25),
    (at(0, "clocksource: jiffies: mask: 0xffffffff max_cycles: 0xffffffff, max_idle_ns: 7645041785100000 ns"), 21),
    (at(0, "clocksource: jiffies: mask: 0xffffffff max_cycles: 0xffffffff, max_idle_ns: 1911260446275000 ns"), 5.25),
    (at(0, "clocksource: jiffies: mask: 0xffffffff max_cycles: 0xffffffff, max_idle_ns: 19112604462750000 ns"), 52.5),
])
def test_jiffies_are_counted_with_the_logs_own_tick_rate(boot: str, late_s: float) -> None:
    log = boot + RUN + at(70, "rcu: INFO: rcu_sched self-detected stall on CPU") + at(70, "rcu: \t(t=5250 jiffies g=1)")
    (finding,) = failures(log)
    assert finding.late_s == late_s


def test_leak_of_a_newer_kernel_tells_only_jiffies() -> None:
    object_of = [at(62, "kmemleak: unreferenced object 0xffff888104a1c000 (size 1024):"),
                 at(62, f'kmemleak:   comm "cat", pid 612, jiffies {(1 << 32) - 300 * 250 + 25 * 250}')]
    (finding,) = failures(at(0, LPJ) + RUN + "".join(object_of))
    assert (finding.step, finding.late_s) == (1, 37)
    (finding,) = failures(RUN + "".join(object_of))
    assert (finding.step, finding.late_s) == (2, 0)


def test_description_says_that_a_report_is_late() -> None:
    (finding,) = failures(RUN + at(60, "INFO: task fio:612 blocked for more than 30 seconds."))
    assert "step 1, began 30 s earlier, reported in step 2, beside writer" in describe(finding)
    (finding,) = failures(RUN + mark(50, "step 2 end") + at(60, "INFO: task fio:612 blocked for more than 24 seconds."))
    assert "step 2, began 24 s earlier, reported outside of steps" in describe(finding)
    (finding,) = failures(RUN + at(60, PANIC))
    assert "earlier" not in describe(finding)


def test_failure_after_the_last_step_is_found_outside() -> None:
    (finding,) = failures(RUN + mark(40, "step 2 end") + mark(41, "teardown begin") + at(42, PANIC))
    assert (finding.step, finding.reported) == (None, None)


# -- marks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forged", [
    "step 1 begin", "step 0 begin", "step 1 end", "step 9 end", "setup begin", "setup end", "background writer begin",
    "background Writer end", "step 3 end", "end now", "background begin", "background 1x end",
])
def test_mark_against_the_order_counts_for_nothing(forged: str) -> None:
    marks = Marks(TOKEN)
    for line in RUN.splitlines():
        marks.see(line.split("] ")[1])
    before = marks.now
    marks.see(f"lab: {TOKEN} {forged}", 31)
    assert marks.now == before and not marks.over


def test_nothing_follows_the_last_word() -> None:
    marks = Marks(TOKEN)
    for what in ("step 0 begin", "step 0 end", "teardown begin", "step 1 begin", "end", "step 2 begin", "setup end"):
        marks.see(f"lab: {TOKEN} {what}", 1.0)
    assert marks.over and marks.now.step is None and marks.begun == {0}


def test_background_steps_begin_and_end() -> None:
    log = RUN + mark(31, "background reader begin") + at(32, PANIC)
    assert failures(log)[0].beside == ("writer", "reader")
    log = RUN + mark(31, "background reader begin") + mark(31.5, "background writer end") + at(32, PANIC)
    assert failures(log)[0].beside == ("reader",)


def test_history_is_bounded_and_knows_its_oldest() -> None:
    marks = Marks(TOKEN)
    for step in range(MAX_HISTORY):
        marks.see(f"lab: {TOKEN} step {step} begin", step + 0.0)
        marks.see(f"lab: {TOKEN} step {step} end", step + 0.5)
    assert len(marks._times) == len(marks._flights) == MAX_HISTORY
    assert marks.at(MAX_HISTORY - 0.7).step == MAX_HISTORY - 1
    assert marks.at(MAX_HISTORY - 0.2).ended == MAX_HISTORY - 1
    assert marks.at(1.0) == marks._flights[0]


def test_times_out_of_order_keep_the_history_in_order() -> None:
    marks = Marks(TOKEN)
    marks.see(f"lab: {TOKEN} step 0 begin", 2.0)
    marks.see(f"lab: {TOKEN} step 0 end", 1.999)
    assert marks.at(2.0).step is None and marks.at(1.0).step is None


def test_no_rate_from_nonsense() -> None:
    timeline = Timeline(Marks(None))
    for text in ("clocksource: jiffies: max_idle_ns: 0 ns", "1.00 BogoMIPS (lpj=0)", "clocksource: jiffies:", "",
                 "clocksource: jiffies: max_idle_ns: 1234567 ns"):
        timeline.learn(text)
    assert timeline.hz is None


def test_marks_that_the_console_recorded(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(RUN)
    seen = marks_seen(log, TOKEN)
    assert (seen.begun, seen.ended, seen.last) == ({0, 1, 2}, {0, 1}, False)
    log.write_text(RUN + mark(33, "step 2 end") + mark(34, "end"))
    assert marks_seen(log, TOKEN).last and marks_seen(log, TOKEN).ended == {0, 1, 2}
    log.write_text("")
    assert marks_seen(log, TOKEN) == marks_seen(log, "f" * 16)
    log.write_text(mark(33, "step 0 begin") + f"lab: {TOKEN} end\n")  # printed on the console, not by printk
    assert not marks_seen(log, TOKEN).last


# -- what user space wrote to /dev/kmsg -----------------------------------------------------------------------


def test_user_record_never_opens_a_report() -> None:
    log = RUN + at(31.5, PANIC)
    assert failures(log, frozenset({(31_500_000, PANIC)})) == []
    assert len(failures(log, frozenset({(31_500_001, PANIC)}))) == 1
    assert len(failures(log, frozenset({(31_500_000, PANIC + ".")}))) == 1


def test_user_record_of_several_lines_and_odd_bytes() -> None:
    log = RUN + at(31.5, "one \x1b[0m é \\") + at(31.5, PANIC) + at(31.5, "BUG: x")
    text = f"one \\x1b[0m \\xc3\\xa9 \\x5c\\x0a{PANIC}\\x0aBUG: x"
    assert len(failures(log)) == 2
    assert failures(log, frozenset({(31_500_000, text)})) == []


def test_user_record_is_no_mark(tmp_path: Path) -> None:
    forged = f"lab: {TOKEN} step 7 begin"
    log = RUN + at(31.5, forged) + at(32, PANIC)
    assert failures(log)[0].step == 7
    assert failures(log, frozenset({(31_500_000, forged)}))[0].step == 2
    console = tmp_path / "console.log"
    console.write_text(log)
    assert 7 not in marks_seen(console, TOKEN, printed={(31_500_000, forged)}).begun
    assert messages_of_step(console, TOKEN, 7, 9, printed={(31_500_000, forged)}) == []


def test_user_record_neither_closes_nor_feeds_a_report() -> None:
    lines = (LOGS / "warn-x86-6.1.log").read_text().splitlines(keepends=True)
    stamp = lines[5].split("]")[0]
    forged = ["---[ end trace 0000000000000000 ]---",
              "list_del corruption, x->next is LIST_POISON1 (1)", " bogus_fn+0x1/0x2"]
    log = "".join([*lines[:5], *(f"{stamp}] {text}\r\n" for text in forged), *lines[5:]])
    microseconds = round(float(stamp.strip("[ ")) * 1e6)
    (whole,) = failures("".join(lines))
    (finding,) = failures(log, frozenset((microseconds, text) for text in forged))
    assert (finding.text, finding.frames, finding.kind) == (whole.text, whole.frames, whole.kind)


def test_live_scanner_is_told_of_records() -> None:
    scanner = Scanner(TOKEN)
    scanner.printed([(31_500_000, PANIC)])
    assert scanner.feed(at(31.5, PANIC).encode()) == []
    assert scanner.pending() == []
    scanner.feed(at(31.6, PANIC).encode())
    assert len(scanner.pending()) == 1


# -- the lab's own forensics ----------------------------------------------------------------------------------


def test_what_begins_after_the_limit_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    hung = (LOGS / "hung-task.log").read_text()
    log.write_text(RUN + hung)
    (first, _) = scan_file(log, TOKEN)
    inside = len((RUN + hung[:200]).encode())
    for limit, count in ((0, 0), (len(RUN), 0), (len(RUN) + 1, 1), (inside, 1), (10 * inside, 2)):
        found = scan_file(log, TOKEN, limit=limit)
        assert len(found) == count
        assert found[:1] == ([first] if count else [])


def test_sysrq_of_the_lab_ends_open_reports(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    report = at(40, "INFO: task fio:612 blocked for more than 3 seconds.")
    log.write_text(report + at(40, "sysrq: Show Blocked State") + at(40, "task:python3  state:D")
                   + at(41, PANIC) + at(42, "Linux version 6.1") + at(42, "Linux version 6.1"))
    (finding,) = scan_file(log, limit=len(report))
    assert (finding.kind, finding.last_line) == ("hung-task", 1)


# -- kernel_said ----------------------------------------------------------------------------------------------


def test_kernel_said_in_a_step(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(mark(1, "step 0 begin") + at(1.5, "one") + mark(2, "step 0 end") + at(2.5, "between")
                   + mark(3, "step 1 begin") + at(3.5, "two") + at(3.6, "mine"))
    patterns = ["one", "two", "between", "mine"]
    assert kernel_said(log, patterns) == set(patterns)
    assert kernel_said(log, patterns, TOKEN, 0) == {"one"}
    assert kernel_said(log, patterns, TOKEN, 1, printed={(3_600_000, "mine")}) == {"two"}
    assert kernel_said(log, patterns, TOKEN, 2) == set()


def test_what_a_real_test_printed_to_dev_kmsg_is_silent() -> None:
    log = (LOGS / "vm-printed-to-kmsg.txt").read_text()
    printed = frozenset(
        (round(float(line[1:13]) * 1e6), line[15:]) for line in log.splitlines() if not line[15:].startswith("lab: "))
    assert len(failures(log)) == 6
    assert failures(log, printed) == []


def test_tick_rate_can_be_told(tmp_path: Path) -> None:
    log = LOGS / "vm-hardlockup.log"
    token = log.read_text().split("lab: ")[1][:16]
    for hz, late_s, step in ((None, 1.502, 4), (250, 6.008, 4), (100, 15.02, None)):
        (finding,) = scan_file(log, token, hz=hz)
        assert (finding.late_s, finding.step, finding.reported) == (late_s, step, 4)


def test_hang_belongs_to_the_step_where_it_began_in_a_real_log() -> None:
    log = LOGS / "vm-abba.log"
    found = scan_file(log, log.read_text().split("lab: ")[1][:16])
    assert {finding.step for finding in found} == {3}
    assert [finding.reported for finding in found] == [4, 4, 5, 5, None, None]
