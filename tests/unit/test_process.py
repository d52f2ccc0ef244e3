"""lab.process: deadlines are kept, children are killed with all they started, and reaped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import process
from lab.errors import LabError, MissingTool


def gone(pid: int) -> bool:
    """Whether a process is gone (or a zombie that init has still to reap)."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_output_and_status() -> None:
    done = process.run(["sh", "-c", "cat; echo err >&2; exit 3"], timeout_s=10, stdin="in", check=False)
    assert (done.returncode, done.stdout, done.stderr, done.last_words()) == (3, "in", "err\n", "err")


def test_a_failure_has_its_last_words() -> None:
    with pytest.raises(LabError, match=r"sh failed \(exit 1\): the reason"):
        process.run(["sh", "-c", "echo first >&2; echo the reason >&2; exit 1"], timeout_s=10)


def test_a_signal_is_no_success() -> None:
    assert process.run(["sh", "-c", "kill -9 $$"], timeout_s=10, check=False).returncode == -9
    with pytest.raises(LabError):
        process.run(["sh", "-c", "kill -9 $$"], timeout_s=10)


def test_output_that_is_not_text() -> None:
    assert process.run(["printf", r"\377\000x"], timeout_s=10).stdout == "\ufffd\0x"


def test_a_deadline_kills_the_whole_family(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="did not end within 0.5 s"):
        process.run(["sh", "-c", f"sleep 100 & echo $! >{tmp_path}/pid; wait"], timeout_s=0.5)
    assert gone(int((tmp_path / "pid").read_text()))


_TIDY = """\
from pathlib import Path
from lab import process
shell = "trap 'echo tidy >{0}/end; exit' TERM; echo $$ >{0}/pid; while :; do sleep 0.05; done"
process.run_gently(["sh", "-c", shell.format("DIR")], timeout_s=60, grace_s=20)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_is_started_gently_may_tidy_up(number: signal.Signals, tmp_path: Path) -> None:
    """Also when the lab is killed."""
    with subprocess.Popen([sys.executable, "-c", _TIDY.replace("DIR", str(tmp_path))], start_new_session=True,
                          stderr=subprocess.DEVNULL) as lab:
        end = time.monotonic() + 20
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text().endswith("\n")) and time.monotonic() < end:
            time.sleep(0.02)
        lab.send_signal(number)
    assert gone(int(pid.read_text())) and (tmp_path / "end").read_text() == "tidy\n"


def test_a_deadline_is_told_gently(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"^sh did not end within 0\.5 s"):
        process.run_gently(["sh", "-c", f"trap 'sleep 0.3; touch {tmp_path}/tidy; exit' TERM; sleep 100 & wait"],
                           timeout_s=0.5, grace_s=20)
    assert (tmp_path / "tidy").exists(), "it was waited for"


def test_output_and_status_of_what_was_started_gently() -> None:
    done = process.run_gently(["sh", "-c", "cat; echo out; echo err >&2; exit 3"], timeout_s=10, grace_s=1)
    assert (done.returncode, done.stdout, done.stderr, done.argv[0]) == (3, "out\n", "err\n", "sh")


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(LabError, match="there is no such program"), process.start(["/no/such/program"]):
        pass
    with pytest.raises(MissingTool, match="no-such-tool is not installed; type: apt-get install some-package"):
        process.find("no-such-tool", "some-package")


def test_leaving_the_block_kills_and_reaps() -> None:
    with process.start(["sleep", "100"]) as child:
        assert not process.ended(child)
    assert child.returncode == -signal.SIGKILL
    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, 0)  # there is nothing left to reap
    process.kill(child)  # again does no harm


def test_an_exception_in_the_block_kills_too() -> None:
    with pytest.raises(KeyError), process.start(["sleep", "100"]) as child:
        raise KeyError
    assert child.returncode == -signal.SIGKILL


def test_a_child_dies_with_its_parent() -> None:
    """Not by any code of the parent's: it is killed with SIGKILL."""
    code = "from lab import process\nwith process.start(['sleep', '100']) as c:\n print(c.pid, flush=True)\n input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait(10)
    assert gone(child)
