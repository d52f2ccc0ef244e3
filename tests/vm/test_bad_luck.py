"""Guests that die, hang, shout and leave things behind: all in one session, so that none takes another's result along.

Every check of the lab is shown to fire here, on a real kernel, and shown not to where it must not.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.cli.host import Ready
from lab.console.finding import Effect
from lab.console.scan import scan_file
from tests.command import ROOT, Lab, Ran, assert_no_qemu
from tests.junit_schema import errors_of

pytestmark = pytest.mark.vm
FOLDER = ROOT / "tests/vm/bad_luck"
# The lab's patience, not the kernel's: what hangs here hangs for ever.
IMPATIENT = {"lab.run.runner._GRACE_S": 1.0, "lab.run.runner._PING_S": 1.0}
OUTCOMES = {
    "agent-killed": "error", "clock": "pass", "flood": "pass", "forged": "pass",
    "forged-hang": "pass", "forged-log": "pass", "good": "pass", "hang": "fail",
    "hostile": "fail", "hung-task[allowed=something else]": "fail", "hung-task[allowed=task hung in]": "pass",
    "leak": "fail", "needs-module": "skip", "panic": "fail", "reboot": "error", "required": "fail",
    "skip[tool=no_such_tool]": "skip", "skip[tool=sg_raw]": "pass", "taint": "fail", "teardown": "fail",
    "wrong": "fail",
}


@pytest.fixture(scope="module")
def ran(prepared: Ready, kernel_spec: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All of tests/vm/bad_luck on the tests' kernel, two guests side by side."""
    where = tmp_path_factory.mktemp("bad-luck")
    command = Lab(where, kernel_spec)
    done = command("run", FOLDER, "-j", "2", patch=IMPATIENT)
    assert_no_qemu(where)
    return done


def reasons(ran: Ran, run_id: str) -> list[str]:
    return [reason["text"] for reason in ran.result(run_id)["reasons"]]


def directory(ran: Ran, run_id: str) -> Path:
    return Path(ran.result(run_id)["directory"])


def case_of(ran: Ran, run_id: str) -> ElementTree.Element:
    cases = ElementTree.parse(ran.session / "junit.xml").iter("testcase")
    return next(case for case in cases if case.attrib["name"] == run_id)


def end(ran: Ran, run_id: str) -> dict[str, Any]:
    return dict(json.loads((directory(ran, run_id) / "end.json").read_text()))


def test_every_scenario_has_its_result_and_no_other(ran: Ran) -> None:
    found = {name: outcome for name, outcome in ran.outcomes().items() if name != "oops"}
    assert found == OUTCOMES, ran.said


def test_exit_status_table_and_xml(ran: Ran) -> None:
    assert ran.status == 1
    assert "Traceback" not in ran.said
    assert errors_of((ran.session / "junit.xml").read_text()) == []
    for line in ran.stdout.splitlines():
        assert len(line) <= 80 or line.startswith(("files: ", "      repeat: "))
    for run_id in OUTCOMES:
        assert re.search(rf"^(pass|FAIL|ERROR|skip) +{re.escape(run_id)}( |$)", ran.stdout, re.MULTILINE)


def test_a_panic_is_the_kernels_fault_and_names_its_step(ran: Ran) -> None:
    first, = ran.result("panic")["reasons"]
    assert first["outcome"] == "fail"
    assert re.match(r"kernel panic in step 2 \(the panic\): .*sysrq triggered crash", first["text"])
    assert "Call Trace" in first["detail"]
    assert end(ran, "panic")["reason"] == "guest-lost"


def test_a_hang_is_found_and_its_reason_kept(ran: Ran) -> None:
    first, = ran.result("hang")["reasons"]
    assert "step 2 (the write that hangs) did not end in time" in first["text"]
    assert "agent still answers" in first["text"]
    kept = {path.name: path.read_text() for path in (directory(ran, "hang") / "artifacts").iterdir()}
    assert "waits uninterruptibly" in kept["tasks.txt"]
    assert "core/iblock_0/disk/statistics/" in kept["lio.txt"]
    assert "MemFree" in kept["memory.txt"]
    assert ".state=in_flight" in kept["block.txt"]
    assert re.search(r"^RIP=|RAX=", kept["registers.txt"], re.MULTILINE)
    assert re.search(r"^[0-9a-f]{16}: 0x[0-9a-f]{16}", kept["stacks.txt"], re.MULTILINE)
    console = (directory(ran, "hang") / "console.log").read_text(errors="replace")
    assert "sysrq: Show Blocked State" in console
    assert "Kernel panic - not syncing: NMI" in console, "the lab's own doing"
    assert ran.result("hang")["faults"] == [], "which is no fault of the kernel"


def test_a_hang_is_summed_up_in_ten_lines(ran: Ran) -> None:
    lines = (directory(ran, "hang") / "artifacts/summary.txt").read_text().splitlines()
    assert len(lines) <= 10
    assert re.match(r"the guest's agent still answers; \d+ tasks? waits? uninterruptibly", lines[0])
    assert re.match(r"\S+ \(\d+\) waits for I/O in \w+", lines[1])
    assert re.match(r"sda: Write\(10\) 2a .* in flight for [\d.]+ s", lines[-1])
    assert lines[1] in ran.result("hang")["reasons"][0]["detail"]


