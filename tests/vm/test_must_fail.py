"""Scenarios whose expectations are wrong on purpose, on a real kernel: each check of a step, the set-up and the leak
check is seen to fire, and its report says what a person needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.host import Ready
from lab.scenario.library import load_library
from tests.command import ROOT, Lab, Ran, assert_no_qemu

pytestmark = pytest.mark.vm
FOLDER = ROOT / "tests/vm/scenarios"
# What the first reason must say; every other scenario there must be skipped.
FAILURES = {
    "changed-block": "block 2345: other bytes instead of generation 1",
    "condition-never-true": "ETIMEDOUT",
    "hung-background": "ETIMEDOUT",
    "leaked-reference": "module tcm_loop: 1 reference",
    "lost-blocks": "block 0: zeros instead of generation 1",
    "program-too-slow": "ETIMEDOUT",
    "setup-fails": "emulate_tpu=1: ENOSYS",
    "unexpected-success": "expected errno ENODEV, observed success",
}
SKIPS = {"no-such-attribute": "emulate_no_such_thing"}


@pytest.fixture(scope="module")
def ran(prepared: Ready, kernel_spec: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All of tests/vm/scenarios on the tests' kernel, two guests side by side."""
    where: Path = tmp_path_factory.mktemp("must-fail")
    done = Lab(where, kernel_spec)("run", FOLDER, "-j", "2")
    assert_no_qemu(where)
    return done


def test_nothing_there_is_left_out() -> None:
    assert {run.id for run in load_library(FOLDER).runs} == {*FAILURES, *SKIPS}


@pytest.mark.parametrize("name", FAILURES)
def test_the_failure_is_found_and_named(ran: Ran, name: str) -> None:
    result = ran.result(name)
    assert result["outcome"] == "fail"
    assert FAILURES[name] in result["reasons"][0]["text"]


@pytest.mark.parametrize("name", SKIPS)
def test_what_the_kernel_lacks_is_a_skip(ran: Ran, name: str) -> None:
    result = ran.result(name)
    assert result["outcome"] == "skip"
    assert SKIPS[name] in result["reasons"][0]["text"]
