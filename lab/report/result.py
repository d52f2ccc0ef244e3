"""What a verdict is: an outcome with every reason for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path


class Outcome(Enum):
    """FAIL: the kernel misbehaved. ERROR: the lab did. SKIP: it cannot apply here. XFAIL: it failed as a known bug
    does, and in no other way. XPASS: it passed although a known bug says that it does not."""

    PASS = "pass"
    SKIP = "skip"
    XPASS = "xpass"
    XFAIL = "xfail"
    ERROR = "error"
    FAIL = "fail"


_RANK = [Outcome.PASS, Outcome.SKIP, Outcome.XPASS, Outcome.XFAIL, Outcome.ERROR, Outcome.FAIL]


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of several; of none it is ERROR: nothing passes by silence."""
    return max(outcomes, key=_RANK.index, default=Outcome.ERROR)


@dataclass(frozen=True)
class Check:
    """One comparison of a step: what was expected, what was observed."""

    what: str
    expected: str
    observed: str
    ok: bool
    kind: str = ""  # case: of a suite, a failure of its own; lab: the lab's fault when it is not ok


@dataclass(frozen=True)
class Case:
    """One case of a test suite that a step ran. XFAIL, SKIP: it ended as the scenario's list says; XPASS: it passed
    although the list says that it does not."""

    name: str
    outcome: Outcome
    text: str = ""  # why it is no plain pass
    output: str = ""  # what it printed
    seconds: float = 0.0


@dataclass(frozen=True)
class StepResult:
    """One planned step. `ran` is False for those after the first failure."""

    index: int
    title: str
    ran: bool
    seconds: float | None
    checks: list[Check] = field(default_factory=list)
    kernel_messages: list[str] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(not c.ok for c in self.checks)


@dataclass(frozen=True)
class Reason:
    """Why a run is not a pass (or, for SKIP, why it cannot be run): a sentence, and whose fault it is."""

    outcome: Outcome
    text: str
    detail: str = ""
    kind: str = ""  # of a FAIL: kernel, step, deadline, set-up, teardown, leak, taint, require, boot
    fingerprint: str = ""  # of a FAIL: 12 hex digits, the same over kernels, hosts and runs
    consequence: bool = False  # a kernel failure after the first cause
    bug: str = ""  # the known bug that it is


@dataclass(frozen=True)
class KernelFault:
    """A kernel failure found on the console, in the terms of a report."""

    kind: str
    title: str
    fingerprint: str
    step: int | None  # in flight when it began
    allowed: str | None  # the reason that the scenario gives, when it lets it pass
    text: str  # as the kernel printed it
    severity: str = ""
    role: str = ""  # cause, consequence or allowed
    reported: int | None = None  # the step in flight when it was printed
    late_s: float = 0.0  # seconds between its beginning and its report
    beside: tuple[str, ...] = ()  # background steps in flight when it began
    frames: tuple[str, ...] = ()
    decoded: str = ""  # the text with file:line, where symbols were at hand


@dataclass(frozen=True)
class Known:
    """A known bug in the terms of a report."""

    bug: str
    summary: str
    fixed: str  # a commit, or "open"

    @property
    def text(self) -> str:
        return f"known bug {self.bug} ({'open' if self.fixed == 'open' else f'fixed by {self.fixed}'}): {self.summary}"


def case_name(run_id: str, number: int) -> str:
    """The first run keeps its id, so that a case is the same one however often it is repeated; then #2, #3, ..."""
    return run_id if number == 1 else f"{run_id}#{number}"


@dataclass(frozen=True)
class Result:
    """The verdict on one run directory."""

    id: str
    scenario: str
    outcome: Outcome
    reasons: list[Reason]  # the first cause first
    steps: list[StepResult]
    faults: list[KernelFault]
    notes: list[str]
    seconds: float
    origin: str  # "checkpoint", "boot", "ssh" or "" when no machine came up
    repeat: str
    directory: str
    values: dict[str, str | int | float | bool] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    worst: str = ""  # title of the most severe kernel failure
    known: list[Known] = field(default_factory=list)  # the known bugs that it showed, or (XPASS) should have shown
    judged: Outcome | None = None  # the outcome before known bugs were looked at, where they changed it
    number: int = 1  # among the repeats of this run

    @property
    def case(self) -> str:
        """What it is called among all results of its kernel."""
        return case_name(self.id, self.number)

    @property
    def cases(self) -> list[Case]:
        """Of all test suites that its steps ran."""
        return [case for step in self.steps for case in step.cases]

    @property
    def cause(self) -> Reason | None:
        """The first failure, which owns the verdict; None when nothing failed."""
        return next((r for r in self.reasons if r.outcome is Outcome.FAIL), None)

    @property
    def summary(self) -> str:
        """One line: the first reason that is not a known bug, what is worse than it, or nothing for a pass."""
        bugs = ", ".join(k.bug for k in self.known)
        if self.outcome is Outcome.XPASS:
            return f"passed in spite of the known bug {bugs}"
        if not self.reasons:
            return ""
        first = next((r for r in self.reasons if not r.bug), self.reasons[0])
        worse = f"; worst: {self.worst}" if self.worst and self.worst not in first.text else ""
        return (f"known bug {bugs}: " if self.outcome is Outcome.XFAIL else "") + first.text + worse

    def save(self, directory: Path) -> None:
        """Write result.json. OSError when the disk is full."""
        cause = self.cause
        data = {**asdict(self), "cause": None if cause is None else {
            "kind": cause.kind, "fingerprint": cause.fingerprint, "text": cause.text}}
        (directory / "result.json").write_text(json.dumps(data, indent=1, default=lambda outcome: outcome.value))


def exit_status(outcomes: Iterable[Outcome], *, interrupted: bool, strict_known: bool = False) -> int:
    """architecture.md, "Exit codes": 130 interrupted, 1 a kernel failed, 3 the lab failed or nothing ran, 0 passed.

    What failed as a known bug does is no failure; what passed in spite of one is, with `strict_known`.
    """
    seen = set(outcomes)
    if interrupted:
        return 130
    if Outcome.FAIL in seen or (strict_known and Outcome.XPASS in seen):
        return 1
    if Outcome.ERROR in seen or not seen & {Outcome.PASS, Outcome.XFAIL, Outcome.XPASS}:
        return 3
    return 0
