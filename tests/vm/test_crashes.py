"""Real crashes of real kernels: each one is seen, named, put down to its step, and a hang is looked into.

A module (tests/vm/crashes/labcrash.c) provokes them on the stock kernel, lkdtm on kernels that have it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from lab.cli.host import Ready
from lab.errors import MissingTool
from lab.scenario.library import load_library
from tests.command import ROOT, Lab, Ran, assert_no_qemu
from tests.vm.crash_kernel import with_labcrash

pytestmark = pytest.mark.vm
FOLDER = ROOT / "tests/vm/crashes"
IMPATIENT = {"lab.run.runner._GRACE_S": 1.0, "lab.run.runner._PING_S": 1.0, "lab.run.watch._PATIENCE_S": 0.5}
DEADLINE_S = 600.0
# 6.12 says what is wrong in the line before its report, and only that the object is corrupt in it.
SLAB = r"slab .*(?:Poison overwritten|[Oo]bject corrupt).*"
# Run id -> kind, title (a regular expression over the whole of it), step of the first fault. Steps count from 1;
# None: after the last one. The functions are labcrash's own, never those of the kernel that they called.
CRASHES: dict[str, tuple[str, str, int | None]] = {
    "crash[crash=warn]": ("WARN", "WARNING in labcrash_warn", 2),
    "crash[crash=bug]": ("BUG", r"kernel BUG at (?:\S*/)?labcrash\.c in labcrash_bug", 2),
    "crash[crash=null]": ("oops", "NULL pointer dereference in labcrash_null", 2),
    "crash[crash=gpf]": ("oops", "general protection fault in labcrash_gpf", 2),
    "crash[crash=refcount]": ("refcount", "refcount_t: underflow; use-after-free in labcrash_refcount", 2),
    "crash[crash=list]": ("list-corruption", "list_add corruption in labcrash_list", 2),
    "crash[crash=atomic]": ("atomic", "scheduling while atomic in labcrash_atomic", 2),
    "crash[crash=stack]": ("panic", "stack guard page was hit in labcrash_stack", 2),
    "crash[crash=panic]": ("panic", "Kernel panic: labcrash gives up", 2),
    "crash[crash=after-free]": ("slab", f"{SLAB} in labcrash_after_free", 2),
    "crash[crash=leak]": ("slab", "slab [Oo]bjects remaining .* in labcrash_leak", 2),
    "crash[crash=flood]": ("WARN", "WARNING in labcrash_flood", 2),
    "crash[crash=race]": ("WARN", "WARNING in labcrash_(?:left|right)", 2),
    # "BUG: " at the start of a message is the kernel's own claim of a defect, with a stack or without one.
    "crash[crash=claim]": ("BUG", "BUG: a driver claims this, without a stack", 2),
    "slub-debug": ("slab", "slab .*(?:Right Redzone overwritten|[Oo]bject corrupt).* in labcrash_overflow", 2),
    "kfence": ("KFENCE", "KFENCE: use-after-free read in labcrash_kfence", 3),
    "warn-once": ("WARN", "WARNING in labcrash_warn_once", 2),
    # It comes from a timer; which step set that is not in the log, so it is the one that it fell into.
    "late": ("WARN", "WARNING in labcrash_late", 4),
    "after-the-last-step": ("WARN", "WARNING in labcrash_teardown", None),
    # These began in step 4 and were reported in step 5.
    "hung-later[crash=hung-later]": ("hung-task", "task hung in labcrash_wait", 4),
    "hung-later[crash=abba]": ("hung-task", "task hung in labcrash_abba", 4),
    "allowed[crash=late]": ("WARN", "WARNING in labcrash_late", 3),
}
# What does not come back: as above, and a task or function that the artifacts must name.
HANGS: dict[str, tuple[str, str, int, str]] = {
    "hung": ("hung-task", "task hung in labcrash_wait", 4, "labcrash_wait"),
    "soft-lockup": ("soft-lockup", "soft lockup in labcrash_(?:spin|softlockup)", 4, "labcrash_softlockup"),
    # A stock kernel's detector of hard lockups needs a PMU; without one RCU sees that the CPU is gone.
    "stall[crash=hardlockup]": ("rcu-stall|hard-lockup", ".* in labcrash_(?:spin|hardlockup)", 4,
                                "labcrash_hardlockup"),
    "stall[crash=rcu]": ("rcu-stall", "RCU stall in labcrash_(?:spin|rcu)", 4, "labcrash_rcu"),
}
QUIET = ("allowed[crash=warn]", "kernel-text", "printed[to=/dev/console]", "printed[to=/dev/kmsg]", "printed-stamp")
LKDTM: dict[str, tuple[str, str]] = {
    "lkdtm[crash=WARNING]": ("WARN", "WARNING in lkdtm_WARNING"),
    "lkdtm[crash=BUG]": ("BUG", "kernel BUG at drivers/misc/lkdtm/bugs.c in lkdtm_BUG"),
    # With KASAN it is the look at the shadow of address 0 that faults.
    "lkdtm[crash=EXCEPTION]": ("oops|KASAN", ".*(?:NULL pointer|null-ptr|general protection).* in lkdtm_EXCEPTION"),
    "lkdtm[crash=PANIC]": ("panic", "Kernel panic: dumptest"),
    "lkdtm[crash=REFCOUNT_SUB_AND_TEST_ZERO]": ("refcount", "refcount_t: .* in lkdtm_REFCOUNT_SUB_AND_TEST_ZERO"),
    "lkdtm[crash=CORRUPT_LIST_ADD]": ("list-corruption", "list_add corruption in lkdtm_CORRUPT_LIST_ADD"),
    "lkdtm-hangs[crash=SOFTLOCKUP]": ("soft-lockup|rcu-stall", ".* in lkdtm_SOFTLOCKUP"),
    # Without a PMU it is RCU, or the buddy detector of 6.5 and newer, that notices.
    "lkdtm-hangs[crash=HARDLOCKUP]": ("hard-lockup|rcu-stall", ".* in lkdtm_HARDLOCKUP"),
    "lkdtm-hangs[crash=HUNG_TASK]": ("hung-task", "task hung in lkdtm_HUNG_TASK"),
}


@pytest.fixture(scope="module")
def ran(prepared: Ready, kernel_spec: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """All of tests/vm/crashes on the tests' kernel with labcrash, two guests side by side."""
    if not kernel_spec.startswith("debian"):
        pytest.skip(f"labcrash is built against Debian's headers, and {kernel_spec} is not Debian's")
    where = tmp_path_factory.mktemp("crashes")
    try:
        spec = with_labcrash(prepared.kernel, where / "kernel")
    except MissingTool as error:
        pytest.skip(f"labcrash cannot be built: {error}")
    done = Lab(where, spec)("run", FOLDER, "-j", "2", patch=IMPATIENT, timeout_s=DEADLINE_S)
    assert_no_qemu(where)
    return done


