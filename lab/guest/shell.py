"""`lab shell`: a terminal in the guest, carried over the virtio-serial port `lab.shell`."""

from __future__ import annotations

import contextlib
import os
import pty
import threading
import time

from lab.guest.observation import Observation, Refused
from lab.guest.program import which
from lab.guest.stream import port_node
from lab.wire import SHELL_PORT


def serve() -> Observation:
    """Run a shell on the port until it ends; then another call may start another one."""
    node = port_node(SHELL_PORT)
    if node is None:
        raise Refused(f"this machine has no port {SHELL_PORT}")
    port = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    shell = which("bash") or which("sh") or "/bin/sh"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir("/")
        os.execve(shell, [shell, "-i"], {**os.environ, "TERM": "xterm", "HOME": "/root", "PS1": "guest# "})
    threading.Thread(target=_pump, args=(port, terminal), daemon=True).start()
    _drain(terminal, port, pid)
    return {}


def _pump(port: int, terminal: int) -> None:
    """From the host to the shell; with no peer a read says end of file, so wait and read again."""
    with contextlib.suppress(OSError):
        while True:
            data = os.read(port, 4096)
            if data:
                os.write(terminal, data)
            else:
                time.sleep(0.05)


def _drain(terminal: int, port: int, pid: int) -> None:
    """From the shell to the host, until the shell ends; then it is reaped and the port is free again."""
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 4096):
            os.write(port, data)
    os.waitpid(pid, 0)
    for fd in (terminal, port):
        with contextlib.suppress(OSError):
            os.close(fd)