@pytest.mark.parametrize("run_id", ["agent-killed", "reboot"])
def test_a_guest_that_goes_without_a_word_is_an_error_of_the_lab(ran: Ran, run_id: str) -> None:
    first, = ran.result(run_id)["reasons"]
    assert first["outcome"] == "error"
    assert "the guest was lost during step 1" in first["text"]
    assert "QEMU: exit 0" in first["text"]


def test_an_oops_is_the_kernels_fault(ran: Ran, prepared: Ready) -> None:
    version = tuple(int(n) for n in re.findall(r"\d+", prepared.kernel.release)[:2])
    if version >= (6, 8):
        pytest.skip(f"{prepared.kernel.release} has commit 4cbec7e89a41")
    result = ran.result("oops")
    assert result["outcome"] == "fail"
    assert result["reasons"][0]["text"].startswith("kernel oops in step 3 (the write that oopses): NULL pointer")
    assert result["faults"][0]["step"] == 2


def test_a_message_that_is_allowed_does_not_fail_and_another_does(ran: Ran) -> None:
    good, bad = (ran.result(f"hung-task[allowed={word}]") for word in ("task hung in", "something else"))
    assert good["faults"][0]["kind"] == bad["faults"][0]["kind"] == "hung-task"
    assert good["faults"][0]["allowed"] == "the device was suspended on purpose"
    assert bad["faults"][0]["allowed"] is None
    assert re.match(r"kernel hung-task in step \d \(.*\): task hung in", bad["reasons"][0]["text"])


def test_what_is_left_behind_is_named(ran: Ran) -> None:
    said = "\n".join(reasons(ran, "leak"))
    for thing in ("dm device: dm-0", "scsi host: host", "scsi device: "):
        assert f"left behind after the teardown: {thing}" in said


def test_a_teardown_that_fails_is_named_with_its_errno(ran: Ran) -> None:
    said = reasons(ran, "teardown")
    assert "the teardown failed: rmdir core/rd_mcp_0/disk: EBUSY" in said
    assert "left behind after the teardown: configfs: core/rd_mcp_0/disk" in said


def test_taint_without_a_message_fails(ran: Ran) -> None:
    only, = reasons(ran, "taint")
    assert only == ("the kernel was tainted by this run: U (requested by user space), without a message that "
                    "explains it")


def test_a_wrong_expectation_says_what_was_expected_and_observed(ran: Ran) -> None:
    first, = reasons(ran, "wrong")
    assert "step 1 (beyond the end): expected sense MEDIUM_ERROR, observed CHECK_CONDITION; ILLEGAL REQUEST" in first
    assert ran.result("wrong")["steps"][1]["ran"] is False


def test_a_message_that_must_come_and_does_not(ran: Ran) -> None:
    only, = reasons(ran, "required")
    assert only == "the kernel did not print 'never said by any kernel', which is required: a test of the lab"


def test_text_of_a_step_is_not_the_kernels(ran: Ran) -> None:
    for run_id in ("forged", "flood", "forged-log"):
        assert "Kernel panic - not syncing: not a real one" in \
            (directory(ran, run_id) / "console.log").read_text(errors="replace")
        assert ran.result(run_id)["faults"] == []
    assert ran.result("forged")["steps"][1]["ran"] is True


def test_text_that_looks_like_the_kernels_in_every_way_would_count_but_for_the_guests_word(ran: Ran) -> None:
    for run_id, number in (("forged-log", 4), ("forged-hang", 2)):
        lines = scan_file(directory(ran, run_id) / "console.log")
        assert len([f for f in lines if f.effect is Effect.FAIL]) >= number, "the forgery is no good one"
        assert ran.result(run_id)["faults"] == []
        assert all(step["ran"] and step["seconds"] is not None for step in ran.result(run_id)["steps"])


def test_skips_name_every_reason(ran: Ran) -> None:
    case = case_of(ran, "needs-module")
    said = " ".join(skipped.attrib["message"] for skipped in case.iter("skipped"))
    assert all(word in said for word in ("no_such_module", "nor_this_one", "CONFIG_NO_SUCH_OPTION"))
    assert reasons(ran, "skip[tool=no_such_tool]") == ["program no_such_tool is not in the guest"]


def test_the_clock_of_the_guest_does_not_matter(ran: Ran) -> None:
    steps = ran.result("clock")["steps"]
    assert len(steps) == 6
    assert all(0 <= step["seconds"] < 60 for step in steps)


def test_hostile_text_is_shown_in_xml_as_it_was(ran: Ran) -> None:
    message = next(case_of(ran, "hostile").iter("failure")).attrib["message"]
    assert "]]>" in message
    assert "<failure>" in message
    assert "step 1 (a name with <, & and ]]>)" in message


def test_a_saved_run_is_judged_again_to_the_same_verdict(ran: Ran, lab: Lab) -> None:
    again = lab("judge", directory(ran, "panic"))
    assert again.status == 1
    assert "kernel panic in step 2 (the panic)" in again.stdout
