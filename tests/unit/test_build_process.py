"""A build that is broken off: nothing of it goes on, and no half of a file is left that make would take for whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kernels.build_process import alone, build_process
from lab.kernels.headers import Headers
from lab.kernels.store import silent

_MAKEFILE = """\
all modules olddefconfig:
\t@$(MAKE) --no-print-directory object
object:
\t@echo half > $@; echo $$$$ >> $(CURDIR)/pids; sleep 300; echo whole >> $@
"""
_LAB = """\
import os, sys
from pathlib import Path
from lab import process
from lab.kernels.build_process import alone, build_process
from lab.kernels.headers import Headers
from lab.kernels.kbuild import Kbuild
from lab.kernels.store import silent
objects = Path(sys.argv[1])
"""
# All that the lab has make do: a kernel, a module for a stock kernel, a configuration.
_BUILDS = {
    "kernel": """
with alone(objects, silent) as lock, open(objects / "log", "wb") as log:
    with build_process(["make", "-C", objects], output=log, env=os.environ, lock=lock) as child:
        process.ended(child, 300)
""",
    "module": """
Headers("6.1", "6.1", objects, "gcc").make(objects)
""",
    "configuration": """
(objects / "my.config").touch()
with alone(objects, silent) as lock:
    Kbuild(objects, objects, objects, silent).configure(objects / "my.config", lock)
"""}


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text(_MAKEFILE)
    return tmp_path


def wait_for(condition: object, seconds: float = 20.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def lives(pid: int) -> bool:
    """A zombie does not: here nobody may reap what has lost its parent."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture(params=_BUILDS)
def running(objects: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A lab of its own in the middle of a build."""
    with subprocess.Popen([sys.executable, "-c", _LAB + _BUILDS[request.param], str(objects)], start_new_session=True,
                          stderr=subprocess.DEVNULL) as lab:
        assert wait_for(lambda: (objects / "object").exists() and (objects / "pids").exists()
                        and (objects / "pids").read_text().endswith("\n"))
        yield lab
        lab.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_break_leaves_no_half_and_nobody(number: signal.Signals, objects: Path,
                                           running: subprocess.Popen[bytes]) -> None:
    worker = int((objects / "pids").read_text())
    running.send_signal(number)
    running.wait(30)
    assert wait_for(lambda: not (objects / "object").exists()), "make would take the half for whole"
    assert wait_for(lambda: not lives(worker))
    with alone(objects, silent):
        pass


def test_a_module_that_takes_too_long_leaves_no_half_and_nobody(objects: Path) -> None:
    with pytest.raises(LabError, match="make did not end within 2 s"):
        Headers("6.1", "6.1", objects, "gcc").make(objects, deadline_s=2)
    assert not (objects / "object").exists() and not lives(int((objects / "pids").read_text()))


def test_modules_wait_for_what_a_killed_lab_left(objects: Path) -> None:
    (objects / "Makefile").write_text("modules:\n\t@touch made.ko\n")
    with (objects / ".lab-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with subprocess.Popen(["sleep", "1"], pass_fds=(file.fileno(),)) as rest:
            file.close()
            assert Headers("6.1", "6.1", objects, "gcc").make(objects) == [objects / "made.ko"]
            assert not lives(rest.pid)


def test_the_next_build_waits_for_what_a_killed_one_left(objects: Path) -> None:
    """The lock is held by all that the build started, not by the lab alone."""
    said: list[str] = []
    with (objects / ".lab-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with subprocess.Popen(["sleep", "2.5"], pass_fds=(file.fileno(),)) as rest:
            file.close()
            with alone(objects, said.append):
                assert not lives(rest.pid)
    assert len(said) == 1 and "waiting for the rest of a build that was killed" in said[0]


def test_a_build_that_ends_leaves_nobody(objects: Path) -> None:
    (objects / "Makefile").write_text("all:\n\t@echo done; cat\n")  # it has no input to wait for
    with alone(objects, silent) as lock, (objects / "log").open("wb") as log, \
            build_process(["make", "-C", objects], output=log, env=os.environ, lock=lock) as child:
        assert child.wait(20) == 0
        group = child.pid
    assert "done" in (objects / "log").read_text()
    assert wait_for(lambda: not any(lives(int(p.name)) and os.getpgid(int(p.name)) == group
                                    for p in Path("/proc").iterdir() if p.name.isdigit() and lives(int(p.name))))
