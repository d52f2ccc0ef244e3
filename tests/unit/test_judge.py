"""lab.run.judge: each fact that a scenario can expect is shown to hold and to fail."""

from __future__ import annotations

from typing import Any

import pytest

from lab.run.judge import describe, judge
from lab.scenario.steps import Step

MEDIUM_ERROR = "70000300000000_0a_00000000_1101_00000000".replace("_", "")
INFORMATION = "f0000300000010_0a_00000000_1100_00000000".replace("_", "")
ILLEGAL = "70000500000000_0a_00000000_2100_00000000".replace("_", "")


def checks(expect: dict[str, Any] | None, observed: dict[str, Any], slowdown: float = 1.0, **step: Any) -> bool:
    words = step or {"run": {"argv": ["x"]}}
    made = Step.model_validate({**words, **({"expect": expect} if expect else {})})
    found = judge(made, observed, slowdown)
    assert found, "a step without a check would pass by silence"
    return all(check.ok for check in found)


@pytest.mark.parametrize(("expect", "holds", "fails"), [
    (None, {"ok": True}, {"ok": False}),
    (None, {"ok": True}, {}),
    (None, {"ok": True}, {"ok": 1}),
    ({"ok": False}, {"ok": False}, {"ok": True}),
    ({"ok": False}, {"ok": False}, {}),
    ({"status": "GOOD"}, {"status": 0}, {"status": 2}),
    ({"status": "GOOD"}, {"status": 0}, {}),
    ({"status": "GOOD"}, {"status": 0, "host_status": 0}, {"status": 0, "host_status": 7}),
    ({"status": "RESERVATION_CONFLICT"}, {"status": 0x18}, {"status": 0}),
    ({"sense": "MEDIUM_ERROR"}, {"sense": MEDIUM_ERROR}, {"sense": ""}),
    ({"sense": "3/11/01"}, {"sense": MEDIUM_ERROR}, {"sense": INFORMATION}),
    ({"sense": "ILLEGAL_REQUEST"}, {"sense": ILLEGAL}, {"sense": MEDIUM_ERROR}),
    ({"information": 16}, {"sense": INFORMATION}, {"sense": MEDIUM_ERROR}),
    ({"sense_format": "fixed"}, {"sense": MEDIUM_ERROR}, {"sense": "7203110100000000"}),
    ({"sense_format": "descriptor"}, {"sense": "7203110100000000"}, {"sense": MEDIUM_ERROR}),
    ({"sense_format": "descriptor"}, {"sense": "7203110100000000"}, {"sense": ""}),
    ({"errno": "EIO"}, {"errno": "EIO"}, {"errno": "EINVAL"}),
    ({"errno": ["EIO", "ENODEV"]}, {"errno": "ENODEV"}, {"errno": "EINVAL"}),
    ({"errno": "EIO"}, {"errno": "EIO"}, {"ok": True}),
    ({"host_status": "DID_NO_CONNECT"}, {"host_status": 1}, {"host_status": 0}),
    ({"residual": 0}, {"residual": 0}, {"residual": 512}),
    ({"residual": 0}, {"residual": 0}, {}),
    ({"data": "00ff"}, {"data": "00ff77"}, {"data": "00"}),
    ({"data": "00ff"}, {"data": "00ff77"}, {}),
    ({"fill": 0}, {"fill": 0, "data": "0000"}, {"fill": 1, "data": "0101"}),
    ({"fill": 0}, {"fill": 0}, {"data": "0000"}),
    ({"text": "a b"}, {"text": "a b\n"}, {"text": "a b c"}),
    ({"text": ""}, {"text": ""}, {}),
    ({"match": "^b"}, {"text": "a\nb"}, {"text": "ab"}),
    ({"match": "."}, {"text": "a"}, {}),
    ({"exit": 0}, {"exit": 0}, {"exit": -9}),
    ({"exit": 0}, {"exit": 0}, {}),
    ({"took": {"at_least": "2s"}}, {"seconds": 2.0}, {"seconds": 1.9}),
    ({"took": {"at_most": "2s"}}, {"seconds": 2.0}, {"seconds": 2.1}),
    ({"took": {"at_most": "2s"}}, {"seconds": 2.0}, {}),
    ({"any_of": [{"exit": 0}, {"errno": "EIO"}]}, {"errno": "EIO", "exit": 1}, {"errno": "EINVAL", "exit": 1}),
    ({"kernel": {"allow": [{"match": "x", "reason": "y"}]}}, {"ok": True}, {"ok": False}),
    ({"kernel": {"require": [{"match": "x", "reason": "y"}]}, "errno": "EIO"}, {"errno": "EIO"}, {"ok": True}),
    ({"ok": True, "exit": 0}, {"ok": True, "exit": 0}, {"ok": True, "exit": 1}),
])
def test_a_fact(expect: dict[str, Any] | None, holds: dict[str, Any], fails: dict[str, Any]) -> None:
    assert checks(expect, holds)
    assert not checks(expect, fails)


