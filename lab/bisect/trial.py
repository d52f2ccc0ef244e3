"""One trial of a candidate: the runs that were made of it, or why there are none. What the journal keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.report.result import Outcome, Result

BOOT = "boot"
CANDIDATE, END, PARENT = "candidate", "end", "parent"


@dataclass(frozen=True)
class Failure:
    """One way in which a run failed."""

    fingerprint: str
    kind: str
    text: str


@dataclass(frozen=True)
class Seen:
    """One run of one scenario, as far as a search needs it; `kind`, `fingerprint`, `text` are of its first failure."""

    id: str
    outcome: Outcome
    kind: str = ""
    fingerprint: str = ""
    text: str = ""
    directory: str = ""  # of the run, relative to the bisection's folder
    others: tuple[Failure, ...] = ()  # after the first

    @property
    def failures(self) -> tuple[Failure, ...]:
        """All of them, the first cause first; none of a run that did not fail."""
        if self.outcome is not Outcome.FAIL:
            return ()
        return (Failure(self.fingerprint, self.kind, self.text), *self.others)

    @staticmethod
    def of(result: Result, directory: str) -> Seen:
        """All failures, also those that are known bugs: neither these nor what fails first may hide the question."""
        causes = [r for r in result.reasons if r.outcome in (Outcome.FAIL, Outcome.XFAIL)]
        if not causes:
            return Seen(result.id, result.outcome, text=result.summary, directory=directory)
        # A panic on the way up is one of a kernel that does not boot.
        first, *others = (Failure(r.fingerprint, r.kind if result.origin else BOOT, r.text) for r in causes)
        return Seen(result.id, Outcome.FAIL, first.kind, first.fingerprint, first.text, directory, tuple(others))

    @staticmethod
    def from_json(data: dict[str, Any]) -> Seen:
        """KeyError, TypeError, ValueError for anything that a journal does not have."""
        others = tuple(Failure(**one) for one in data.get("others", ()))
        return Seen(**{**data, "outcome": Outcome(data["outcome"]), "others": others})


@dataclass(frozen=True)
class Trial:
    """The runs of one candidate. `cannot` says why there are none: it does not build, its package is gone."""

    number: int
    phase: str  # END, CANDIDATE, or PARENT: the parent that a path filter hides
    position: int | None  # as in Subject.kernel
    name: str  # the candidate's full name: a commit's hash
    title: str
    asked: int  # runs that were asked for
    seen: tuple[Seen, ...] = ()
    cannot: str = ""
    kernel: str = ""  # what chooses this kernel on a command line
    seconds: float = 0.0

    def passes(self) -> list[list[Seen]]:
        """The runs by turn: the n-th run of every scenario is the n-th pass."""
        turns: list[list[Seen]] = []
        counts: dict[str, int] = {}
        for one in self.seen:
            turn = counts[one.id] = counts.get(one.id, -1) + 1
            if turn == len(turns):
                turns.append([])
            turns[turn].append(one)
        return turns

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return {**asdict(self), "seen": [{**asdict(s), "outcome": s.outcome.value} for s in self.seen]}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Trial:
        """KeyError, TypeError, ValueError for anything that `as_json` does not write."""
        return Trial(**{**data, "seen": tuple(Seen.from_json(one) for one in data["seen"])})


def seen_of(results: Sequence[Result], directories: Iterable[str]) -> tuple[Seen, ...]:
    """What a search needs of the results of a trial."""
    return tuple(Seen.of(result, directory) for result, directory in zip(results, directories, strict=True))
