"""The handler of a tcmu device: a process of its own that answers what the target core passes to user space.

It is forked from the agent, so it costs no start of Python, answers while a step blocks, may die of anything (SIGBUS
too) without the agent, and ends when the agent does: its end of the control socket then reads as closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.guest import configfs
from lab.guest.observation import Refused
from lab.guest.tcmu_ring import node_of, opened
from lab.guest.tcmu_server import MESSAGE, Server
from lab.guest.tcmu_unit import Unit

_END_S = 5.0
_ANSWER_S = 20.0
_POLL_S = 0.01


@dataclass
class Handler:
    """The handler as the agent sees it. `name` is the device's: tcm-user/HBA/NAME."""

    name: str
    unit: Unit
    last_words: Path
    pid: int = 0
    may_die: bool = False
    meddled: bool = False  # it has had a rule, or was killed
    died: str = ""  # why it ended by itself, unasked
    control: socket.socket | None = None
    _status: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Fork; returns when the ring is mapped. Raises Refused when that fails."""
        node, self.may_die = node_of(self.name), False
        if node is None:
            raise Refused(f"no UIO device is called {self.name}")
        self._hang_up()
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(_ANSWER_S)
        self.last_words.unlink(missing_ok=True)
        self.pid = os.fork()
        if self.pid == 0:
            _child(node, self.unit, theirs, self.last_words)
        theirs.close()
        self.ask({})

    def revive(self) -> None:
        """Start a new one where the old is dead, unless the device has gone with its backstore."""
        if not self.running() and node_of(self.name) is not None:
            self.start()

    def clear(self) -> None:
        """Take all rules away. A handler that a rule has killed, or is just killing, has a successor then."""
        if self.running():
            try:
                self.ask({"clear": True})
                return
            except Refused:
                if not self.may_die:
                    raise
                self.kill()
        self.revive()

    def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """What it has seen (Server.report); `add` gives it a rule, `clear` takes all away. Refused when it is dead."""
        self.meddled |= "add" in order
        self.may_die |= order.get("add", {}).get("ring") == "bad-address"
        with self._lock:
            if self.control is None:
                raise Refused("the tcmu handler was not started")
            try:
                self.control.send(json.dumps(order).encode())
                answer = self.control.recv(MESSAGE)
            except OSError as error:
                raise Refused(f"the tcmu handler does not answer: {error}") from None
        if not answer:
            raise Refused(f"the tcmu handler died: {self._why()}")
        return dict(json.loads(answer))

    def running(self) -> bool:
        """Whether it lives; if not, and nobody wanted that, `died` says why."""
        if self.pid and self._reaped():
            self.pid = 0
            self.died = self.died if self.may_die else self._why()
        return self.pid != 0

    def kill(self) -> None:
        """SIGKILL: its memory is unmapped and the device closed at once, whatever it was about to answer."""
        if not self.running():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        end = time.monotonic() + _END_S
        while not self._reaped():
            if time.monotonic() > end:
                raise Refused(f"the tcmu handler {self.pid} does not die")
            time.sleep(_POLL_S)
        self.pid = 0

    def recover(self, action: Path) -> None:
        """Whatever was done to it: the device not blocked, its ring whole and empty, and a good handler.

        What waits in the ring ends with BUSY, so that the host sends it again. Where nothing was done nothing is.
        """
        if self.running() and not self.meddled:
            return
        self.kill()
        if configfs.missing(action):
            return  # the backstore has been removed
        configfs.write(action / "reset_ring", "1")
        configfs.write(action / "block_dev", "0")
        self.start()

    def stop(self) -> None:
        """End it and reap it. Raises Refused when it had died by itself, or cannot be killed."""
        self.kill()
        self._hang_up()
        if self.died:
            raise Refused(f"the tcmu handler died: {self.died}")

    def _hang_up(self) -> None:
        with self._lock:
            if self.control is not None:
                self.control.close()
            self.control = None

    def _reaped(self) -> bool:
        try:
            pid, self._status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return True
        return pid != 0

    def _why(self) -> str:
        if os.WIFSIGNALED(self._status):
            return f"signal {os.WTERMSIG(self._status)} ended it"
        with contextlib.suppress(OSError):
            return self.last_words.read_text().strip()
        return ""  # it ended with its device


def _child(node: str, unit: Unit, control: socket.socket, last_words: Path) -> None:
    """All of the forked process; never returns."""
    try:
        _let_go({control.fileno(), unit.fd})
        server = Server(opened(node), unit, control)
        server.serve()
    finally:
        # Nothing of the agent's may run here: no handlers, no buffers, no other thread's locks.
        if sys.exc_info()[0] is not None:
            last_words.write_text(traceback.format_exc(limit=-1).strip().splitlines()[-1])
        os._exit(0)


def _let_go(kept: set[int]) -> None:
    """Close what the agent had open: its port and its disks must not seem in use because of this process."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


