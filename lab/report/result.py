"""What a verdict is: an outcome with every reason for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path


class Outcome(Enum):
    """FAIL: the kernel misbehaved. ERROR: the lab did. SKIP: it cannot apply here."""

    PASS = "pass"
    SKIP = "skip"
    ERROR = "error"
    FAIL = "fail"


_RANK = [Outcome.PASS, Outcome.SKIP, Outcome.ERROR, Outcome.FAIL]


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


@dataclass(frozen=True)
class StepResult:
    """One planned step. `ran` is False for those after the first failure."""

    index: int
    title: str
    ran: bool
    seconds: float | None
    checks: list[Check] = field(default_factory=list)
    kernel_messages: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any(not c.ok for c in self.checks)


@dataclass(frozen=True)
class Reason:
    """Why a run is not a pass (or, for SKIP, why it cannot be run): a sentence, and whose fault it is."""

    outcome: Outcome
    text: str
    detail: str = ""


@dataclass(frozen=True)
class KernelFault:
    """A kernel failure found on the console, in the terms of a report."""

    kind: str
    title: str
    fingerprint: str
    step: int | None
    allowed: str | None  # the reason that the scenario gives, when it lets it pass
    text: str


@dataclass(frozen=True)
class Result:
    """The verdict on one run directory."""

    id: str
    scenario: str
    outcome: Outcome
    reasons: list[Reason]
    steps: list[StepResult]
    faults: list[KernelFault]
    notes: list[str]
    seconds: float
    origin: str  # "checkpoint", "boot", "ssh" or "" when no machine came up
    repeat: str
    directory: str
    values: dict[str, str | int | float | bool] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """One line: the first reason, or nothing for a pass."""
        return self.reasons[0].text if self.reasons else ""

    def save(self, directory: Path) -> None:
        """Write result.json. OSError when the disk is full."""
        data = {**asdict(self), "outcome": self.outcome.value,
                "reasons": [{**asdict(r), "outcome": r.outcome.value} for r in self.reasons]}
        (directory / "result.json").write_text(json.dumps(data, indent=1))


def exit_status(outcomes: Iterable[Outcome], *, interrupted: bool) -> int:
    """architecture.md, "Exit codes": 130 interrupted, 1 a kernel failed, 3 the lab failed or nothing ran, 0 passed."""
    seen = set(outcomes)
    if interrupted:
        return 130
    if Outcome.FAIL in seen:
        return 1
    if Outcome.ERROR in seen or Outcome.PASS not in seen:
        return 3
    return 0