def first_fault(ran: Ran, run_id: str) -> dict[str, Any]:
    faults = ran.result(run_id)["faults"]
    assert faults, f"{run_id}: no fault was found; {ran.result(run_id)['reasons']}"
    return dict(faults[0])


def step_of(fault: dict[str, Any]) -> int | None:
    return None if fault["step"] is None else fault["step"] + 1


def artifacts(ran: Ran, run_id: str) -> dict[str, str]:
    folder = Path(ran.result(run_id)["directory"]) / "artifacts"
    return {path.name: path.read_text(errors="replace") for path in folder.iterdir()}


def test_every_scenario_is_expected_here() -> None:
    known = {*CRASHES, *HANGS, *QUIET, *LKDTM}
    assert {run.id for run in load_library(FOLDER).runs} == known


@pytest.mark.parametrize("run_id", [*CRASHES, *HANGS])
def test_a_crash_is_seen_named_and_put_down_to_its_step(ran: Ran, run_id: str) -> None:
    kind, title, step = (CRASHES.get(run_id) or HANGS[run_id])[:3]
    result = ran.result(run_id)
    if result["outcome"] == "skip":
        assert run_id == "kfence" and "CONFIG_KFENCE" in result["reasons"][0]["text"]
        pytest.skip(result["reasons"][0]["text"])
    fault = first_fault(ran, run_id)
    assert result["outcome"] == "fail"
    assert re.fullmatch(kind, fault["kind"])
    assert re.fullmatch(title, fault["title"])
    assert step_of(fault) == step
    first = result["reasons"][0]["text"]
    assert fault["title"] in first
    assert step is None or f"step {step} (" in first


def test_two_cpus_that_warn_at_once_hide_none(ran: Ran) -> None:
    """A stock kernel's lines have no caller id: what two CPUs print at once may be one finding with both in it."""
    faults = ran.result("crash[crash=race]")["faults"]
    assert {fault["title"] for fault in faults} <= {"WARNING in labcrash_left", "WARNING in labcrash_right"}
    said = "".join(fault["text"] for fault in faults)
    for function in ("labcrash_left", "labcrash_right"):
        assert re.search(rf"WARNING: .* {function}\+0x", said)


