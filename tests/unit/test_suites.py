"""Test suites of others as steps: their cases against the list, the list itself, and their place in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from test_junit import result

from lab.guest.iscsi_test_cu import read_cases
from lab.guest.program import Heard
from lab.guest.suite_list import missing
from lab.report.junit import render
from lab.report.result import Case, Outcome, StepResult
from lab.report.table import row
from lab.run.judge import judge
from lab.run.reasons import of_step
from lab.run.suites import cases
from lab.scenario.load import Loaded, load
from lab.scenario.steps import Step
from tests.junit_schema import errors_of

ENDINGS = ["pass", "fail", "skip", "hung", "crashed", None]
NAMES = ["ALL.A.One", "ALL.A.Two", "ALL.B.One"]


def step(*deviations: dict[str, Any]) -> Step:
    return Step.model_validate({"suite": {"suite": "iscsi-test-cu", "lun": "disk", "tests": ["ALL"],
                                          "deviations": list(deviations)}})


def deviation(ends: str | list[str], *names: str) -> dict[str, Any]:
    return {"cases": list(names) or ["ALL.A.One"], "ends": ends, "reason": "because of the kernel"}


def observed(ends: str | None, **facts: Any) -> dict[str, Any]:
    """The first case ended so (None: it left no result), the others passed."""
    seen = [{"name": n, "ends": "pass", "why": "", "output": "", "seconds": 0.5} for n in NAMES]
    seen[0].update(ends=ends, why="it says so", output="line")
    return {"ok": True, "all": NAMES, "chosen": NAMES, "unmatched": [], "cases": seen if ends else seen[1:], **facts}


def outcome(listed: str | list[str] | None, ends: str | None) -> Outcome:
    made = step(*([deviation(listed)] if listed else [])).suite
    assert made is not None
    first, *others = cases(made, observed(ends))
    assert [c.outcome for c in others] == [Outcome.PASS, Outcome.PASS]
    return first.outcome


@pytest.mark.parametrize(("listed", "outcomes"), [
    (None, ["pass", "fail", "fail", "fail", "error", "error"]),
    ("fail", ["xpass", "xfail", "fail", "fail", "error", "error"]),
    ("skip", ["xpass", "fail", "skip", "fail", "error", "error"]),
    (["pass", "skip"], ["pass", "fail", "skip", "fail", "error", "error"]),
])
def test_a_case_against_the_list(listed: str | list[str] | None, outcomes: list[str]) -> None:
    assert [outcome(listed, ends).value for ends in ENDINGS] == outcomes


@pytest.mark.parametrize(("made", "seen", "told"), [
    (step(), observed("pass"), []),
    (step(deviation("fail")), observed("fail"), []),
    (step(deviation("fail")), observed("pass"), []),
    (step(), observed("fail"), ["fail: step 1 (t): case ALL.A.One: failed: it says so"]),
    (step(), observed("skip"), ["fail: step 1 (t): case ALL.A.One: it skipped itself, which the list does not say"]),
    (step(), observed(None), ["error: step 1 (t): 1 of 3 cases left no result (ALL.A.One)"]),
    (step(), observed("crashed", problem="it crashed"), ["error: step 1 (t): 1 of 3 cases left no result"]),
    (step(deviation("fail", "ALL.A.Won")), observed("pass"),
     ["error: step 1 (t): the list of deviations speaks of ALL.A.Won"]),
    (step(), observed("pass", unmatched=["ALL.C"]), ["error: step 1 (t): iscsi-test-cu has no case ALL.C"]),
    (step(), observed("pass", chosen=[]), ["error: step 1 (t): no case of iscsi-test-cu is left to be run"]),
    (step(), {"ok": False, "problem": "no program"}, ["error: step 1 (t): iscsi-test-cu could not be run: no program"]),
    (step(), {}, ["error: step 1 (t): iscsi-test-cu could not be run"]),
])
def test_what_becomes_a_reason(made: Step, seen: dict[str, Any], told: list[str]) -> None:
    checks = judge(made, seen, 1.0)
    assert checks, "a step without a check would pass by silence"
    reasons = list(of_step(StepResult(0, "t", True, 1.0, checks)))
    assert len(reasons) == len(told)
    assert all(f"{r.outcome.value}: {r.text}".startswith(t) for r, t in zip(reasons, told, strict=True))


def test_each_failing_case_has_a_fingerprint_of_its_own() -> None:
    seen = observed("fail")
    seen["cases"][1].update(ends="fail", why="it says so")
    prints = {r.fingerprint for r in of_step(StepResult(0, "t", True, 1.0, judge(step(), seen, 1.0)))}
    assert len(prints) == 2
    assert "" not in prints


FILE = """scenario: a
summary: what must be true here
backstores: {disk: {type: ramdisk, size: 1M}}
steps:
  - suite: {suite: iscsi-test-cu, lun: disk, tests: [ALL], expected: a.expected}
"""
LISTED = """suite: iscsi-test-cu
deviations:
  - {cases: [ALL.A], ends: skip, on: [fileio], reason: for fileio only}
  - {cases: [ALL.B], ends: fail, on: [ramdisk], reason: for ramdisk only}
