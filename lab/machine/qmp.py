"""QMP, QEMU's machine protocol, by qemu.qmp, as plain calls with deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from qemu.qmp import ExecuteError, QMPClient, QMPError

from lab.errors import LabError

# A QEMU that dies is reported by the lab in its own words.
logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)


class QmpFailed(LabError):
    """QEMU refused a command, did not answer in time, or is gone."""


class Qmp:
    """One QEMU's monitor over a connected socket. It owns a private event loop; use it from one thread."""

    def __init__(self, sock: socket.socket, *, deadline_s: float) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient("lab")
        try:
            self._call(self._client.connect(sock), "the greeting", deadline_s)
        except QmpFailed:
            self._loop.close()
            raise

    def execute(self, command: str, arguments: Mapping[str, object] | None = None, *, deadline_s: float = 10) -> Any:
        """The command's return value. Raises QmpFailed."""
        return self._call(self._client.execute(command, arguments), command, deadline_s)

    def wait_migrated(self, *, deadline_s: float) -> None:
        """Wait until a migration, out or in, is completed. Raises QmpFailed, with QEMU's reason when it gave one."""
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            answer = self.execute("query-migrate")
            status = answer.get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled"):
                raise QmpFailed(f"QEMU's migration {status}: {answer.get('error-desc', 'no reason given')}")
            time.sleep(0.005)
        raise QmpFailed(f"QEMU's migration did not complete within {deadline_s:g} s")

    def _call(self, work: Any, what: str, deadline_s: float) -> Any:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, deadline_s))
        except TimeoutError:
            raise QmpFailed(f"QEMU did not answer {what} within {deadline_s:g} s") from None
        except ExecuteError as error:
            raise QmpFailed(f"QEMU refused {what}: {error}") from error
        except (QMPError, OSError, EOFError) as error:
            raise QmpFailed(f"QEMU is gone ({what}: {type(error).__name__})") from error

    def close(self) -> None:
        """Drop the connection; QEMU itself is not touched. Safe to call again."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(QMPError, OSError, EOFError, TimeoutError, asyncio.CancelledError):
            self._loop.run_until_complete(asyncio.wait_for(self._client.disconnect(), 2))
        self._loop.close()

    def __enter__(self) -> Qmp:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