def test_both_tasks_of_a_deadlock_are_in_the_reports(ran: Ran) -> None:
    said = "\n".join(fault["text"] for fault in ran.result("hung-later[crash=abba]")["faults"])
    assert "labcrash-ab" in said
    assert "labcrash-ba" in said


def test_a_late_report_says_where_it_was_reported(ran: Ran) -> None:
    first = ran.result("hung-later[crash=hung-later]")["reasons"][0]["text"]
    assert "step 4 (the crash)" in first
    assert "step 5" in first


def test_a_warn_once_is_one_fault(ran: Ran) -> None:
    result = ran.result("warn-once")
    assert len(result["faults"]) == 1
    assert [step["ran"] for step in result["steps"]] == [True, True, True]


def test_a_flood_hides_nothing_and_adds_nothing(ran: Ran) -> None:
    assert [fault["title"] for fault in ran.result("crash[crash=flood]")["faults"]] == ["WARNING in labcrash_flood"]


@pytest.mark.parametrize("run_id", ["crash[crash=stack]", "crash[crash=panic]"])
def test_a_kernel_that_dies_is_a_failure_of_the_kernel(ran: Ran, run_id: str) -> None:
    assert {reason["outcome"] for reason in ran.result(run_id)["reasons"]} == {"fail"}


@pytest.mark.parametrize("run_id", HANGS)
def test_a_hang_ends_early_and_leaves_what_the_machine_looked_like(ran: Ran, run_id: str) -> None:
    result, kept = ran.result(run_id), artifacts(ran, run_id)
    # The kernel's report ended the step, not its deadline.
    end = json.loads((Path(result["directory"]) / "end.json").read_text())
    assert "the kernel reports: " in end["detail"]
    assert re.search(r"^RIP=", kept["registers.txt"], re.MULTILINE)
    console = (Path(result["directory"]) / "console.log").read_text(errors="replace")
    # The keyboard's interrupt may be the stuck CPU's.
    answered = "sysrq: Show Blocked State" in console
    assert answered or "did not answer the keyboard's sysrq" in kept["asked.txt"]
    if run_id == "hung":  # a task that waits is in what was asked for; one that runs is in the kernel's own report
        assert HANGS[run_id][3] in console.split("sysrq: Show Blocked State", 1)[-1]
    else:
        assert HANGS[run_id][3] in console.split("sysrq: Show Blocked State", 1)[0]


@pytest.mark.parametrize("run_id", HANGS)
def test_ten_lines_say_who_hangs_where(ran: Ran, run_id: str) -> None:
    summary = artifacts(ran, run_id)["summary.txt"]
    assert len(summary.splitlines()) <= 10
    assert HANGS[run_id][3] in summary or "labcrash_spin" in summary


@pytest.mark.parametrize("run_id", QUIET)
def test_what_is_no_failure_does_not_fail(ran: Ran, run_id: str) -> None:
    result = ran.result(run_id)
    assert result["outcome"] == "pass", result["reasons"]


def test_what_is_let_pass_says_why(ran: Ran) -> None:
    assert first_fault(ran, "allowed[crash=warn]")["allowed"] == "this one is meant"


@pytest.mark.parametrize("crash", LKDTM)
def test_lkdtm_where_the_stock_kernel_has_it(ran: Ran, crash: str) -> None:
    result = ran.result(crash)
    assert result["outcome"] == "skip"
    assert re.match("lkdtm is not in this kernel: ", result["reasons"][0]["text"])


@pytest.fixture(scope="module")
def debug_ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """lkdtm's crashes on a kernel that has it."""
    spec = os.environ.get("LAB_TEST_DEBUG_KERNEL")
    if not spec:
        pytest.skip("LAB_TEST_DEBUG_KERNEL names no kernel with CONFIG_LKDTM")
    where = tmp_path_factory.mktemp("lkdtm")
    done = Lab(where, spec)("run", FOLDER / "lkdtm.yaml", FOLDER / "lkdtm-hangs.yaml", "-j", "2", patch=IMPATIENT,
                            timeout_s=DEADLINE_S)
    assert_no_qemu(where)
    return done


@pytest.mark.slow
@pytest.mark.parametrize("crash", LKDTM)
def test_lkdtm_on_a_debug_kernel(debug_ran: Ran, crash: str) -> None:
    kind, title = LKDTM[crash]
    fault = first_fault(debug_ran, crash)
    assert re.fullmatch(kind, fault["kind"])
    assert re.fullmatch(title, fault["title"])
    assert step_of(fault) == (1 if crash.startswith("lkdtm[") else 2)
    assert fault["decoded"], "the tree has a vmlinux with debug information"
    assert debug_ran.result(crash)["outcome"] == "fail"
