"""blktests as a suite: what `check` prints and leaves, and what of it a guest has."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.guest import blktests as suite
from lab.guest import clock, program
from lab.guest.program import Heard
from lab.guest.suite import Case
from lab.machine import blktests as host
from lab.scenario.load import load

# (test, what `check` printed, the files that it left, how the case ends, why)
PASSED = ("scsi/001", """\
scsi/001 => sda (try triggering a kernel GPF with 0 byte SG reads)
scsi/001 => sda (try triggering a kernel GPF with 0 byte SG reads) [passed]
    runtime    ...  11.042s
""", {"sda": "runtime\t11.042s\ndescription\ttry\nexit_status\t0\ndate\t2026-11-29\nstatus\tpass\n"}, "pass", "")
OUTPUT = ("scsi/004", """\
scsi/004 (ensure repeated TASK SET FULL results in EIO on timing out command)
scsi/004 (ensure repeated TASK SET FULL results in EIO on timing out command) [failed]
    runtime    ...  10.821s
    --- tests/scsi/004.out\t2026-11-29 14:49:51.000000000 +0000
    +++ /tmp/lab/suite/results/nodev/scsi/004.out.bad\t2026-11-29 14:52:46.160000000 +0000
    @@ -1,3 +1,4 @@
     Running scsi/004
     Input/output error
    +grep: /proc/scsi/scsi_debug/1: No such file or directory
     Test complete
""", {"nodev": "runtime\t10.821s\nexit_status\t0\nreason\toutput\nstatus\tfail\n"}, "fail",
          "its output is not as it should be: +grep: /proc/scsi/scsi_debug/1: No such file or directory")
EXIT = ("meta/003", """\
meta/003 (exit with non-zero status)
meta/003 (exit with non-zero status)                         [failed]
    runtime    ...  0.000s
    exited with status 1
""", {"nodev": "runtime\t0.000s\nexit_status\t1\nreason\texit\nstatus\tfail\n"}, "fail", "it ended with status 1")
DMESG = ("meta/009", """\
meta/009 (check dmesg)
meta/009 (check dmesg)                                       [failed]
    runtime    ...  0.021s
    something found in dmesg:
    [ 5209.013165] run blktests meta/009 at 2026-11-29 15:05:15
    [ 5209.133331] ------------[ cut here ]------------
    [ 5209.133368] kernel BUG at block/blk-core.c:3490!
    ...
    (See '/tmp/out/nodev/meta/009.dmesg' for the entire message)
""", {"nodev": "runtime\t0.021s\nexit_status\t0\nreason\tdmesg\nstatus\tfail\n"}, "fail",
         "the kernel log has a report: [ 5209.133368] kernel BUG at block/blk-core.c:3490!")
NOT_RUN = ("scsi/008", """\
scsi/008 (test block data lifetime support)
scsi/008 (test block data lifetime support)                  [not run]
    scsi_debug does not support group number statistics
    fio version is older than 3.37.0
""", {"nodev": "description\ttest block data lifetime support\nstatus\tnot run\n"}, "skip",
           "scsi_debug does not support group number statistics; fio version is older than 3.37.0")
NOT_RUN_IN_TEST = ("meta/014", """\
meta/014 (skip in test())
meta/014 (skip in test())                                    [not run]
    runtime    ...  0.000s
    not today
