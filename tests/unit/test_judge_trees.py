"""lab.run.judge_trees: what `attribute` and `walk` say of files is shown to hold and to fail."""

from __future__ import annotations

from typing import Any

import pytest

from lab.report.result import Check
from lab.run.judge import judge
from lab.scenario.steps import Step

ATTRIBUTE: dict[str, Any] = {"attribute": {"file": "a", "takes": ["1"], "refuses": ["2"]}}
TAKEN = {"file": "a", "value": "1", "before": "0", "errno": None, "after": "1"}
REFUSED = {"file": "a", "value": "2", "before": "1", "errno": "EINVAL", "after": "1"}
WALK: dict[str, Any] = {"walk": {"directory": ".", "files": {"a/b": r"\d+", "c": "EACCES"}, "optional": {"d": "x"},
                                 "empty": ["e"]}}
FOUND = {"a/b": "12", "c": "EACCES"}


def checks(step: dict[str, Any], observed: dict[str, Any]) -> list[Check]:
    found = judge(Step.model_validate(step), observed, 1.0)
    assert found, "a step without a check would pass by silence"
    return found


def holds(step: dict[str, Any], observed: dict[str, Any]) -> bool:
    return all(check.ok for check in checks(step, observed))


def test_values_that_are_taken_and_refused() -> None:
    assert holds(ATTRIBUTE, {"ok": True, "writes": [TAKEN, REFUSED]})


@pytest.mark.parametrize("writes", [
    [],
    [TAKEN],
    [REFUSED],
    [TAKEN, REFUSED, REFUSED],
    [TAKEN, {**REFUSED, "file": "b"}],
    [{**TAKEN, "errno": "EINVAL"}, REFUSED],
    [{**TAKEN, "after": "0"}, REFUSED],
    [TAKEN, {**REFUSED, "errno": None}],
    [TAKEN, {**REFUSED, "errno": "EPERM"}],
    [TAKEN, {**REFUSED, "after": "2"}],
    [{"file": "a", "missing": True}],
    [{**TAKEN, "errno": "ENOENT", "before": "ENOENT", "after": "ENOENT"}, {**REFUSED, "errno": "ENOENT"}],
])
def test_writes_that_went_otherwise(writes: list[dict[str, Any]]) -> None:
    assert not holds(ATTRIBUTE, {"ok": True, "writes": writes})


def test_what_a_file_says_after_a_value_can_be_given() -> None:
    step = {"attribute": {"file": "a", "takes": ["0x10", "y"], "reads": "1"}}
    writes = [{**TAKEN, "value": value} for value in ("0x10", "y")]
    assert holds(step, {"ok": True, "writes": writes})
    assert not holds(step, {"ok": True, "writes": [writes[0], {**writes[1], "after": "y"}]})


def test_a_file_may_be_missing_where_the_scenario_says_so() -> None:
    step = {"attribute": {"file": ["a", "b"], "refuses": ["2"], "errno": ["EINVAL", "EPERM"], "optional": True}}
    missing = {"file": "a", "missing": True}
    assert holds(step, {"ok": True, "writes": [missing, {**REFUSED, "file": "b", "errno": "EPERM"}]})
    assert not holds(step, {"ok": True, "writes": [missing]})


def test_a_tree_that_is_as_said() -> None:
    assert holds(WALK, {"ok": True, "found": FOUND, "empty": ["e"]})
    assert holds(WALK, {"ok": True, "found": {**FOUND, "d": "x"}, "empty": ["e"]})


@pytest.mark.parametrize(("found", "empty", "about"), [
    ({}, ["e"], "missing"),
    ({"c": "EACCES"}, ["e"], "missing"),
    ({**FOUND, "new": "1"}, ["e"], "a file that says '1'"),
    ({**FOUND, "d": "y"}, ["e"], "'y'"),
    ({**FOUND, "a/b": "12 "}, ["e"], "'12 '"),
    ({**FOUND, "a/b": "EIO"}, ["e"], "'EIO'"),
    (FOUND, [], "missing, or not empty"),
    (FOUND, ["e", "f"], "an empty directory"),
])
def test_a_tree_that_is_not(found: dict[str, str], empty: list[str], about: str) -> None:
    wrong = [c for c in checks(WALK, {"ok": True, "found": found, "empty": empty}) if not c.ok]
    assert any(about in c.observed for c in wrong)


def test_a_report_of_many_files_has_an_end() -> None:
    found = checks(WALK, {"ok": True, "found": {**FOUND, **{f"new{n}": "1" for n in range(20)}}, "empty": ["e"]})
    assert [c.ok for c in found] == [False] * 9
    assert found[-1].observed == "12 more that are not"


def test_a_nul_is_no_text() -> None:
    step = {"walk": {"directory": ".", "files": {"a": ".*"}}}
    assert holds(step, {"ok": True, "found": {"a": "x"}, "empty": []})
    assert not holds(step, {"ok": True, "found": {"a": "x\0"}, "empty": []})


@pytest.mark.parametrize("step", [ATTRIBUTE, WALK])
def test_silence_and_failure_are_no_pass(step: dict[str, Any]) -> None:
    seen = {"writes": [TAKEN, REFUSED], "found": FOUND, "empty": ["e"]}
    for observed in ({}, {"ok": True}, {"ok": False, **seen}, {"ok": True, "writes": {}, "found": [], "empty": None}):
        assert not holds(step, observed)


def test_an_expect_comes_on_top() -> None:
    step = {**WALK, "expect": {"took": {"at_most": "1s"}}}
    assert holds(step, {"ok": True, "found": FOUND, "empty": ["e"], "seconds": 0.5})
    assert not holds(step, {"ok": True, "found": FOUND, "empty": ["e"], "seconds": 2.0})
    assert not holds(step, {"ok": True, "found": {}, "empty": ["e"], "seconds": 0.5})
