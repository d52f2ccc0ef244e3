"""What is known so far and what to run next: first the ends, then the candidates, then parents that a filter hides.

The trials, in their order, are the whole state: taken in again they give the same question. Nothing is run here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.bisect.belief import silence
from lab.bisect.criterion import Counts, Question, counts, questions, why_untested
from lab.bisect.endpoints import Endpoints
from lab.bisect.outside import Outside
from lab.bisect.search import Contradiction, Search
from lab.bisect.subject import Subject
from lab.bisect.trial import BOOT, CANDIDATE, END, PARENT, Trial
from lab.errors import LabError
from lab.report.result import Outcome

_TRIES = 2  # of a candidate that fails in another way, or whose runs the lab lost
_WORTH_COUNTING = 0.2  # of an even share of the probability


def _none(_: int) -> Sequence[int]:
    return ()


def _nothing(_: int) -> bool:
    return False


class EndsWrong(LabError):
    """The ends are not what they were said to be, so there is nothing to search between them."""


@dataclass(frozen=True)
class Todo:
    """What to run: `position` as in Subject.kernel."""

    phase: str
    position: int | None
    runs: int


@dataclass(frozen=True)
class Verdict:
    """The culprit is one of `positions`, with this probability. `hidden`: why a path filter makes it another's.

    `unseen`: a filter left out what stands right before one of them, and that was not run, so it may be the culprit.
    """

    positions: tuple[int, ...]
    probability: float
    hidden: str = ""
    unseen: bool = False


@dataclass
class Inquiry:
    """`fingerprint` chooses the question among the failing end's failures; else it is the most frequent one.

    `hidden_parents` and `left_out`: see Outside.
    """

    subject: Subject
    confidence: float = 0.99
    find_fix: bool = False
    any_failure: bool = False
    fingerprint: str = ""
    patience: int = 30
    hidden_parents: Callable[[int], Sequence[int]] = _none
    left_out: Callable[[int], bool] = _nothing
    question: Question | None = field(default=None, init=False)
    others: list[Question] = field(default_factory=list, init=False)  # of the failing end, each its own question
    search: Search | None = field(default=None, init=False)
    totals: dict[int | None, Counts] = field(default_factory=dict, init=False)
    untestable: dict[int, str] = field(default_factory=dict, init=False)
    _tries: dict[int | None, int] = field(default_factory=dict, init=False)
    _again: Todo | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        last = len(self.subject.history) - 1
        self._ends = Endpoints(last, self.confidence, self.find_fix, patience=self.patience)
        self._outside = Outside(self.hidden_parents, self.left_out, self.subject.title, self.totals, self.untestable,
                                self.enough, self.find_fix)

    def next(self) -> Todo | None:
        """What to run now; None when there is a verdict."""
        if self._again is not None:
            return self._again
        if self.search is None and (end := self._ends.next()) is not None:
            return Todo(END, end.position, end.runs)
        return self._candidate()

    def take(self, trial: Trial) -> None:
        """A trial was made. Raises EndsWrong, or Contradiction when no single culprit explains what was seen."""
        self._again = None
        if trial.phase == END:
            self._take_end(trial)
        elif trial.phase == PARENT:
            self._tally(trial)
        else:
            self._take_candidate(trial)

    def verdict(self) -> Verdict:
        """What is known; it is final when `next` says None."""
        assert self.search is not None, "the ends come first"
        answer = self.search.answer()
        return Verdict(answer.positions, answer.probability, self._outside.hidden(answer.positions),
                       self._outside.unseen(answer.positions))

    def failing(self, position: int) -> bool:
        """Whether the candidate is believed to fail: whether it does under the most probable culprit."""
        assert self.search is not None, "the ends come first"
        chances = self.search.posterior()
        culprit = chances.index(max(chances))
        return self.subject.history.contains(position, culprit) != self.find_fix

    def left(self) -> tuple[int, int]:
        """About how many steps and how many candidates are left."""
        if self.search is None:
            return math.ceil(math.log2(len(self.subject.history) or 1)), len(self.subject.history)
        chances = [chance for chance in self.search.posterior() if chance > 0]
        bits = -sum(chance * math.log2(chance) for chance in chances)
        even = 1 / len(self.subject.history)
        return math.ceil(bits - 0.05), sum(chance > _WORTH_COUNTING * even for chance in chances)

    def _candidate(self) -> Todo | None:
        if self.search is None:
            self.search = Search(self.subject.history, confidence=self.confidence, find_fix=self.find_fix,
                                 rate=self._ends.rate)
        ask = self.search.next()
        return Todo(CANDIDATE, ask.position, ask.runs) if ask is not None else self._parent()

    def _take_end(self, trial: Trial) -> None:
        failing = trial.position == self._ends.failing
        end = f"the end that is called {'bad' if failing else 'good'}, {trial.title},"
        if trial.cannot:
            raise EndsWrong(f"{end} cannot be tested: {trial.cannot}")
        if failing and self.question is None:
            self._choose(trial)
        seen = self._count(trial)
        if not seen.answered:
            if not self._once_more(trial):
                raise EndsWrong(f"{end} gives no answer: {why_untested(self.question, trial)}")
            return
        try:
            self._ends.saw(trial.position, bad=seen.bad, good=seen.good)
        except Contradiction:
            raise EndsWrong(self._wrong(end, trial.position, failing)) from None

    def _wrong(self, end: str, position: int | None, failing: bool) -> str:
        total = self.totals[position]
        if not failing:
            assert self.question is not None
            return (f"{end} fails too, in {total.bad} of {total.answered} runs: {self.question.text}; "
                    f"look for {'a later' if self.find_fix else 'an earlier'} one that does not")
        what = f"show {self.fingerprint}" if self.fingerprint else "fail"
        return (f"{end} did not {what} in {total.answered} runs; look whether it is the right one, or give more runs "
                "with --patience")

    def _choose(self, trial: Trial) -> None:
        """The question is chosen at the first failure of the failing end."""
        found = questions(trial.seen, any_failure=self.any_failure)
        chosen = [q for q in found if not self.fingerprint or q.fingerprint == self.fingerprint]
        self.others = [*self.others, *(q for q in found if q not in chosen[:1] and q.fingerprint not in
                                       {o.fingerprint for o in self.others})]
        if chosen:
            self.question = chosen[0]

    def _take_candidate(self, trial: Trial) -> None:
        assert self.search is not None and trial.position is not None, "candidates come after the ends"
        if trial.cannot:
            self._give_up(trial.position, trial.cannot)
            return
        seen = self._count(trial)
        if seen.answered:
            self.search.saw(trial.position, bad=seen.bad, good=seen.good)
        elif not self._once_more(trial):
            self._give_up(trial.position, why_untested(self.question, trial))

    def _give_up(self, position: int, why: str) -> None:
        assert self.search is not None
        self.untestable[position] = why
        self.search.cannot(position)

    def _tally(self, trial: Trial) -> None:
        """Count what the search is not told of: `totals` and `untestable` are all that is kept."""
        assert trial.position is not None
        if trial.cannot:
            self.untestable[trial.position] = trial.cannot
        elif not self._count(trial).answered and not self._once_more(trial):
            self.untestable[trial.position] = why_untested(self.question, trial)

    def _count(self, trial: Trial) -> Counts:
        seen, before = counts(self.question, trial), self.totals.get(trial.position, Counts())
        self.totals[trial.position] = Counts(before.bad + seen.bad, before.good + seen.good,
                                             before.other + seen.other, before.untested + seen.untested)
        return seen

    def _once_more(self, trial: Trial) -> bool:
        """Whether to try again what gave no answer. What does not boot or is skipped will do so again."""
        tries = self._tries[trial.position] = self._tries.get(trial.position, 0) + 1
        settled = all(s.outcome is Outcome.SKIP or s.kind == BOOT for s in trial.seen)
        if settled or tries >= _TRIES:
            return False
        self._again = Todo(trial.phase, trial.position, trial.asked)
        return True

    def _parent(self) -> Todo | None:
        assert self.search is not None
        todo = self._outside.next(self.search.answer().positions)
        return Todo(PARENT, *todo) if todo is not None else None

    def enough(self) -> int:
        """Runs without failure that show, as surely as wanted, that something does not fail."""
        rate, runs = self._ends.rate, 1
        while silence(rate.bad, rate.runs - rate.bad, runs) > 1 - self.confidence:
            runs += 1
        return runs