""", {"nodev": "runtime\t0.000s\nexit_status\t0\nstatus\tnot run\n"}, "skip", "not today")
GROUP_NOT_RUN = ("nvme/001", """\
nvme/***                                                     [not run]
    command nvme is not available
""", {}, "skip", "command nvme is not available")
ONE_OF_TWO = ("meta/016", """\
meta/016 (condition set 0) (repeat test())                   [passed]
    runtime    ...  0.000s
meta/016 (condition set 1) (repeat test())                   [failed]
    runtime    ...  0.000s
    exited with status 7
""", {"nodev_condition_set_0": "exit_status\t0\nstatus\tpass\n",
      "nodev_condition_set_1": "exit_status\t7\nreason\texit\nstatus\tfail\n"}, "fail", "it ended with status 7")
NOTHING = ("scsi/007", "scsi/007 (Trigger the SCSI error handler)                   \n12.198s\n", {}, "crashed",
           "exit 1, and it left no result")


def left(results: Path, files: dict[str, str], name: str) -> None:
    for device, text in files.items():
        place = results / device / name
        place.parent.mkdir(parents=True)
        place.write_text(text)


@pytest.mark.parametrize(("name", "printed", "files", "ends", "why"), [
    PASSED, OUTPUT, EXIT, DMESG, NOT_RUN, NOT_RUN_IN_TEST, GROUP_NOT_RUN, ONE_OF_TWO, NOTHING])
def test_what_check_leaves(tmp_path: Path, name: str, printed: str, files: dict[str, str], ends: str, why: str) -> None:
    left(tmp_path, files, name)
    heard = Heard(1, [(float(n), line) for n, line in enumerate(printed.splitlines())])
    found = suite.case_of(name, heard, tmp_path)
    assert (found.name, found.ends, found.why) == (name, ends, why)
    assert found.output == printed.rstrip("\n")


def test_one_that_was_too_slow_is_hung_whatever_it_left(tmp_path: Path) -> None:
    left(tmp_path, PASSED[2], PASSED[0])
    assert suite.case_of(PASSED[0], Heard(None, []), tmp_path).ends == "hung"


@pytest.mark.skipif(not os.environ.get(host.VARIABLE), reason="no checkout is given")
@pytest.mark.parametrize(("name", "ends"), [("001", "pass"), ("003", "fail"), ("005", "fail"), ("007", "skip"),
                                            ("014", "skip"), ("016", "pass")])
def test_the_tests_of_a_real_checkout_about_itself(tmp_path: Path, name: str, ends: str) -> None:
    heard = program.listen([f"{host.checkout()}/check", "-o", str(tmp_path / "out"), f"meta/{name}"],
                           deadline=clock.now() + 60, folder=str(host.checkout()), stopping=threading.Event())
    case: Case = suite.case_of(f"meta/{name}", heard, tmp_path / "out")
    assert case.ends == ends, case.output
    assert bool(case.why) == (ends != "pass")


def test_parameters_of_modules_are_taken_from_the_command_line() -> None:
    assert suite._cmdline("root=/dev/vda scsi_debug.add_host=0 brd.rd_nr=2 sg.x=1\n") == "root=/dev/vda sg.x=1\n"


# -- the guest -------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that looks like a checkout."""
    place = tmp_path / "blktests"
    for name in ("check", "tests/scsi/rc", "tests/scsi/001", "src/built.c", ".git/HEAD", "results/nodev/scsi/001"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("text\n")
    monkeypatch.setenv(host.VARIABLE, str(place))
    return place


def test_the_checkout_is_carried_without_git_and_results(checkout: Path) -> None:
    assert sorted(name for name, _ in host.files()) == [
        "/opt/blktests/check", "/opt/blktests/src/built.c", "/opt/blktests/tests/scsi/001",
        "/opt/blktests/tests/scsi/rc"]
    assert {"check", "find"} & {p.name for p in host.programs()} == {"find"}
    assert host.built() == []


def test_what_was_built_in_it_brings_its_libraries(checkout: Path) -> None:
    real = Path("/bin/true").resolve()
    (checkout / "src/built").write_bytes(real.read_bytes())
    assert [f.name for f in host.built()] == ["built"]


def test_without_the_variable_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(host.VARIABLE, raising=False)
    assert (host.checkout(), list(host.files()), host.programs(), host.folders()) == (None, [], [], [])


def test_a_variable_that_names_something_else_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(host.VARIABLE, str(tmp_path))
    with pytest.raises(UsageError, match="name a checkout of blktests"):
        host.checkout()


def test_the_guest_says_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "PLACE", tmp_path)
    assert "name a checkout of it by BLKTESTS=/path" in str(suite.missing({}))
    (tmp_path / "check").touch()
    busybox = tmp_path / "busybox"
    busybox.touch(mode=0o755)
    for tool in suite.NEEDS:
        (tmp_path / tool).symlink_to(busybox if tool in ("find", "sed") else "/bin/true")
    monkeypatch.setattr("lab.guest.program.which", lambda name: str(tmp_path / name) if name != "gawk" else None)
    assert suite.missing({}) == ("blktests cannot be run: install findutils gawk sed on the host, of whose tools the "
                                 "guest is made")


def test_what_the_guest_needs_is_carried() -> None:
    carried = {tool: package for package, tools in host.PROGRAMS.items() for tool in tools.split()}
    assert {tool: carried.get(tool) for tool in suite.NEEDS} == suite.NEEDS


def test_the_shipped_scenario_takes_what_is_not_run_for_a_skip() -> None:
    (run,) = load(Path(__file__).parents[2] / "scenarios/suites/blktests.yaml").required_runs()
    made = run.scenario.steps[0].suite
    assert made is not None
    assert made.deviations[-1].endings == ["pass", "skip"]
