"""What carries the agent's messages: a virtio-serial port, or standard input and output."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Protocol

POLL_S = 0.02
_PORTS = Path("/sys/class/virtio-ports")


class Stream(Protocol):
    """Bytes both ways."""

    def read(self) -> bytes | None:
        """Some bytes; b"" when there is no peer now; None when there will never be one again."""

    def write(self, data: bytes) -> None: ...


class PortStream:
    """A virtio-serial port, opened once for both ways (a second open is EBUSY). It outlives its peers."""

    def __init__(self, node: str) -> None:
        self._fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)

    def read(self) -> bytes:
        with contextlib.suppress(OSError):
            return os.read(self._fd, 65536)
        return b""

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view[:32768]):]


class StdioStream:
    """Standard input and output; ends with its peer."""

    def __init__(self) -> None:
        self._in, self._out = os.dup(0), os.dup(1)
        # Nothing else may write between the messages, and no child may read them.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.close(null)

    def read(self) -> bytes | None:
        return os.read(self._in, 65536) or None

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._out, view):]


def port_node(name: str) -> str | None:
    """The device of the virtio-serial port of this name; its number depends on the other devices."""
    for port in _PORTS.glob("*"):
        with contextlib.suppress(OSError):
            if (port / "name").read_text().strip() == name:
                return f"/dev/{port.name}"
    return None


def await_port(name: str) -> PortStream:
    while True:
        node = port_node(name)
        if node is not None and os.path.exists(node):
            return PortStream(node)
        time.sleep(POLL_S)
