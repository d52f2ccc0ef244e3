"""Saved run directories (tests/golden, from real guests) and what they must be judged to be.

Every bug in judging becomes a directory here, or one of these with a piece taken away.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.report.result import Outcome
from lab.run.verdict import verdict
from tests.command import ROOT
from tests.unit.saved_runs import GOLDEN, Damaged

# outcome, how the first reason begins, how many reasons, kinds of kernel faults
EXPECTED = {
    "pass": (Outcome.PASS, "", 0, []),
    "fail": (Outcome.FAIL, "step 1 (beyond the end): expected sense MEDIUM_ERROR, observed CHECK_CONDITION", 1, []),
    "skip": (Outcome.SKIP, "program no_such_tool is not in the guest", 1, []),
    "panic": (Outcome.FAIL, "kernel panic in step 2 (the panic): ", 1, ["panic"]),
    "oops": (Outcome.FAIL, "kernel oops in step 3 (the write that oopses): NULL pointer dereference in", 2, ["oops"]),
    "deadline": (Outcome.FAIL, "step 2 (the write that hangs) did not end in time", 1, []),
    "guest-lost": (Outcome.ERROR, "the guest was lost during step 1 (sysrq key=b)", 1, []),
    "boot-failed": (Outcome.FAIL, "kernel panic: ", 2, ["panic"]),
    "interrupted": (Outcome.ERROR, "interrupted while it ran", 1, []),
    "lab-killed": (Outcome.ERROR, "the lab ended before this run did: there is no end.json", 1, []),
    "taint": (Outcome.FAIL, "the kernel was tainted by this run: U (requested by user space), ", 1, []),
    "late": (Outcome.FAIL, "kernel hung-task in step 8 (join name=writer), reported 46 s later in the teardown (", 3,
             ["hung-task"] * 3),
    "teardown": (Outcome.FAIL, "the teardown failed: rmdir core/rd_mcp_0/disk: EBUSY", 6, []),
}


def test_every_saved_directory_is_judged_here() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_saved_run(name: str) -> None:
    outcome, begins, number, kinds = EXPECTED[name]
    result = verdict(GOLDEN / name)
    assert (result.outcome, len(result.reasons)) == (outcome, number)
    assert result.summary.startswith(begins)
    assert [fault.kind for fault in result.faults] == kinds
    assert result.properties["kernel.release"] == "6.1.0-56-amd64"
    assert result == verdict(GOLDEN / name), "a verdict depends on the files alone"


@pytest.fixture
def passed(tmp_path: Path) -> Damaged:
    return Damaged("pass", tmp_path)


def test_the_copy_passes_as_long_as_nothing_is_missing(passed: Damaged) -> None:
    assert passed.judged().outcome is Outcome.PASS


@pytest.mark.parametrize(("kind", "index"), [
    ("step-end", 1), ("step-end", 0), ("step-begin", 1), ("step-begin", 0), ("teardown-end", None),
    ("leak-check", None)])
def test_what_is_missing_is_an_error_never_a_pass(passed: Damaged, kind: str, index: int | None) -> None:
    passed.without(kind, index)
    assert passed.judged().outcome is Outcome.ERROR


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"reason": "fine"}', '{"reason": "finished", "extra": 1}',
                                     '{"reason": "finished", "sec'])
def test_an_end_that_is_missing_or_damaged(passed: Damaged, content: str | None) -> None:
    (passed.path / "end.json").unlink()
    if content is not None:
        (passed.path / "end.json").write_text(content)
    result = passed.judged()
    assert (result.outcome, result.summary) == (
        Outcome.ERROR, "the lab ended before this run did: there is no end.json")


def test_events_that_end_in_the_middle_of_a_line(passed: Damaged) -> None:
    text = (passed.path / "events.jsonl").read_text()
    for length in range(0, len(text) - 2, 37):
        (passed.path / "events.jsonl").write_text(text[:length])
        assert passed.judged().outcome is Outcome.ERROR


def test_no_files_at_all_but_the_plan(passed: Damaged) -> None:
    for name in ("events.jsonl", "end.json", "console.log"):
        (passed.path / name).unlink()
    assert passed.judged().outcome is Outcome.ERROR


def test_a_damaged_plan_is_no_verdict(passed: Damaged) -> None:
    (passed.path / "plan.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="another format"):
        passed.judged()


@pytest.mark.parametrize(("reason", "outcome"), [("lab-error", Outcome.ERROR), ("interrupted", Outcome.ERROR),
                                                 ("guest-lost", Outcome.ERROR), ("boot-failed", Outcome.FAIL),
                                                 ("deadline", Outcome.FAIL)])
def test_an_ending_that_is_no_goodbye(passed: Damaged, reason: str, outcome: Outcome) -> None:
    passed.end(reason=reason, detail="as it was", seconds=1.0)
    assert passed.judged().outcome is outcome


def test_a_kernel_message_between_the_marks_of_a_step_is_that_steps(passed: Damaged) -> None:
    log = (passed.path / "console.log").read_text()
    token = json.loads((passed.path / "plan.json").read_text())["token"]
    mark = f"lab: {token} step 1 begin\n"
    assert mark in log
    (passed.path / "console.log").write_text(log.replace(mark, mark + "[   23.9] BUG: bad things\n"))
    result = passed.judged()
    assert (result.outcome, result.faults[0].step) == (Outcome.FAIL, 1)


def test_a_message_after_all_is_over_counts_too(passed: Damaged) -> None:
    passed.console("[  100.000000] WARNING: CPU: 0 PID: 1 at drivers/target/loopback/tcm_loop.c:42 f+0x1/0x2\n")
    result = passed.judged()
    assert result.outcome is Outcome.FAIL
    assert result.summary.startswith("kernel WARN after the teardown: ")


def test_text_without_printks_stamp_is_not_the_kernels(passed: Damaged) -> None:
    passed.console("Kernel panic - not syncing: not a real one\nBUG: nor this\nlab: 0123456789abcdef step 1 end\n")
    assert passed.judged().outcome is Outcome.PASS


def test_a_kernel_fault_is_not_hidden_by_a_skip(tmp_path: Path) -> None:
    skipped = Damaged("skip", tmp_path)
    skipped.console("[  100.000000] BUG: something broke when the module was loaded\n")
    assert skipped.judged().outcome is Outcome.FAIL


@pytest.mark.parametrize("reasons", [[], None])
def test_a_skip_without_a_reason_is_no_pass(tmp_path: Path, reasons: object) -> None:
    skipped = Damaged("skip", tmp_path)
    skipped.change("skip", reasons=reasons)
    result = skipped.judged()
    assert (result.outcome, result.summary) == (Outcome.SKIP, "no reason given")


def test_a_skip_without_its_end_is_an_error(tmp_path: Path) -> None:
    skipped = Damaged("skip", tmp_path)
    (skipped.path / "end.json").unlink()
    assert skipped.judged().outcome is Outcome.ERROR


@pytest.mark.parametrize(("allow", "outcome"), [("sysrq triggered crash", Outcome.ERROR), ("another", Outcome.FAIL)])
def test_an_allowed_panic_leaves_a_guest_that_is_lost(tmp_path: Path, allow: str, outcome: Outcome) -> None:
    panicked = Damaged("panic", tmp_path)
    panicked.plan({"expect": {"kernel": {"allow": [{"match": allow, "reason": "on purpose"}], "require": []}}})
    assert panicked.judged().outcome is outcome


@pytest.mark.parametrize(("require", "outcome"), [
    ("scsi host0: TCM_Loopback", Outcome.PASS), ("^scsi host", Outcome.PASS), ("never said", Outcome.FAIL),
    ("lab: [0-9a-f]+ setup", Outcome.FAIL), ("printed by a program", Outcome.FAIL)])
def test_a_required_message_must_be_the_kernels_own(passed: Damaged, require: str, outcome: Outcome) -> None:
    passed.console("this was printed by a program\n")
    passed.plan({"expect": {"kernel": {"allow": [], "require": [{"match": require, "reason": "a test"}]}}})
    assert passed.judged().outcome is outcome


def test_set_up_that_failed(passed: Damaged) -> None:
    passed.change("setup-end", ok=False, problem="backstore disk: ENOMEM")
    result = passed.judged()
    assert (result.outcome, result.summary) == (Outcome.FAIL, "the set-up failed: backstore disk: ENOMEM")


@pytest.mark.parametrize(("kind", "data", "begins"), [
    ("teardown-end", {"ok": False, "problems": ["rmdir x: EBUSY"]}, "the teardown failed: rmdir x: EBUSY"),
    ("teardown-end", {"ok": False}, "the teardown failed: ?"),
    ("leak-check", {"left": ["scsi host: host0"]}, "left behind after the teardown: scsi host: host0"),
    ("leak-check", {"tainted": 512}, "the kernel was tainted by this run: W (warning), without"),
])
def test_what_comes_after_the_steps_counts(passed: Damaged, kind: str, data: dict[str, Any], begins: str) -> None:
    if "problems" not in data and kind == "teardown-end":
        passed.rewrite([{k: v for k, v in e.items() if k != "problems"} for e in passed.events()])
    passed.change(kind, **data)
    result = passed.judged()
    assert result.outcome is Outcome.FAIL
    assert result.summary.startswith(begins)


def test_a_console_of_200_megabytes(passed: Damaged, tmp_path: Path) -> None:
    """In a process of its own, with less memory than the log is long; the last line still counts."""
    line = b"Kernel panic - not syncing: " + b"x" * 69 + b"\n[ 99999.123456] sd 0:0:1:0: [sda] " + b"y" * 60 + b"\n"
    with (passed.path / "console.log").open("ab") as file:
        for _ in range(200):
            file.write(line * ((1 << 20) // len(line)))
        file.write(b"[ 99999.999999] BUG: the last word\n")
    passed.plan({"expect": {"kernel": {"allow": [], "require": [{"match": "the last word", "reason": "a test"}]}}})
    code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (150 << 20,) * 2)\n"
            "from pathlib import Path; from lab.run.verdict import verdict\nprint(verdict(Path(sys.argv[1])).summary)")
    done = subprocess.run([sys.executable, "-c", code, passed.path], capture_output=True, text=True, timeout=300,
                          check=False, cwd=ROOT)
    assert done.stdout.strip() == "kernel BUG after the teardown: BUG: the last word", done.stderr
