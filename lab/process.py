"""The one module that starts processes: each has a deadline, dies with its parent, and is reaped."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.errors import LabError, MissingTool

Child = subprocess.Popen[bytes]
# A parent that dies before setpriv has asked for its signal never sends one; whoever then has another parent ends.
_ORPHAN_GUARD = ("/bin/sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')
# A parent that is killed closes the pipe. The shell stays between: SIGKILL is its, the program gets SIGTERM as all do
# that are below it.
_LAST_WILL = ("/bin/sh", "-c", """
trap : TERM
exec 3<&0
{ read -r _ <&3; kill -s TERM 0; } >/dev/null 2>&1 &
"$@" 3<&- </dev/null""", "sh")


@dataclass(frozen=True)
class Completed:
    """What a finished process left: exit status (negative: minus the signal) and its output, decoded."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    def last_words(self) -> str:
        """The last line that it printed on stderr (or stdout), for a one-sentence error."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else "it printed nothing"


def find(tool: str, package: str) -> Path:
    """The path of a host program; /sbin is looked at too, because a user's PATH often lacks it.

    Raises MissingTool, which names the Debian package, when it is not there.
    """
    path = _which(tool)
    if path is None:
        raise MissingTool(tool, package)
    return Path(path)


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


def run(
    argv: Sequence[str | Path],
    *,
    timeout_s: float,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run a short program to its end. With `check`, a non-zero exit raises LabError with its last words."""
    command = [str(a) for a in argv]
    with start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
               cwd=cwd, env=env) as child:
        try:
            out, err = child.communicate((stdin or "").encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise LabError(f"{command[0]} did not end within {timeout_s:g} s") from None
    done = Completed(tuple(command), child.returncode,
                     out.decode(errors="replace"), err.decode(errors="replace"))
    if check and done.returncode != 0:
        raise LabError(f"{Path(command[0]).name} failed (exit {done.returncode}): {done.last_words()}")
    return done


@contextlib.contextmanager
def start(
    argv: Sequence[str | Path],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Child]:
    """A child in its own session; when the block is left, it and its group are killed *and reaped*.

    The child gets SIGKILL when the *thread* that started it ends (prctl PR_SET_PDEATHSIG), so start it from
    the thread that stays with it. The pid is the program's own: setpriv and sh exec it.
    """
    program = _which(str(argv[0]))
    if program is None:
        raise LabError(f"cannot start {argv[0]}: there is no such program")
    command = [program, *(str(a) for a in argv[1:])]
    # setpriv, and not preexec_fn: Python code between fork and exec can deadlock in a program with threads.
    setpriv = find("setpriv", "util-linux")
    child = subprocess.Popen([setpriv, "--pdeathsig", "KILL", "--", *_ORPHAN_GUARD, str(os.getpid()), *command],
                             stdin=stdin, stdout=stdout, stderr=stderr, cwd=cwd, env=env, pass_fds=tuple(pass_fds),
                             start_new_session=True)
    try:
        yield child
    finally:
        kill(child)


@contextlib.contextmanager
def start_gently(
    argv: Sequence[str | Path],
    *,
    grace_s: float,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Child]:
    """As `start`, without input, for what must not be cut off: it is asked to end first, with all that it started.

    That is so when the block is broken off, then it has `grace_s`, and when this process is killed.
    """
    theirs, ours = os.pipe()
    try:
        with start([*_LAST_WILL, *argv], stdin=theirs, stdout=stdout, stderr=stderr, cwd=cwd, env=env,
                   pass_fds=pass_fds) as child:
            try:
                yield child
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGTERM)
                ended(child, grace_s)
                raise
    finally:
        os.close(theirs)
        os.close(ours)


def run_gently(argv: Sequence[str | Path], *, timeout_s: float, grace_s: float, cwd: Path | None = None,
               env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()) -> Completed:
    """Run a program to its end, as `start_gently`; the caller looks at its status. LabError past the deadline."""
    # Files, not pipes: what it left over would hold a pipe open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with start_gently(argv, grace_s=grace_s, stdout=out, stderr=err, cwd=cwd, env=env, pass_fds=pass_fds) as child:
            if not ended(child, timeout_s):
                raise LabError(f"{Path(argv[0]).name} did not end within {timeout_s:g} s")
        printed = []
        for file in (out, err):
            file.seek(0)
            printed.append(file.read().decode(errors="replace"))
    return Completed(tuple(map(str, argv)), child.returncode, *printed)


def ended(child: Child, wait_s: float = 0) -> bool:
    """Whether the child ends within `wait_s` seconds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(wait_s)
    return child.poll() is not None


def kill(child: Child) -> None:
    """Kill the child's whole session and reap it; safe to call again."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()

