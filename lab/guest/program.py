"""Programs that the guest runs: each has a deadline, is reaped, and may be killed when memory runs out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from lab.guest import clock
from lab.guest.observation import Refused

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Finished:
    """What a program left; `exit` is minus the signal where one killed it."""

    exit: int
    stdout: str
    stderr: str

    def last_words(self) -> str:
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else "it printed nothing"


def which(name: str) -> str | None:
    """The path of a program; /sbin is looked at too."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + PATH)


def run(argv: Sequence[str], *, deadline: float, stdin: str = "",
        stopping: threading.Event | None = None) -> Finished:
    """Run a program to its end. `deadline` is on clock.now(). Raises Refused when it is missing or too slow,
    or when `stopping` is set before it ends.

    A program that cannot be killed (it sleeps uninterruptibly) is left behind, so that the agent never hangs on it.
    """
    path = which(argv[0])
    if path is None:
        raise Refused(f"{argv[0]}: there is no such program in the guest", errno="ENOENT")
    child = subprocess.Popen([path, *argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True,
                             env={**os.environ, "PATH": PATH, "LC_ALL": "C"})
    with contextlib.suppress(OSError), open(f"/proc/{child.pid}/oom_score_adj", "w") as file:
        file.write("0")  # the agent's own -1000 is inherited
    given: bytes | None = stdin.encode()
    while True:
        left = max(0.05, deadline - clock.now())
        try:
            out, err = child.communicate(given, timeout=left if stopping is None else min(0.2, left))
            break
        except subprocess.TimeoutExpired:
            given = None  # communicate goes on with what it has not written yet
            if clock.now() < deadline and not (stopping is not None and stopping.is_set()):
                continue
            _kill(child)
            raise Refused(f"{argv[0]} did not end in time", errno="ETIMEDOUT") from None
    return Finished(child.returncode, out.decode(errors="surrogateescape"), err.decode(errors="surrogateescape"))


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.communicate(timeout=2)
