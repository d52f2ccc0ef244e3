"""What is bad: the failure that the failing end shows, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.bisect.trial import BOOT, Seen, Trial
from lab.report.result import Outcome


@dataclass(frozen=True)
class Question:
    """A failure, and the runs (by id) that show it. `any_failure`: every failure counts as it."""

    fingerprint: str
    text: str
    kind: str
    ids: tuple[str, ...]
    any_failure: bool = False

    def asks(self, seen: Seen) -> bool:
        """Whether a run shows it. That a kernel does not boot is an answer only where that is the question."""
        if seen.outcome is not Outcome.FAIL:
            return False
        if self.any_failure:
            return (seen.kind == BOOT) == (self.kind == BOOT)
        return seen.fingerprint == self.fingerprint


@dataclass(frozen=True)
class Counts:
    """Passes over the scenarios: `other` failed in another way, `untested` gave no answer (SKIP, ERROR, no boot)."""

    bad: int = 0
    good: int = 0
    other: int = 0
    untested: int = 0

    @property
    def answered(self) -> int:
        return self.bad + self.good


def counts(question: Question | None, trial: Trial) -> Counts:
    """What a trial says about the question; without one (nothing failed yet) any failure is another one.

    A pass is bad when a run of it shows the question, good only when every run of it was really tested and passed.
    """
    tally = Counter(_of_pass(question, one) for one in trial.passes())
    return Counts(tally["bad"], tally["good"], tally["other"], tally["untested"])


def _of_pass(question: Question | None, seen: Iterable[Seen]) -> str:
    wanted = [s for s in seen if question is None or s.id in question.ids]
    if question is not None and any(question.asks(s) for s in wanted):
        return "bad"
    if any(s.outcome is Outcome.FAIL and s.kind != BOOT for s in wanted):
        return "other"
    tested = bool(wanted) and all(s.outcome in (Outcome.PASS, Outcome.XPASS) for s in wanted)
    return "good" if tested else "untested"


def questions(seen: Sequence[Seen], *, any_failure: bool = False) -> list[Question]:
    """Every failure of the failing end, the most frequent first; ties: the one that came first."""
    failures = [s for s in seen if s.outcome is Outcome.FAIL]
    often = Counter(s.fingerprint for s in failures)
    first = {s.fingerprint: s for s in reversed(failures)}
    order = sorted(often, key=lambda fingerprint: (-often[fingerprint], failures.index(first[fingerprint])))
    if any_failure and order:
        ids = tuple(dict.fromkeys(s.id for s in failures))
        return [Question("", "any failure", first[order[0]].kind, ids, any_failure=True)]
    return [Question(fingerprint, first[fingerprint].text, first[fingerprint].kind,
                     tuple(dict.fromkeys(s.id for s in failures if s.fingerprint == fingerprint)))
            for fingerprint in order]


def why_untested(question: Question | None, trial: Trial) -> str:
    """One sentence for a trial that says neither bad nor good."""
    if trial.cannot:
        return trial.cannot
    wanted = [s for s in trial.seen if question is None or s.id in question.ids]
    for one in wanted:
        if one.kind == BOOT:
            return f"it does not boot: {one.text}"
        if one.outcome is Outcome.FAIL:
            return f"it fails in another way, {one.fingerprint}: {one.text}"
    return next((f"{s.outcome.value}: {s.text}" for s in wanted if s.outcome not in (Outcome.PASS, Outcome.XPASS)),
                "nothing was run")
