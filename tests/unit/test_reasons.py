"""Why a run is not a pass: which step a report belongs to, what comes first, and what stays the same another time.

On copies of saved runs (tests/golden). `pass` has two steps, `write` and `verify`, and the marks of a real guest.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.report.result import Outcome, Reason
from lab.report.text import failure_text
from lab.run.fingerprints import identity, same
from tests.unit.saved_runs import GOLDEN, Damaged

WARN = ("[   {t}] ------------[ cut here ]------------\n[   {t}] WARNING: CPU: 0 PID: 7 at drivers/target/{f}.c:42 "
        "{f}+0x1/0x20\n[   {t}] Call Trace:\n[   {t}]  {f}+0x1/0x20\n[   {t}] ---[ end trace 0 ]---\n")
HUNG = ("[   {t}] INFO: task fio:77 blocked for more than {s} seconds.\n[   {t}] Call Trace:\n"
        "[   {t}]  tcm_wait+0x34d/0xa00\n[   {t}]  tcm_more+0x5a/0xd0\n")
_ON_PURPOSE = {"reason": "on purpose"}


@pytest.fixture
def passed(tmp_path: Path) -> Damaged:
    return Damaged("pass", tmp_path)


def texts(run: Damaged) -> list[str]:
    return [reason.text for reason in run.judged().reasons]


# -- where a report belongs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("mark", "where"), [
    ("setup begin", "in the set-up"), ("setup end", "before the first step"),
    ("step 0 begin", r"in step 1 \(write lun=disk\)"), ("step 0 end", r"after step 1 \(write lun=disk\)"),
    ("step 1 begin", r"in step 2 \(verify lun=disk\)"), ("step 1 end", "after the last step"),
    ("teardown begin", "in the teardown"), ("teardown end", "after the teardown"),
])
def test_a_report_fails_the_run_wherever_it_is_and_says_where(passed: Damaged, mark: str, where: str) -> None:
    assert passed.judged().outcome is Outcome.PASS
    passed.after(mark, WARN.format(t="24.100000", f="odd"))
    result = passed.judged()
    assert result.outcome is Outcome.FAIL
    assert re.fullmatch(rf"kernel WARN {where}: WARNING in odd", result.summary), result.summary
    assert (result.faults[0].role, result.cause and result.cause.fingerprint) == ("cause", result.faults[0].fingerprint)


def test_a_late_report_names_the_step_in_which_it_began_and_what_ran_beside_it() -> None:
    result = Damaged.saved("late")
    fault = result.faults[0]
    assert (fault.step, fault.reported, round(fault.late_s), fault.beside) == (7, None, 46, ("writer",))
    assert any(frame.startswith("tcm_loop_issue_tmr") for frame in fault.frames)
    assert [r.kind for r in result.reasons] == ["kernel", "step", "deadline"]


def test_a_late_report_in_a_later_step(tmp_path: Path) -> None:
    run = Damaged("late", tmp_path)
    run.after("step 7 begin", HUNG.format(t="40.000000", s=24))
    first = next(text for text in texts(run) if "tcm_wait" in text)
    assert first == ("kernel hung-task in step 3 (wait_for kernel_message=ABORT_TASK: Found referenced loopback "
                     "task_tag)"
                     ", reported 24 s later in step 8 (join name=writer) (with writer in the background): task hung in "
                     "tcm_wait")


def test_what_a_hung_guest_says_when_it_is_asked_is_the_labs_doing(tmp_path: Path) -> None:
    run = Damaged("deadline", tmp_path)
    size = (run.path / "console.log").stat().st_size
    run.console("[   40.000000] Kernel panic - not syncing: NMI: Not continuing\n")
    assert [f.kind for f in run.judged().faults] == ["panic"]
    run.event("forensics", offset=size)
    result = run.judged()
    assert (result.faults, [r.kind for r in result.reasons]) == ([], ["deadline"])
    assert "Not continuing" not in result.reasons[0].detail


def test_what_user_space_wrote_to_the_kernel_log_is_not_the_kernels(passed: Damaged) -> None:
    passed.after("step 0 begin", "[   23.900000] BUG: printed by a test\n")
    assert passed.judged().outcome is Outcome.FAIL
    passed.event("printed", records=[[23_900_000, "BUG: printed by a test"]])
    passed.event("printed", records=[["odd"], None, 7, [1, 2]])
    assert passed.judged().outcome is Outcome.PASS


# -- what comes first ---------------------------------------------------------------------------------------


def test_the_first_failure_owns_the_verdict_and_the_others_are_consequences(passed: Damaged) -> None:
    passed.after("step 0 begin", WARN.format(t="23.800000", f="first"))
    passed.after("step 1 begin", WARN.format(t="24.100000", f="second"))
    passed.console("[   99.000000] BUG: KASAN: slab-use-after-free in third+0x1/0x2\n"
                   "[   99.000000] Call Trace:\n[   99.000000]  third+0x1/0x2\n")
    result = passed.judged()
    assert [(f.title.split()[-1], f.role) for f in result.faults] == [
        ("first", "cause"), ("second", "consequence"), ("third", "consequence")]
    assert [r.consequence for r in result.reasons] == [False, True, True]
    assert result.cause is result.reasons[0]
    assert result.summary.startswith("kernel WARN in step 1 (write lun=disk): WARNING in first; worst: KASAN: ")
    cause, later = (failure_text(result, r) for r in result.reasons[:2])
    assert "consequences:\n  kernel WARN in step 2" in cause and "the worst of them: KASAN: " in cause
    assert "first cause: kernel WARN in step 1 (write lun=disk): WARNING in first" in later


@pytest.mark.parametrize(("mark", "kinds"), [
    ("step 0 begin", ["kernel", "step"]), ("step 1 begin", ["kernel", "step"]), ("step 1 end", ["step", "kernel"]),
    ("teardown begin", ["step", "kernel"])])
def test_a_step_that_failed_before_the_report_comes_before_it(passed: Damaged, mark: str, kinds: list[str]) -> None:
    passed.change_step(1, ok=False, problem="wrong blocks")
    passed.after(mark, WARN.format(t="24.100000", f="odd"))
    assert [r.kind for r in passed.judged().reasons] == kinds


def test_errors_of_the_lab_come_after_failures_of_the_kernel(passed: Damaged) -> None:
    passed.console(WARN.format(t="90.000000", f="odd"))
    passed.without("leak-check")
    assert [r.outcome for r in passed.judged().reasons] == [Outcome.FAIL, Outcome.ERROR]


# -- what is let pass, and what must come -------------------------------------------------------------------


@pytest.mark.parametrize(("step", "outcome"), [(0, Outcome.PASS), (1, Outcome.FAIL)])
def test_a_step_lets_pass_what_belongs_to_it(passed: Damaged, step: int, outcome: Outcome) -> None:
    passed.after("step 0 begin", WARN.format(t="23.800000", f="odd"))
    assert passed.judged().outcome is Outcome.FAIL
    passed.expect(step, allow=[{"match": "WARNING in odd", **_ON_PURPOSE}])
    result = passed.judged()
    assert result.outcome is outcome
    assert result.faults[0].allowed == ("on purpose" if outcome is Outcome.PASS else None)


def test_a_step_lets_pass_what_began_in_it_and_what_is_reported_in_it(tmp_path: Path) -> None:
    for index, passes in ((2, True), (7, True), (4, False)):
        run = Damaged("late", tmp_path / str(index))
        run.after("step 7 begin", HUNG.format(t="40.000000", s=24))
        run.expect(index, allow=[{"match": "tcm_wait", **_ON_PURPOSE}])
        assert any("tcm_wait" in text for text in texts(run)) is not passes


def test_a_background_step_lets_pass_what_began_while_it_was_in_flight(tmp_path: Path) -> None:
    run = Damaged("late", tmp_path)
    run.after("step 7 begin", HUNG.format(t="40.000000", s=19))  # began in step 6, beside the writer
    assert any("tcm_wait" in text for text in texts(run))
    plan = json.loads((run.path / "plan.json").read_text())
    inner = plan["scenario"]["steps"][1]["background"]["step"]
    inner["expect"] = {"kernel": {"allow": [{"match": "tcm_wait", **_ON_PURPOSE}]}}
    (run.path / "plan.json").write_text(json.dumps(plan))
    assert not any("tcm_wait" in text for text in texts(run))


@pytest.mark.parametrize(("mark", "outcome"), [
    ("step 1 begin", Outcome.PASS), ("step 1 end", Outcome.FAIL), ("step 0 begin", Outcome.FAIL),
    ("teardown begin", Outcome.FAIL)])
def test_what_a_step_requires_must_come_between_its_marks(passed: Damaged, mark: str, outcome: Outcome) -> None:
    passed.after(mark, "[   24.100000] ABORT_TASK: Found referenced tag\n")
    passed.expect(1, require=[{"match": "ABORT_TASK: Found", "reason": "it must reach LIO"}])
    result = passed.judged()
    assert result.outcome is outcome
    assert outcome is Outcome.PASS or result.summary == (
        "step 2 (verify lun=disk): the kernel did not print 'ABORT_TASK: Found', which is required: it must reach LIO")


def test_a_step_that_only_speaks_of_messages_must_still_succeed(passed: Damaged) -> None:
    passed.expect(1, allow=[{"match": "WARNING in odd", **_ON_PURPOSE}])
    assert passed.judged().outcome is Outcome.PASS
    passed.change_step(1, ok=False, problem="wrong blocks")
    assert passed.judged().outcome is Outcome.FAIL


def test_a_join_that_only_speaks_of_messages_judges_as_the_background_step_says(tmp_path: Path) -> None:
    run = Damaged("late", tmp_path)
    run.expect(7, allow=[{"match": "task hung", **_ON_PURPOSE}])
    assert any(text.startswith("step 8 (join name=writer): expected result success") for text in texts(run))


def test_a_panic_that_is_let_pass_does_not_hide_that_the_steps_after_it_did_not_run(tmp_path: Path) -> None:
    run = Damaged("panic", tmp_path)
    plan = json.loads((run.path / "plan.json").read_text())
    plan["scenario"]["steps"].append(plan["scenario"]["steps"][0])
    (run.path / "plan.json").write_text(json.dumps(plan))
    run.allow("sysrq triggered crash")
    result = run.judged()
    assert result.outcome is Outcome.ERROR
    assert ("the scenario lets pass that the kernel died of 'Kernel panic: sysrq triggered crash', so step 3 and what "
            "follows it were not carried out") in result.summary


# -- taint --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "report", "allow", "named"), [
    (0x200, "", "nothing", "W (warning)"),
    (0x200, WARN, "nothing", None),
    (0x200, WARN, "WARNING in odd", None),
    (0x200, HUNG, "task hung", "W (warning)"),
    (0x280, WARN, "WARNING in odd", "D (kernel died (oops or BUG))"),
    (0x4200, WARN, "WARNING in odd", "L (soft lockup)"),
    (0x3000, "", "nothing", r"O (out-of-tree module was loaded), E (unsigned module was loaded)"),
    (0x3000, "", "tainted: [OE] ", None),
    (0x3200, "", "tainted: [OE] ", "W (warning)"),
    (0x3000, WARN, "WARNING in odd", "O (out-of-tree module was loaded), E (unsigned module was loaded)"),
    (1 << 40, "", "nothing", "bit40 (unknown bit 40)"),
])
def test_taint_that_nothing_explains_is_named(passed: Damaged, bits: int, report: str, allow: str,
                                              named: str | None) -> None:
    passed.change("leak-check", tainted=bits)
    passed.allow(allow)
    passed.after("step 1 begin", report.format(t="24.100000", f="odd", s=1))
    found = [r for r in passed.judged().reasons if r.kind == "taint"]
    assert [r.text for r in found] == ([] if named is None else [
        f"the kernel was tainted by this run: {named}, without a message that explains it"])


def test_taint_that_is_let_pass_is_noted(passed: Damaged) -> None:
    passed.change("leak-check", tainted=0x1000)
    passed.allow("tainted: O ")
    result = passed.judged()
    assert result.outcome is Outcome.PASS
    assert "kernel tainted: O (out-of-tree module was loaded), let pass: on purpose" in result.notes


# -- a console that recorded nothing ------------------------------------------------------------------------


def test_the_last_mark_is_demanded_where_it_was_written(passed: Damaged) -> None:
    passed.event("end-mark", written=True)
    result = passed.judged()
    assert result.outcome is Outcome.ERROR
    assert result.summary == ("the console did not record this run, so its silence proves nothing: there is no mark of "
                              "the run's end")
    passed.console(f"[   25.000000] lab: {passed.token} end\n")
    assert passed.judged().outcome is Outcome.PASS


@pytest.mark.parametrize("lost", ["step 0 begin", "step 1 end"])
def test_the_marks_of_every_step_are_demanded(passed: Damaged, lost: str) -> None:
    passed.event("end-mark", written=True)
    passed.console(f"[   25.000000] lab: {passed.token} end\n")
    log = (passed.path / "console.log").read_text()
    (passed.path / "console.log").write_text(log.replace(f"{passed.token} {lost}\n", f"{passed.token} gone\n"))
    assert passed.judged().outcome is Outcome.ERROR
    assert f"there is no mark of step {int(lost[5]) + 1} (" in passed.judged().summary
    (passed.path / "console.log").unlink()
    assert passed.judged().outcome is Outcome.ERROR


# -- a deadline ---------------------------------------------------------------------------------------------


def test_a_deadline_says_how_long_it_was_waited_and_why_nothing_went_on() -> None:
    late = Damaged.saved("late").reasons[-1]
    assert late.text == ("the teardown did not end in time (the kernel reports: task hung in tcm_loop_issue_tmr) "
                         "(extended by 12 s: the host was busy, or the guest still moved); nothing moved for 31 s; "
                         "the guest's agent still answers, so the kernel is alive but this did not return")
    assert "tcm_loop_issue_tmr" in late.detail


def test_the_summary_of_a_hung_guest_comes_before_its_console(tmp_path: Path) -> None:
    run = Damaged("deadline", tmp_path)
    (run.path / "artifacts").mkdir()
    (run.path / "artifacts/tasks.txt").write_text("python3 (7) waits\n" * 30)
    assert run.judged().reasons[0].detail.count("python3 (7) waits") == 20
    (run.path / "artifacts/summary.txt").write_text("fio (77) waits in dm_suspend since 31 s\n" * 12)
    lines = run.judged().reasons[0].detail.splitlines()
    assert lines[:10] == ["fio (77) waits in dm_suspend since 31 s"] * 10
    assert "Dazed and confused" in lines[-1]


# -- fingerprints -------------------------------------------------------------------------------------------


def test_every_failure_of_every_saved_run_has_a_kind_and_a_fingerprint() -> None:
    reasons = [r for path in GOLDEN.iterdir() for r in Damaged.saved(path.name).reasons]
    assert {r.kind for r in reasons if r.outcome is Outcome.FAIL} == {
        "kernel", "step", "deadline", "boot", "taint", "teardown", "leak"}
    for reason in reasons:
        assert bool(re.fullmatch("[0-9a-f]{12}", reason.fingerprint)) is (reason.outcome is Outcome.FAIL), reason


@pytest.mark.parametrize(("kind", "data", "twin", "other"), [
    ("teardown-end", {"ok": False, "problems": ["rmdir core/iblock_0/disk: EBUSY"]},
     {"ok": False, "problems": ["rmdir core/iblock_0/disk: EBUSY"]}, {"ok": False, "problems": ["rmdir core: EBUSY"]}),
    ("leak-check", {"left": ["scsi host: host3"]}, {"left": ["scsi host: host12"]}, {"left": ["mount: /x"]}),
    ("leak-check", {"left": ["module tcm_loop: 1 reference"]}, {"left": ["module tcm_loop: 3 reference"]},
     {"left": ["module target_core_mod: 1 reference"]}),
    ("leak-check", {"tainted": 0x1000}, {"tainted": 0x1000}, {"tainted": 0x2000}),
    ("setup-end", {"ok": False, "problem": "disk: ENOMEM"}, {"ok": False, "problem": "disk: ENOMEM"},
     {"ok": False, "problem": "disk: EINVAL"}),
])
def test_the_same_failure_has_the_same_fingerprint(passed: Damaged, kind: str, data: dict[str, Any],
                                                   twin: dict[str, Any], other: dict[str, Any]) -> None:
    prints = []
    for change in (data, twin, other):
        passed.change(kind, **change)
        prints.append(_cause(passed).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def _cause(run: Damaged) -> Reason:
    cause = run.judged().cause
    assert cause is not None
    return cause


def test_a_failed_step_is_the_same_on_another_host_and_another_when_it_answers_otherwise(passed: Damaged) -> None:
    prints = []
    for problem in ("/dev/sda: read 512 bytes at 0x1f400 in 3.21 s: EIO",
                    "/dev/sdc: read 4096 bytes at 0x20 in 0.4 s: EIO",
                    "/dev/sda: read 512 bytes at 0x1f400 in 3.21 s: ENODEV"):
        passed.change_step(1, ok=False, problem=problem)
        prints.append(_cause(passed).fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_another_exit_status_is_another_failure(passed: Damaged) -> None:
    plan = json.loads((passed.path / "plan.json").read_text())
    plan["scenario"]["steps"][1]["expect"] = {"exit": 0}
    (passed.path / "plan.json").write_text(json.dumps(plan))
    prints = set()
    for status in (3, 4):
        passed.change_step(1, exit=status)
        prints.add(_cause(passed).fingerprint)
    assert len(prints) == 2


def test_numbers_that_mean_something_stay() -> None:
    assert same("ILLEGAL REQUEST (5/21/00)") != same("ILLEGAL REQUEST (5/24/00)")
    assert identity("step", "exit 1") != identity("step", "exit 127")
    assert identity("step", "a") != identity("leak", "a")
    assert same("/tmp/x/results/20261124-1/console.log") == same("/home/me/results/2/console.log")
    assert same("ran for 3.5 s on sdb, host2:0:1") == same("ran for 12 s on sda, host0:0:3")


def test_a_decoded_report_is_shown_instead_of_the_raw_one_which_stays(passed: Damaged) -> None:
    passed.after("step 0 begin", WARN.format(t="23.800000", f="odd"))
    result = passed.judged()
    raw = result.faults[0]
    decoded = replace(result, faults=[replace(raw, decoded="odd (drivers/target/odd.c:42)")])
    assert "cut here" in failure_text(result, result.reasons[0])
    text = failure_text(decoded, decoded.reasons[0])
    assert "odd (drivers/target/odd.c:42)" in text and "cut here" not in text
    assert "cut here" in decoded.faults[0].text


# -- what a run must have said ----------------------------------------------------------------------------------


def test_a_guest_that_could_not_write_its_marks_proves_nothing(passed: Damaged) -> None:
    passed.change("leak-check", marked=False)
    assert passed.judged().reasons[0].text.startswith("the guest could not write its marks into the kernel")


def test_a_guest_that_was_gone_at_the_end_is_an_error(passed: Damaged) -> None:
    passed.end(reason="finished", machine="signal 9", seconds=1.0)
    result = passed.judged()
    assert result.outcome is Outcome.ERROR
    assert "the guest was gone when the run had ended (QEMU: signal 9)" in result.reasons[0].text


def test_a_failed_step_does_not_explain_a_guest_that_was_lost(tmp_path: Path) -> None:
    run = Damaged("fail", tmp_path)
    run.end(reason="guest-lost", machine="signal 9", detail="the guest closed the link", seconds=1.0)
    reasons = run.judged().reasons
    assert [r.outcome for r in reasons] == [Outcome.FAIL, Outcome.ERROR]
    assert "its kernel did not say why (QEMU: signal 9" in reasons[1].text


@pytest.mark.parametrize("name", ["interrupted", "guest-lost", "lab-killed"])
def test_a_run_that_was_broken_off_owes_no_message(tmp_path: Path, name: str) -> None:
    run = Damaged(name, tmp_path)
    run.plan({"expect": {"kernel": {"allow": [], "require": [{"match": "never said", "reason": "a test"}]}}})
    assert run.judged().outcome is Outcome.ERROR


def test_a_teardown_that_hangs_after_a_failed_setup_is_the_teardown(passed: Damaged) -> None:
    passed.rewrite([e for e in passed.events() if e["kind"] in ("ready", "setup-begin", "setup-end")])
    passed.change("setup-end", ok=False, problem="no")
    passed.end(reason="deadline", detail="did not end in time (x)", agent_alive=True, seconds=1.0)
    assert passed.judged().reasons[-1].text.startswith("the teardown did not end in time")


def test_a_late_report_of_what_began_before_the_first_step_says_so(passed: Damaged) -> None:
    passed.after("step 1 begin", HUNG.format(t="24.100000", s=24))
    found = next(r for r in passed.judged().reasons if r.kind == "kernel")
    assert found.text.startswith("kernel hung-task before the first step, reported 24 s later in step 2")
