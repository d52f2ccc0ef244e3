"""What is looked at while the lab waits for a guest: the user's wish to stop, and what the kernel says meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.console.finding import Effect, Finding
from lab.console.scan import Scanner
from lab.errors import LabError
from lab.machine.link import LinkLost, LinkTimeout
from lab.run.plan import RunPlan
from lab.run.witness import Said, first_of, lines_of

CONSOLE_LIMIT = 512 << 20  # bytes; a guest that prints more is ended
# Kernels say these of tasks and CPUs that do not come back; a step that still waits then is not merely slow.
_HANGS = {"hung-task", "soft-lockup", "hard-lockup", "rcu-stall", "workqueue-lockup"}
_LOOK_EVERY_S = 1.0
_PATIENCE_S = 2.0  # with KVM, after such a report: the step may just be ending


class Interrupted(LabError):
    """The user asked to stop."""


class KernelEnded(LinkLost):
    """The kernel has ended, and what is left of it is held for the lab to look at."""


class Watch:
    """Called several times a second during each wait for one guest; ends the wait by raising."""

    def __init__(self, plan: RunPlan, console: Path, stop: Callable[[], bool]) -> None:
        self._plan, self._console, self._stop = plan, console, stop
        self._scanner, self._read = Scanner(plan.token, hz=plan.kernel.hz), 0
        self._armed = True
        self._next_look = 0.0
        self._hang: Finding | None = None
        self._patient_until = float("inf")
        self._forged: set[Said] = set()
        self.ask: Callable[[list[Said]], None] = lambda _: None
        """Asks the guest whether its kernel said these lines; the answer comes to `denied`."""
        self.ended: Callable[[], bool] = lambda: False
        """Whether the kernel has ended and is held."""

    def __call__(self) -> None:
        """Raises Interrupted, LinkLost (the console is flooded, the kernel ended) or, once, LinkTimeout (the kernel
        reports a hang)."""
        if self._stop():
            raise Interrupted("interrupted while it ran")
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            self._look(now)
            if self.ended():
                raise KernelEnded("the kernel has ended")
        if now >= self._patient_until:
            self._patient_until = float("inf")
            raise LinkTimeout(f"the kernel reports: {self._hang.title if self._hang else 'a hang'}")

    def disarm(self) -> None:
        """A hang is being looked into: that the kernel reports it, too, ends no question any more."""
        self._armed, self._patient_until = False, float("inf")

    def printed(self, records: Iterable[Said]) -> None:
        """User space wrote these to the kernel log."""
        self._scanner.printed(records)

    def denied(self, lines: Iterable[Said]) -> None:
        """The kernel did not say these lines: a report that begins with one was printed by somebody else."""
        self._forged.update(lines)
        if self._hang is not None and first_of(self._hang) in self._forged:
            self._hang, self._patient_until = None, float("inf")

    def _look(self, now: float) -> None:
        try:
            with open(self._console, "rb") as file:
                file.seek(self._read)
                data = file.read(16 << 20)
        except OSError:
            return  # not there yet
        self._read += len(data)
        if self._read > CONSOLE_LIMIT:
            raise LinkLost(f"the guest flooded its console with more than {CONSOLE_LIMIT >> 20} MiB")
        for finding in [*self._scanner.feed(data), *self._scanner.pending()]:
            if self._armed and self._hang is None and self._is_hang(finding):
                self._hang = finding
                self._patient_until = now + _PATIENCE_S * self._plan.environment.slowdown
                self.ask(sorted(lines_of(finding)))

    def _is_hang(self, finding: Finding) -> bool:
        return (finding.effect is Effect.FAIL and finding.kind in _HANGS
                and first_of(finding) not in self._forged and self._plan.allowed(finding) is None)
