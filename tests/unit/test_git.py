"""git ends itself when the lab is killed: the repository is the user's, and a lock that stays would stop their git."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.git import Git

# A checkout whose filter takes for ever holds index.lock.
_CHECKOUT = """\
import sys
from pathlib import Path
from lab.git import Git
Git(Path(sys.argv[1]), ("-c", "filter.slow.smudge=sleep 1000"))("checkout", "--force", "HEAD", "--", "file")
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_lab_leaves_no_lock(number: signal.Signals, tmp_path: Path) -> None:
    git = Git(tmp_path)
    git("init", "--quiet")
    (tmp_path / ".gitattributes").write_text("file filter=slow\n")
    (tmp_path / "file").write_text("a\n")
    git("add", ".")
    git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "-m", "a")
    (tmp_path / "file").unlink()
    lock = tmp_path / ".git/index.lock"
    with subprocess.Popen([sys.executable, "-c", _CHECKOUT, tmp_path], stderr=subprocess.DEVNULL) as lab:
        assert _comes_true(lock.exists)
        lab.send_signal(number)
    assert _comes_true(lambda: not lock.exists())


def test_a_question_writes_nothing(tmp_path: Path) -> None:
    git = Git(tmp_path)
    git("init", "--quiet")
    (tmp_path / "file").write_text("a\n")
    git("add", ".")
    os.utime(tmp_path / "file", (0, 0))  # git status would note that in the index
    index = (tmp_path / ".git/index").read_bytes()
    git("status", "--porcelain")
    assert (tmp_path / ".git/index").read_bytes() == index


def test_the_error_names_the_command_and_not_its_options(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"^git log failed in .*: fatal: not a git repository"):
        Git(tmp_path, ("-c", "core.pager=cat"))("log")


def _comes_true(condition: Callable[[], bool], wait_s: float = 20) -> bool:
    end = time.monotonic() + wait_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
