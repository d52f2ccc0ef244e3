"""`lab shell` with a real guest: through a pipe, and in a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.vm


def test_commands_from_a_pipe_see_the_scenarios_target(kernel_spec: str) -> None:
    done = subprocess.run([sys.executable, "-m", "lab", "shell", "read-capacity", "-k", kernel_spec],
                          input="ls /sys/kernel/config/target/loopback; echo $((6*7)); exit\n", capture_output=True,
                          text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "naa." in done.stdout and "\n42" in done.stdout.replace("\r", "")


def test_a_terminal_with_ctrl_c_and_ctrl_d(kernel_spec: str) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "lab", "shell", "-k", kernel_spec])
    try:
        seen = _until(terminal, b"guest# ")
        os.write(terminal, b"sleep 1000\n")
        time.sleep(1)
        os.write(terminal, b"\x03")  # goes to the guest's program, not to the lab
        os.write(terminal, b"echo still-$((1+1))\n")
        seen += _until(terminal, b"still-2.*guest# ")  # at its prompt: before, the shell may lose what is typed
        os.write(terminal, b"\x04")
        status = os.waitstatus_to_exitcode(_reap(pid, terminal))
    finally:
        os.close(terminal)
    assert status == 0, seen.decode(errors="replace")


def test_a_scenario_that_does_not_exist_is_one_sentence(kernel_spec: str) -> None:
    done = subprocess.run([sys.executable, "-m", "lab", "shell", "nonsense", "-k", kernel_spec], capture_output=True,
                          text=True, timeout=100, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def _until(terminal: int, pattern: bytes, timeout_s: float = 120) -> bytes:
    seen, end = b"", time.monotonic() + timeout_s
    while not re.search(pattern, seen, re.DOTALL):
        assert time.monotonic() < end, seen.decode(errors="replace")
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096)
    return seen


def _reap(pid: int, terminal: int, timeout_s: float = 60) -> int:
    """Wait status of the child; its last output is read, or it would wait for a reader."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                os.read(terminal, 4096)
            except OSError:  # EIO: the other end is closed
                time.sleep(0.1)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise AssertionError("lab shell did not end after Ctrl-D")
