"""make as a child that ends well: whoever ends the lab, and however, no half of an object is taken for a whole one."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from lab import process
from lab.errors import LabError

_GRACE_S = 20.0  # make removes what it was making when it is told to end; a large file is linked for that long
_QUIET_S = 1.0
_POLL_S = 0.1
_LOCK_DEADLINE_S = 900.0


@contextlib.contextmanager
def alone(objects: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Wait until nothing of an earlier build works in `objects`; the descriptor is for `build_process`.

    The store's lock ends with the lab that holds it, this one with the last compiler that it started.
    """
    with (objects / ".lab-lock").open("w") as file:
        began, told = time.monotonic(), False
        while not _locked(file):
            waited = time.monotonic() - began
            if waited > _LOCK_DEADLINE_S:
                raise LabError(f"a build that was killed still works in {objects} after {_LOCK_DEADLINE_S:g} s; end it")
            if waited > _QUIET_S and not told:
                told = True
                say(f"waiting for the rest of a build that was killed, in {objects}")
            time.sleep(_POLL_S)
        yield file.fileno()


@contextlib.contextmanager
def build_process(argv: Sequence[str | Path], *, output: IO[bytes], env: Mapping[str, str],
                  lock: int) -> Iterator[process.Child]:
    """A child that holds `lock` with all its own; on a break, or when the lab is killed, it is asked to end first."""
    with process.start_gently(argv, grace_s=_GRACE_S, stdout=output, stderr=output, env=env, pass_fds=(lock,)) as child:
        yield child


def build_output(argv: Sequence[str | Path], *, env: Mapping[str, str], lock: int, deadline_s: float,
                 cwd: Path | None = None) -> process.Completed:
    """A build of a minute or so, as build_process, run to its end: what it said. LabError past the deadline."""
    return process.run_gently(argv, timeout_s=deadline_s, grace_s=_GRACE_S, env=env, cwd=cwd, pass_fds=(lock,))


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
