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
    "failed-write-came-through": "block 0: generation 2, which is new",
    "fails-in-a-round": "round 2, parallel: configfs mkdir=core/rd_mcp_77: result success, observed EEXIST",
    "hung-background": "ETIMEDOUT",
    "handler-dies": "the tcmu handler died: signal 9 ended it",
    "leaked-reference": "module tcm_loop: 1 reference",
    "lost-blocks": "block 0: zeros instead of generation 1",
    "new-file": "naa.6001405000000001/tpgt_1/address nothing, observed a file that says",
    "not-lost": "block 0: generation 1, which is new",
    "outstanding-command": "1 command outstanding after the steps",
    "program-too-slow": "ETIMEDOUT",
    "setup-fails": "emulate_tpu=1: ENOSYS",
    "suite-case-fails": "case ALL.Verify10.VerifyProtect: failed: VERIFY10 successful but should have failed",
    "suite-copy-count": "case one-less: failed: it says that it copied 64 instead of 63 blocks",
    "suite-copy-differs": "case changed: failed: block 21 of the destination holds",
    "suite-case-hangs": "case ALL.Read10.Simple: it did not end",
    "suite-fio-corrupt": "case changed: failed: exit 1, EILSEQ: crc32c: verify failed at file /dev/sd",
    "suite-fio-lost": "case behind: failed: exit 1, EILSEQ: verify: bad magic header 0",
    "stress-finds-loss": "expected data what was written, observed disk, block",
    "taken-value": "'0' to {disk}/attrib/emulate_caw EINVAL, observed taken, and the text changed",
    "unexpected-success": "expected errno ENODEV, observed success",
}
SKIPS = {"no-blktests": "name a checkout of it by BLKTESTS=/path",
         "no-such-attribute": "emulate_no_such_thing", "no-such-file": "no core/rd_mcp_0/disk/no_such_file",
         "no-module-parameter": "module tcm_loop has no parameter no_such_limit",
         "no-such-fault": "scsi_debug has no no_such_error",
         "no-such-parameter": "scsi_debug has no parameter no_such_parameter"}


@pytest.fixture(scope="module")
def ran(prepared: Ready, kernel_spec: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All of tests/vm/scenarios on the tests' kernel, two guests side by side."""
    where: Path = tmp_path_factory.mktemp("must-fail")
    done = Lab(where, kernel_spec)("run", FOLDER, "-j", "2", env={"BLKTESTS": ""})
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
