"""The program in the guest that carries out what the host asks: `python3 -m lab.guest.agent [--port NAME | --stdio]`.

One thread reads and answers at once what must never wait; one worker carries out everything else, one after the other;
`diagnose` and `coverage` have threads of their own. All modules are imported before the first message, so that a
checkpoint holds them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.guest import (
    account,
    changes,
    clock,
    coverage,
    files,
    io,
    kmsg,
    nested,
    programs,
    scsi,
    shell,
    stress,
    suites,
    trees,
    waiting,
)
from lab.guest.diagnosis import diagnose
from lab.guest.entropy import reseed
from lab.guest.leaks import Snapshot, tainted
from lab.guest.observation import Observation, Refused, Skip, of_oserror
from lab.guest.pulse import Pulse
from lab.guest.registry import DRIVERS, carry_out
from lab.guest.session import TARGET_ROOT, Session
from lab.guest.stream import POLL_S, StdioStream, Stream, await_port
from lab.wire import AGENT_PORT, PROTOCOL, Decoder, Hello, WireError, encode, last_mark

# Each registers its drivers when it is imported.
DRIVER_MODULES = (account, changes, files, io, nested, programs, scsi, stress, suites, trees, waiting)
SETUP_S = 55.0
TEARDOWN_S = 50.0


class Agent:
    """Serves one stream."""

    def __init__(self, stream: Stream, root: Path = TARGET_ROOT) -> None:
        self._stream, self._root = stream, root
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._session: Session | None = None
        self._snapshot: Snapshot | None = None
        self._token = ""
        self._pulse = Pulse(self._send)
        self._operations: dict[str, Callable[[dict[str, Any]], Observation]] = {
            "hello": lambda _: hello(), "setup": self._setup, "step": self._step, "teardown": self._teardown,
            "leaks": self._leaks, "shell": lambda _: shell.serve(),
        }

    def serve(self) -> None:
        """Answer until the peer is gone for good; then put the machine back as it was."""
        worker = threading.Thread(target=self._drain, name="worker", daemon=True)
        worker.start()
        decoder = Decoder()
        while (data := self._stream.read()) is not None:
            if not data:
                decoder = Decoder()  # what a peer left half said is not the next one's beginning
                time.sleep(POLL_S)
                continue
            try:
                for message in decoder.feed(data):
                    self._dispatch(message)
            except WireError as error:
                decoder = Decoder()
                self._send({"id": 0, "error": {"kind": "WireError", "message": str(error)}})
        self._work.put(None)
        if self._session is not None:
            self._session.stopping.set()
        worker.join(TEARDOWN_S)
        if self._session is not None:
            self._teardown({})

    def _dispatch(self, message: dict[str, Any]) -> None:
        if message.get("op") == "ping":
            self._send({"id": message["id"], "reply": {}})
        elif message.get("op") == "extend":
            clock.lose(float(message["seconds"]))
        elif message.get("op") == "confirm":
            self._pulse.confirm(message["id"], message["lines"])
        elif message.get("op") == "diagnose":
            self._beside(message, lambda _: diagnose(self._root))
        elif message.get("op") == "coverage":
            self._beside(message, _coverage)
        else:
            self._work.put(message)

    def _beside(self, message: dict[str, Any], operation: Callable[[dict[str, Any]], Observation]) -> None:
        """Answer although the worker may hang."""
        threading.Thread(target=self._answer, args=(message, operation), daemon=True).start()

    def _drain(self) -> None:
        while (message := self._work.get()) is not None:
            self._answer(message, self._carry_out)

    def _carry_out(self, message: dict[str, Any]) -> Observation:
        with self._pulse.during(message["id"]):
            return self._operations.get(str(message.get("op")), _unknown)(message)

    def _answer(self, message: dict[str, Any], operation: Callable[[dict[str, Any]], Observation]) -> None:
        try:
            answer = {"id": message["id"], "reply": operation(message)}
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{error} ({Path(where.filename).name}:{where.lineno})"
            answer = {"id": message["id"], "error": {"kind": type(error).__name__, "message": text}}
        self._send(answer)

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock, contextlib.suppress(OSError):  # a peer that is gone misses it; the next may ask again
            self._stream.write(encode(message))

    def _setup(self, message: dict[str, Any]) -> Observation:
        if self._session is not None:
            raise RuntimeError("a scenario is already set up; tear it down first")
        reseed(f"{message['token']} {message['seed']}".encode())
        session = Session(message["scenario"], message["token"], message["seed"], root=self._root)
        self._session, self._snapshot, self._token = session, Snapshot(session.configuration), session.token
        started, deadline = time.monotonic(), clock.now() + message.get("timeout_s", SETUP_S)
        with kmsg.marked(session.token, "setup"):
            seen = _attempt(lambda: session.setup(deadline))
        return {**seen, "seconds": round(time.monotonic() - started, 6)}

    def _step(self, message: dict[str, Any]) -> Observation:
        session, word = self._session, message["word"]
        if session is None:
            raise RuntimeError("no scenario is set up")
        if word not in DRIVERS:
            raise RuntimeError(f"no driver for the word {word!r}")
        started, deadline = time.monotonic(), clock.now() + message["timeout_s"]
        with kmsg.marked(session.token, f"step {message['index']}"):
            seen = carry_out(session, word, message["arguments"], deadline)
        return {**seen, "seconds": round(time.monotonic() - started, 6)}

    def _teardown(self, message: dict[str, Any]) -> Observation:
        session, self._session = self._session, None
        if session is None:
            return {"ok": True, "problems": [], "seconds": 0.0}
        started, deadline = time.monotonic(), clock.now() + message.get("timeout_s", TEARDOWN_S)
        with kmsg.marked(session.token, "teardown"):
            problems = session.teardown(deadline)
        return {"ok": not problems, "problems": problems, "seconds": round(time.monotonic() - started, 6)}

    def _leaks(self, message: dict[str, Any]) -> Observation:
        if self._snapshot is None:
            return {"left": [], "tainted": 0, "marked": False}
        left, tainted = self._snapshot.left(), self._snapshot.new_taint()
        return {"left": left, "tainted": tainted, "marked": kmsg.write(last_mark(self._token))}


def _attempt(action: Callable[[], None]) -> Observation:
    try:
        action()
    except Skip as error:
        return {"ok": False, "skip": error.reasons, "boot": error.boot}
    except Refused as error:
        return {"ok": False, "problem": str(error), **error.facts}
    except OSError as error:
        return of_oserror(error)
    return {"ok": True}


def _coverage(message: dict[str, Any]) -> Observation:
    return coverage.reset() if message.get("reset") else coverage.counters(str(message.get("after", "")))


def _unknown(message: dict[str, Any]) -> Observation:
    raise ValueError(f"unknown operation {message.get('op')!r}")


def hello() -> Observation:
    """What this machine is."""
    uname = os.uname()
    with open("/proc/sys/kernel/random/boot_id") as boot_id, open("/proc/meminfo") as memory, \
            open("/proc/cmdline") as cmdline:
        return asdict(Hello(PROTOCOL, uname.release, boot_id.read().strip(), tainted(), os.cpu_count() or 1,
                            int(memory.readline().split()[1]), platform.python_version(), cmdline.read().strip()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.guest.agent")
    parser.add_argument("--port", default=AGENT_PORT)
    parser.add_argument("--stdio", action="store_true")
    arguments = parser.parse_args()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    Agent(StdioStream() if arguments.stdio else await_port(arguments.port)).serve()


if __name__ == "__main__":
    main()