def test_fields_of_an_answer() -> None:
    capacity = {"data": "00000000000007ff00000200" + "00" * 20}
    step = {"scsi": {"lun": "disk", "command": "read_capacity16"}}
    assert checks({"fields": {"block_size": 512}}, capacity, **step)
    assert not checks({"fields": {"block_size": 4096}}, capacity, **step)
    found = judge(Step.model_validate({**step, "expect": {"fields": {"no_such_field": 1}}}), capacity, 1.0)
    assert [check.ok for check in found] == [False]
    assert "there is none among" in found[0].observed
    cut = judge(Step.model_validate({**step, "expect": {"fields": {"no_such_field": 1}}}), {"data": ""}, 1.0)
    assert [check.ok for check in cut] == [False]


def test_upper_bounds_of_time_stretch_and_lower_ones_do_not() -> None:
    assert checks({"took": {"at_most": "2s"}}, {"seconds": 9.9}, slowdown=5.0)
    assert not checks({"took": {"at_least": "2s"}}, {"seconds": 1.0}, slowdown=5.0)


def test_a_failure_is_described_by_what_tells_most() -> None:
    assert describe({"status": 2, "sense": MEDIUM_ERROR}).startswith("CHECK_CONDITION; MEDIUM ERROR")
    assert describe({"exit": 127, "problem": "busybox failed (exit 127): no applet"}) == \
        "busybox failed (exit 127): no applet"
    assert describe({"exit": 1}) == "exit 1"
    assert describe({"ok": True, "exit": 0}) == "success"
    assert describe({}) == "failure without a reason"
    assert "LBA 5: zeros" in describe({"first_bad": [{"lba": 5, "found": "zeros"}]})


def test_time_that_the_host_took_away_does_not_count() -> None:
    step = Step.model_validate({"run": {"argv": ["true"]}, "expect": {"took": {"at_most": "2s"}}}, strict=False)
    for seconds, starved, ok in ((9.0, 0.0, True), (11.0, 0.0, False), (11.0, 1.5, True), (12.0, 1.5, False)):
        check, = judge(step, {"ok": True, "seconds": seconds, "starved": starved}, 5.0)
        assert check.ok is ok


PAIR = {"steps": [{"write": {"lun": "d"}}, {"configfs": {"rmdir": "x"}, "expect": {"errno": "EBUSY"}}]}
GOOD, BUSY = {"ok": True, "seconds": 0.1}, {"ok": False, "errno": "EBUSY", "problem": "x: EBUSY"}


def told(step: dict[str, Any], observed: dict[str, Any]) -> list[str]:
    found = judge(Step.model_validate(step), observed, 1.0)
    return [f"{c.what}: expected {c.expected}, observed {c.observed}" for c in found if not c.ok]


def test_each_part_of_a_parallel_is_judged_by_its_own_expectation() -> None:
    assert told({"parallel": PAIR}, {"ok": False, "parts": [GOOD, BUSY]}) == []
    assert told({"parallel": PAIR}, {"ok": True, "parts": [BUSY, GOOD]}) == [
        "write lun=d: result: expected success, observed EBUSY",
        "configfs rmdir=x: errno: expected EBUSY, observed success"]
    assert told({"parallel": PAIR}, {"ok": True, "parts": [GOOD]}) == [
        "configfs rmdir=x: result: expected success, observed it was not carried out"]
    assert len(told({"parallel": PAIR}, {"ok": True})) == 1
    slow = {"parallel": PAIR, "expect": {"took": {"at_most": 1.0}}}
    assert told(slow, {"ok": True, "parts": [GOOD, BUSY], "seconds": 2.0}) == [
        "time: expected at most 1 s, observed 2.00 s"]


