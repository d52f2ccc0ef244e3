"""Which options make the difference: the ends as in every bisection, then sets of options instead of commits.

Trials and the question are judged as those of commits are (inquiry.py, criterion.py); only what is asked for next
differs: options.py decides it from what is known of the sets so far.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lab.bisect.belief import silence
from lab.bisect.config_subject import ConfigSubject
from lab.bisect.criterion import Counts
from lab.bisect.inquiry import Inquiry, Todo, Verdict
from lab.bisect.options import Options, Smallest, Told, minimise
from lab.bisect.trial import CANDIDATE, Trial

_FIRST_RUNS = 4  # of a set: most that fail do so at once


class _NotKnown(Exception):
    """The search over sets needs an answer that no trial has given yet."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass
class ConfigInquiry(Inquiry):
    """`smallest` is the answer as soon as `next` says None."""

    subject: ConfigSubject
    smallest: Smallest | None = field(default=None, init=False)
    _groups: list[Options] | None = field(default=None, init=False)

    def verdict(self) -> Verdict:
        """The smallest set, as one candidate."""
        assert self.smallest is not None, "not known yet"
        position = self.subject.position(self.smallest.options)
        assert position is not None, "the good configuration is no answer"
        return Verdict((position,), self.confidence)

    def why_unsure(self, option: str) -> str:
        """Why nobody can tell whether an option of the answer is needed."""
        assert self.smallest is not None and option in self.smallest.unsure
        without = self.subject.position(self.smallest.options - {option})
        assert without is not None
        return self.untestable[without]

    def _candidate(self) -> Todo | None:
        """The search is begun anew each time: it asks the same as long as it is told the same."""
        if self._groups is None:
            self._groups = self.subject.configs.groups()
        try:
            self.smallest = minimise(self._groups, self._told, survivors=self.subject.configs.survivors)
        except _NotKnown as ask:
            return Todo(CANDIDATE, ask.position, self._runs(ask.position))
        return None

    def _told(self, options: Options) -> Told:
        position = self.subject.position(options)
        if not position:
            return Told.GOOD if position is None else Told.BAD
        total = self.totals.get(position, Counts())
        if total.bad:
            return Told.BAD
        if position in self.untestable:
            return Told.UNRESOLVED
        if total.good < self._wanted():
            raise _NotKnown(position)
        return Told.GOOD

    def _take_candidate(self, trial: Trial) -> None:
        self._tally(trial)

    def _runs(self, position: int) -> int:
        done = self.totals.get(position, Counts()).good
        return min(self._wanted() - done, max(_FIRST_RUNS, done))

    def _wanted(self) -> int:
        """Runs without failure after which a set is good; all sets that will be tried share the doubt."""
        rate, runs = self._ends.rate, 1
        share = (1 - self.confidence) / (4 + 2 * math.log2(len(self.subject.configs.differences) + 1))
        while silence(rate.bad, rate.runs - rate.bad, runs) > share:
            runs += 1
        return runs
