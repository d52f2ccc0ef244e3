"""A guest whose agent is a thread with a script: what the real one would say, or fail to say."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.machine.link import Link, socket_pair
from lab.machine.starvation import Starvation
from lab.run.plan import Environment, KernelFacts, RunPlan
from lab.scenario.types import Scenario
from lab.wire import PROTOCOL, Decoder, Hello, encode

HELLO = Hello(PROTOCOL, "6.1.0", "boot", 0, 2, 500_000, "3.11.2", "console=ttyS0")
Answer = dict[str, Any]
# What an operation gets as its message; None: the agent goes away, [] (nothing): it stays silent.
Script = dict[str, Callable[[Answer], Answer | None]]


def reply(**what: Any) -> Callable[[Answer], Answer]:
    return lambda message: {"id": message["id"], "reply": what}


def error(text: str) -> Callable[[Answer], Answer]:
    return lambda message: {"id": message["id"], "error": {"kind": "RuntimeError", "message": text}}


def gone(_: Answer) -> None:
    return None


def silent(_: Answer) -> Answer:
    return {}


GOOD: Script = {"setup": reply(ok=True), "step": reply(ok=True, seconds=0.1), "teardown": reply(ok=True, problems=[]),
                "leaks": reply(left=[], tainted=0), "ping": reply(), "diagnose": reply(lio={"core/": "x"}, tasks=[])}


@dataclass
class FakeGuest:
    """As runner.Guest."""

    link: Link
    hello: Hello = HELLO
    origin: str = "checkpoint"
    ready_s: float = 0.1
    notes: list[str] = field(default_factory=list)

    def ended(self, *, wait_s: float = 0) -> str:
        return "exit 0" if wait_s else "running"

    @property
    def starvation(self) -> Starvation:
        return Starvation()

    def forensics(self, *, agent_alive: bool, core: Path | None, watch: Callable[[], None]) -> dict[str, str]:
        return {"registers.txt": "RIP=0"}

    def hold_when_dead(self) -> None:
        pass

    def held(self) -> bool:
        return False

    def autopsy(self, core: Path) -> dict[str, str]:
        return {}


@dataclass
class FakeGuests:
    """As runner.Guests; `before` may raise what an engine raises, `ops` is what agents were asked, `cmdlines` what
    guests were booted with."""

    script: Script = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    ops: list[str] = field(default_factory=list)
    origin: str = "checkpoint"
    cmdlines: list[tuple[str, ...]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def boot_console(self) -> Path | None:
        return None

    def prepare(self, watch: Callable[[], None]) -> None:
        self.before()

    @contextlib.contextmanager
    def guest(self, workdir: Path, *, fresh_boot: bool, cmdline: tuple[str, ...],
              watch: Callable[[], None]) -> Iterator[FakeGuest]:
        self.before()
        self.cmdlines.append(cmdline)
        (workdir / "console.log").write_text("[    1.000000] Linux version 6.1.0\n")
        ours, theirs = socket_pair()
        thread = threading.Thread(target=self._serve, args=(theirs,), daemon=True)
        self.threads.append(thread)
        thread.start()
        try:
            yield FakeGuest(Link(ours, watch), origin="boot" if cmdline else self.origin)
        finally:
            ours.close()
            thread.join(5)

    def _serve(self, sock: Any) -> None:
        script, decoder = {**GOOD, **self.script}, Decoder()
        with sock, contextlib.suppress(OSError):
            while data := sock.recv(65536):
                for message in decoder.feed(data):
                    self.ops.append(message["op"])
                    answer = script[message["op"]](message)
                    if answer is None:
                        return
                    if answer:
                        sock.sendall(encode(answer))


def plan(name: str = "one", steps: int = 2, timeout_s: float = 0.2, slowdown: float = 1.0) -> RunPlan:
    """A plan of steps that run a program, each with a short timeout."""
    step = {"run": {"argv": ["true"]}, "timeout": timeout_s}
    scenario = Scenario.model_validate({"scenario": name, "summary": "A plan for tests of the lab.", "steps":
                                        [step] * steps}, strict=False)
    return RunPlan(id=name, word=name, scenario=scenario, values={}, path=f"{name}.yaml", digest="0" * 64,
                   kernel=KernelFacts("k", "6.1.0", "0" * 64, "k"),
                   environment=Environment("tcg", slowdown, "7.2", "1.42", "0.1.0"), seed=1)