def test_a_failure_names_its_round() -> None:
    step = {"repeat": {**PAIR, "times": 4}}
    assert told(step, {"rounds": [{"first": 1, "last": 4, "parts": [GOOD, BUSY]}]}) == []
    assert told(step, {"rounds": [{"first": 1, "last": 2, "parts": [GOOD, BUSY]},
                                  {"first": 3, "last": 3, "parts": [BUSY]}]}) == [
        "round 3, write lun=d: result: expected success, observed EBUSY"]
    assert told(step, {"rounds": [{"first": 1, "last": 2, "parts": [GOOD, BUSY]}]}) == [
        "rounds: expected 4, observed 2; failure without a reason"]
    assert told(step, {}) == ["rounds: expected 4, observed 0; failure without a reason"]


def test_allocations_that_fail_one_after_the_other_must_come_to_an_end_that_succeeds() -> None:
    step = {"repeat": {"times": 3, "fails_below": "f", "steps": [
        {"configfs": {"mkdir": "x"}, "expect": {"any_of": [{"ok": True}, {"errno": "ENOMEM"}]}}]}}
    lost, wrong = {"ok": False, "errno": "ENOMEM"}, {"ok": False, "errno": "EIO"}
    rounds = [{"first": 1, "last": 1, "parts": [lost]}, {"first": 2, "last": 2, "parts": [GOOD]}]
    assert told(step, {"rounds": rounds, "whole": True}) == []
    what = "a round in which no allocation below f() fails: expected"
    assert told(step, {"rounds": [*rounds, {"first": 3, "last": 3, "parts": [lost]}], "whole": True}) == [
        f"{what} success, observed ENOMEM"]
    assert told(step, {"rounds": [{"first": 1, "last": 3, "parts": [lost]}], "whole": False}) == [
        f"{what} within 3, observed none"]
    failed, = told(step, {"rounds": [{"first": 1, "last": 1, "parts": [wrong]}], "whole": False})
    assert failed.startswith("round 1, ")
    assert told(step, {"rounds": rounds, "whole": False, "errno": "ETIMEDOUT"})[0].startswith("rounds: expected 3")


ACCOUNT = {"account": {"lun": "d", "action": "end"}}
COUNTS = {"requests": 5, "completed": 5, "sent": 9, "commands": 9, "accepted": 4}


@pytest.mark.parametrize(("change", "problem"), [
    ({}, []),
    ({"completed": 4}, ["requests that have ended: expected 5, observed 4"]),
    ({"commands": 10}, ["commands that LIO counted: expected 9, observed 10"]),
    ({"accepted": 5}, ["field accepted: expected 4, observed 5"]),
])
def test_an_account_must_agree(change: dict[str, int], problem: list[str]) -> None:
    step = {**ACCOUNT, "expect": {"fields": {"accepted": 4}}}
    assert told(step, {"ok": True, "counts": {**COUNTS, **change}}) == problem


def test_an_account_that_could_not_be_taken() -> None:
    assert told(ACCOUNT, {"ok": True, "counts": {}})
    assert told(ACCOUNT, {"ok": False, "errno": "ENODEV", "problem": "x"}) == [
        "result: expected success, observed ENODEV"]
    assert told({"account": {"lun": "d", "action": "begin"}}, {"ok": True}) == []


@pytest.mark.parametrize(("kinds", "observed", "problem"), [
    (["write"], {"ok": True, "counts": {"write": 3}}, None),
    (["write"], {"ok": True, "counts": {}}, "operations: expected at least one, observed none"),
    (["write"], {"ok": True, "counts": {"write": 3}, "failed": ["w: EIO"]},
     "failed operations: expected none, observed w"),
    (["write", "reset"], {"ok": True, "counts": {"write": 3}, "failed": ["w: EIO"]}, None),
    (["write", "reset"],
     {"ok": True, "counts": {"write": 3}, "first_bad": [{"lun": "d", "lba": 9, "found": "zeros"}]},
     "data: expected what was written, observed d, block 9: zeros"),
    (["write"], {"ok": False, "errno": "ETIMEDOUT", "problem": "worker 1 did not end"},
     "result: expected success, observed worker 1"),
])
def test_stress(kinds: list[str], observed: dict[str, Any], problem: str | None) -> None:
    found = told({"stress": {"time": 1.0, "luns": ["d"], "operations": dict.fromkeys(kinds, 1)}}, observed)
    assert (not found) if problem is None else found[0].startswith(problem)
