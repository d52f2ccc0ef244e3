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
        """Whether a run shows it, be it first or after another failure. That a kernel does not boot is an answer only
        where that is the question."""
        if self.any_failure:
            return bool(seen.failures) and (seen.kind == BOOT) == (self.kind == BOOT)
        return any(failure.fingerprint == self.fingerprint for failure in seen.failures)


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
    """Every failure of the failing end: first what most often is a run's first cause, then what most often follows
    one; ties: the one that came first."""
    failed = [s for s in seen if s.failures]
    shown = {failure.fingerprint: failure for s in reversed(failed) for failure in reversed(s.failures)}
    causes, often = Counter(s.fingerprint for s in failed), Counter(f for s in failed for f in _fingerprints(s))
    # `often` has them in the order in which they came, which sorting keeps.
    order = sorted(often, key=lambda fingerprint: (-causes[fingerprint], -often[fingerprint]))
    if any_failure and order:
        ids = tuple(dict.fromkeys(s.id for s in failed))
        return [Question("", "any failure", shown[order[0]].kind, ids, any_failure=True)]
    return [Question(fingerprint, shown[fingerprint].text, shown[fingerprint].kind,
                     tuple(dict.fromkeys(s.id for s in failed if fingerprint in _fingerprints(s))))
            for fingerprint in order]


def _fingerprints(seen: Seen) -> list[str]:
    """Of all its failures, each once."""
    return list(dict.fromkeys(failure.fingerprint for failure in seen.failures))


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
