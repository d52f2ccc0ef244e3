"""What a session is given: planned runs, and kernels whose runs can be planned once they are at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.report.result import Outcome
from lab.run.decoding import Decoding
from lab.run.plan import RunPlan
from lab.run.runner import Guests


@dataclass(frozen=True)
class Job:
    """One planned run, where its guests come from, why it is skipped, if it is, and what decodes its failures."""

    plan: RunPlan
    guests: Guests | None
    skip: tuple[str, ...] = ()
    decoding: Decoding | None = None
    refused: tuple[Outcome, str] | None = None  # its kernel is not to be had: what that makes of it, and why

    @property
    def needs_guest(self) -> bool:
        return self.guests is not None and not self.skip and self.refused is None


@dataclass(frozen=True)
class Batch:
    """All jobs of one kernel. `make` may fetch or build the kernel, and raise LabError; then `instead(outcome, why)`
    are the jobs, all refused. `make` gives none for a kernel that an earlier batch has. `expected`: how many jobs."""

    expected: int
    make: Callable[[], Sequence[Job]]
    instead: Callable[[Outcome, str], Sequence[Job]]


def batch_of(jobs: Sequence[Job]) -> Batch:
    """Jobs that are already made."""
    return Batch(len(jobs), lambda: jobs, lambda _outcome, _why: [])
