"""Programs that the guest runs: each has a deadline, is reaped, and may be killed when memory runs out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Heard:
    """What a program printed, each line with the second in which it came; `exit` is None where it was too slow."""

    exit: int | None
    lines: list[tuple[float, str]] = field(default_factory=list)


def which(name: str) -> str | None:
    """The path of a program; /sbin is looked at too."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + PATH)


def run(argv: Sequence[str], *, deadline: float, stdin: str = "",
        stopping: threading.Event | None = None) -> Finished:
    """Run a program to its end. `deadline` is on clock.now(). Raises Refused when it is missing or too slow,
    or when `stopping` is set before it ends.

    A program that cannot be killed (it sleeps uninterruptibly) is left behind, so that the agent never hangs on it.
    """
    child = _start(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
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


def listen(argv: Sequence[str], *, deadline: float, folder: str, stopping: threading.Event) -> Heard:
    """Run a program in a folder to its end, and keep when each line came; stdout and stderr are one.

    As `run`, but one that is too slow is no error: what it said until then counts.
    """
    child, heard, began = _start(
        argv, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, folder=folder), [], time.monotonic()

    def read() -> None:
        for raw in child.stdout or ():
            heard.append((time.monotonic() - began, raw.decode(errors="replace").rstrip("\n")))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while reader.is_alive() and clock.now() < deadline and not stopping.is_set():
        reader.join(0.2)
    late = reader.is_alive()
    if late:
        _kill(child, reader)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(timeout=2)
    return Heard(None if late else child.returncode, list(heard))


def _start(argv: Sequence[str], *, stdin: int, stderr: int, folder: str = "/") -> subprocess.Popen[bytes]:
    path = which(argv[0])
    if path is None:
        raise Refused(f"{argv[0]}: there is no such program in the guest", errno="ENOENT")
    child = subprocess.Popen([path, *argv[1:]], stdin=stdin, stdout=subprocess.PIPE, stderr=stderr,
                             start_new_session=True, cwd=folder, env={**os.environ, "PATH": PATH, "LC_ALL": "C"})
    with contextlib.suppress(OSError), open(f"/proc/{child.pid}/oom_score_adj", "w") as file:
        file.write("0")  # the agent's own -1000 is inherited
    return child


def _kill(child: subprocess.Popen[bytes], reader: threading.Thread | None = None) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        if reader is None:
            child.communicate(timeout=2)
        else:
            reader.join(2)
