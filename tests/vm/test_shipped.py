"""The main job: the whole library on the stock kernel, by the command that users type; and what hangs on time also on a
host that is busy with other things: slow is not hung."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from xml.etree import ElementTree

import pytest

from lab.cli.host import Ready
from lab.kernels.resolve import default_spec
from tests.command import Lab, Ran
from tests.junit_schema import errors_of

pytestmark = [pytest.mark.vm, pytest.mark.longest]
LOOPS_PER_CORE = 2
# What Debian 12's kernel lacks: REPORT SUPPORTED OPERATION CODES, dm-flakey's error_reads, scsi_debug's error file,
# allocations that can be made to fail, the files of /proc/scsi, scsi_debug's atomic writes.
LACKING = ("operation-codes", "flakey-error-reads", "pscsi-disk-errors", "allocations-*", "scsi-host-proc",
           "write-atomic")
TIMED = ("abort-after-timeout", "own-reset", "reset-under-io", "tcmu-slow", "two-resetters", "unlink-during-abort")


@pytest.fixture(scope="module")
def listed() -> list[dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "lab", "list", "scenarios", "--json"], capture_output=True, text=True,
                          timeout=60, check=True)
    entries: list[dict[str, object]] = json.loads(done.stdout)
    return entries


@contextlib.contextmanager
def busy_host() -> Iterator[None]:
    """Two loops for each core that the tests may use, which never let go."""
    with contextlib.ExitStack() as stack:
        for _ in range(LOOPS_PER_CORE * len(os.sched_getaffinity(0))):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, prepared: Ready) -> Ran:
    command = Lab(tmp_path_factory.mktemp("shipped"), default_spec())
    try:
        return command("run", timeout_s=3000)
    finally:
        command.stop()


def test_everything_passes_on_the_stock_kernel(ran: Ran) -> None:
    lacking = {name for name, outcome, _ in ran.wrong()
               if outcome == "skip" and any(fnmatchcase(name, word) for word in LACKING)}
    assert [wrong for wrong in ran.wrong() if wrong[0] not in lacking] == []
    assert ran.status == 0, ran.said


def test_a_busy_host(lab: Lab) -> None:
    """What waits for aborts, resets and hangs. Without seconds for which the host kept guests from running it shows
    nothing."""
    with busy_host():
        ran = lab("run", *TIMED, timeout_s=1500)
    assert ran.wrong() == [] and ran.status == 0, ran.said
    lines = (line for file in ran.session.glob("*/*/events.jsonl") for line in file.read_text().splitlines())
    steps = [e for e in map(json.loads, lines) if e["kind"] == "step-end"]
    assert sum(e["observed"].get("starved", 0.0) for e in steps) > 1


def test_junit_has_every_run_once(ran: Ran, listed: list[dict[str, object]]) -> None:
    document = (ran.session / "junit.xml").read_text()
    assert errors_of(document) == []
    cases = ElementTree.fromstring(document).findall(".//testcase")
    kernel, = {path.parents[1].name for path in ran.session.glob("*/*/result.json")}
    # A suite's cases have the class of their run; one may be called as another scenario is.
    runs = [(f"{kernel}.{entry['name']}", run) for entry in listed if "slow" not in entry["tags"]  # type: ignore[operator]
            for run in entry["runs"]]  # type: ignore[attr-defined]
    found = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert sorted(one for one in found if one in runs) == sorted(runs)
    assert {place for place, _ in found} <= {place for place, _ in runs} | {f"{kernel}.{run}" for _, run in runs}
    names = [case.attrib["name"] for case in cases]
    assert "odd-bpt" in names
    assert len([name for name in names if name.startswith("ALL.Read16.")]) > 3, "cases of iscsi-test-cu are cases here"


def test_every_scenario_started_on_a_fork(ran: Ran) -> None:
    assert {r["origin"] for r in ran.all_results() if r["outcome"] != "skip"} == {"checkpoint"}


def test_the_table_fits_a_terminal(ran: Ran) -> None:
    lines = [x for x in ran.stdout.splitlines() if not x.startswith(("files:", "      repeat:"))]
    assert max(map(len, lines)) <= 80
    assert str(ran.session.resolve()) in ran.stdout


def test_every_theme_has_its_tag(listed: list[dict[str, object]]) -> None:
    tags = {tag for entry in listed for tag in entry["tags"]}  # type: ignore[attr-defined]
    assert tags >= {"smoke", "io", "scsi", "thin", "caw", "reservation", "alua", "fault", "hotplug", "configfs", "tmr",
                    "protection", "xcopy", "queue", "stress", "statistics", "tcmu", "suite"}


def test_fresh_boot_gives_the_same_verdict(lab: Lab) -> None:
    ran = lab("run", "read-capacity", "--fresh-boot")
    assert ran.status == 0, ran.said
    assert ran.result("read-capacity")["origin"] == "boot"
    assert "--fresh-boot" in ran.result("read-capacity")["repeat"]
