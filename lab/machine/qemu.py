"""One QEMU process: started from a plan, with its console in a file and its three sockets handed over."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.machine.link import socket_pair
from lab.machine.plan import Plan
from lab.machine.qmp import Qmp, QmpFailed

_SOCKETS = ("agent", "shell", "qmp")


@dataclass
class Qemu:
    """A running QEMU. `log` is what QEMU itself printed; `console` what the guest's kernel printed."""

    child: process.Child
    qmp: Qmp
    agent: socket.socket
    shell: socket.socket
    console: Path
    log: Path

    def alive(self) -> bool:
        return self.child.poll() is None

    def last_words(self) -> str:
        """What QEMU printed last: its reason, when it refused its command line or died."""
        lines = [x for x in self.log.read_text(errors="replace").splitlines() if x.strip()]
        return lines[-1] if lines else "it printed nothing"

    def how_it_ended(self) -> str:
        """`exit 0`, `signal 9` or `running`."""
        status = self.child.poll()
        if status is None:
            return "running"
        return f"signal {-status}" if status < 0 else f"exit {status}"


@contextlib.contextmanager
def start(plan: Plan, *, memory: Path, memory_mib: int, shared: bool, console: Path, log: Path,
          incoming: bool = False, deadline_s: float = 20) -> Iterator[Qemu]:
    """Start QEMU with its memory in the file `memory`: shared (a template, whose memory is kept) or private
    (copy-on-write: the file is only read). With `incoming` it waits for a migration. LabError when it does not come up.
    """
    with contextlib.ExitStack() as stack:
        pairs = {name: socket_pair() for name in _SOCKETS}
        for ours, theirs in pairs.values():
            stack.callback(ours.close)
            stack.callback(theirs.close)
        argv = [*plan.argv, *_memory(memory, memory_mib, shared), *_chardevs(pairs, console),
                *(("-incoming", "defer") if incoming else ())]
        output = stack.enter_context(open(log, "ab"))
        child = stack.enter_context(process.start(
            argv, stdout=output, stderr=output, pass_fds=[theirs.fileno() for _, theirs in pairs.values()]))
        for _, theirs in pairs.values():
            theirs.close()  # so that an end of QEMU is seen as an end of the stream
        try:
            qmp = stack.enter_context(Qmp(pairs["qmp"][0], deadline_s=deadline_s))
        except QmpFailed as error:
            process.kill(child)
            raise LabError(_why_not(log, error)) from error
        yield Qemu(child, qmp, pairs["agent"][0], pairs["shell"][0], console, log)


def _why_not(log: Path, error: Exception) -> str:
    words = log.read_text(errors="replace").strip().splitlines()
    return f"QEMU did not start: {words[-1] if words else error}"


def _memory(path: Path, mib: int, shared: bool) -> Sequence[str]:
    share = "on" if shared else "off"
    return ("-object", f"memory-backend-file,id=ram,mem-path={_option(path)},size={mib}M,share={share}",
            "-machine", "memory-backend=ram")


def _chardevs(pairs: dict[str, tuple[socket.socket, socket.socket]], console: Path) -> list[str]:
    argv = ["-chardev", f"file,id=console,path={_option(console)}"]
    for name, (_, theirs) in pairs.items():
        argv += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
    return argv


def _option(path: Path) -> str:
    """A path as the value of a QEMU option, where a comma would begin the next one (a run's matrix values)."""
    return str(path).replace(",", ",,")