"""


def with_list(tmp_path: Path, text: str | None) -> Loaded:
    (tmp_path / "a.yaml").write_text(FILE)
    if text is not None:
        (tmp_path / "a.expected").write_text(text)
    return load(tmp_path / "a.yaml")


def test_a_list_is_attached_for_the_backstore(tmp_path: Path) -> None:
    (run,) = with_list(tmp_path, LISTED).runs
    assert run.scenario.steps[0].suite is not None
    assert [d.cases for d in run.scenario.steps[0].suite.deviations] == [["ALL.B"]]
    assert run.digest != with_list(tmp_path, LISTED + "# other\n").runs[0].digest


@pytest.mark.parametrize(("text", "told"), [
    (None, "a.expected: cannot read this file"),
    (LISTED.replace("iscsi-test-cu", "xfstests"), "a.expected:1:8: expected one of iscsi-test-cu"),
    (LISTED.replace("reason: for", "raeson: for"), "a.expected:3:48: unknown key 'raeson'"),
    (LISTED.replace("ends: skip", "ends: sikp"), "a.expected:3:28: expected one of pass, fail, skip or a list"),
    ("suite: [\n", "a.expected:"),
])
def test_what_is_wrong_in_a_list_is_said_at_its_place(tmp_path: Path, text: str | None, told: str) -> None:
    found = with_list(tmp_path, text)
    assert not found.runs
    assert any(told in str(problem) for problem in found.problems), found.problems


def test_a_suite_inside_a_group_is_refused(tmp_path: Path) -> None:
    group = FILE.replace("  - suite:", "  - repeat: {times: 2, steps: [{suite:")
    group = group.replace("a.expected}", "a.expected}}]}")
    (tmp_path / "a.yaml").write_text(group)
    (problem,) = load(tmp_path / "a.yaml").problems
    assert "a suite cannot be inside repeat" in str(problem)


def test_a_suite_in_the_background_gets_its_list_and_is_skipped_where_it_is_not(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FILE.replace("  - suite:", "  - background: {name: b, step: {suite:").replace("a.expected}", "a.expected}}}")
    (tmp_path / "a.yaml").write_text(text + "  - join: {name: b}\n")
    (tmp_path / "a.expected").write_text(LISTED)
    (run,) = load(tmp_path / "a.yaml").required_runs()
    background = run.scenario.steps[0].background
    assert background is not None
    assert background.step.suite is not None
    assert [d.cases for d in background.step.suite.deviations] == [["ALL.B"]]
    monkeypatch.setattr("lab.guest.program.which", lambda name: None)
    assert ["libiscsi-bin" in why for why in missing(run.scenario.model_dump()["steps"])] == [True]


PRINTED = """Bus transfer size is limited to 240 blocks.
Suite: Read6
  Test: Simple ...passed
  Test: Beyond ...    [SKIPPED] READ6 is not implemented.
passed
Suite: Verify10
  Test: Mismatch ...    [FAILED] VERIFY10 successful but should have failed
FAILED
    1. test_verify10.c:40  - CU_ASSERT_EQUAL(_r,0)
  Test: Other ...FAILED
    1. test_verify10.c:50  - CU_ASSERT_EQUAL(a,b)
    2. test_verify10.c:60  - CU_ASSERT_EQUAL(a,b)
Suite: Next
  Test: Last ...    words""".splitlines()


@pytest.mark.parametrize(("status", "last"), [(None, "hung"), (-11, "crashed")])
def test_what_iscsi_test_cu_prints(status: int | None, last: str) -> None:
    found = list(read_cases(Heard(status, [(float(n), line) for n, line in enumerate(PRINTED)])))
    assert [(c.name, c.ends, c.why) for c in found] == [
        ("ALL.Read6.Simple", "pass", ""), ("ALL.Read6.Beyond", "skip", "READ6 is not implemented."),
        ("ALL.Verify10.Mismatch", "fail", "VERIFY10 successful but should have failed"),
        ("ALL.Verify10.Other", "fail", "1. test_verify10.c:50  - CU_ASSERT_EQUAL(a,b)"),
        ("ALL.Next.Last", last, "")]


def test_cases_are_cases_of_the_report() -> None:
    of_all = [Case(f"case {o.value}", o, "the reason", "the output", 0.25) for o in Outcome]
    made = result("run", Outcome.PASS)
    made = type(made)(**{**vars(made), "steps": [StepResult(0, "s", True, 1.0, [], [], of_all)]})
    text = render([("k", {}, [made, result("next")])])
    assert errors_of(text) == []
    suite = next(ElementTree.fromstring(text).iter("testsuite"))
    assert [suite.attrib[n] for n in ("tests", "failures", "errors", "skipped")] == ["8", "1", "1", "2"]
    classes = [case.attrib["classname"] for case in suite.iter("testcase")]
    assert classes == ["k.one", *["k.run"] * len(of_all), "k.one"]
    assert [len(list(case.iter("properties"))) for case in suite.iter("testcase")] == [1, *[0] * len(of_all), 1]
    assert "6 cases: 1 passed, 1 failed, 1 errors, 1 known to fail" in " ".join(row(made))
