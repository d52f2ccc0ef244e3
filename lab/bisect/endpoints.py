"""The two ends of a search: does the bad one fail, how often, and is the good one believable?"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lab.bisect.belief import Rate, silence
from lab.bisect.search import Contradiction

_FAILURES = 4  # of the failing end: then its rate is known to a factor of two, and the search learns the rest
_ALWAYS = 8  # failures without a single pass: then it may be taken for one that is there each time
_PATIENCE = 200  # runs without any failure; of what fails in 1 of 20 that is 1 case in 30,000
_DOUBT = 0.1  # the chance, before any run, that what is called the good end fails too


@dataclass(frozen=True)
class EndAsk:
    """Run an end so many times; `position` as in Subject.kernel: None is what stands before all candidates."""

    position: int | None
    runs: int


@dataclass
class Endpoints:
    """Asks for runs of both ends until the search can start: `next`, run, `saw`, until `next` says None; then `rate`.

    `last` is the position of the last candidate. It is the end that fails; with `find_fix` the other one is.
    """

    last: int
    confidence: float = 0.99
    find_fix: bool = False
    patience: int = _PATIENCE
    _bad: int = field(default=0, init=False)
    _good: int = field(default=0, init=False)
    _quiet: int = field(default=0, init=False)

    @property
    def failing(self) -> int | None:
        """The position of the end that fails."""
        return None if self.find_fix else self.last

    @property
    def rate(self) -> Rate:
        """What the failing end showed. Raises Contradiction while it has not failed."""
        if not self._bad:
            raise Contradiction(f"the end that is called bad did not fail in {self._good} runs; "
                                "give more runs, or look whether it is the right one")
        return Rate(self._bad, self._bad + self._good)

    def saw(self, position: int | None, *, bad: int, good: int) -> None:
        """Runs of an end. Raises Contradiction when the good end fails, or the bad one does not in `patience` runs."""
        if position != self.failing:
            self._quiet += good
            if bad:
                raise Contradiction(f"the end that is called good fails too, in {bad} of {bad + good} runs; "
                                    f"look for {'a later' if self.find_fix else 'an earlier'} one that does not")
        else:
            self._bad, self._good = self._bad + bad, self._good + good
            if not self._bad and self._good >= self.patience:
                _ = self.rate

    def next(self) -> EndAsk | None:
        """What to run now; None when both ends are known well enough."""
        if self._bad < (_FAILURES if self._good else _ALWAYS):
            return EndAsk(self.failing, self._missing_failures())
        runs = self._quiet_runs() - self._quiet
        return EndAsk(self.last if self.find_fix else None, runs) if runs > 0 else None

    def _missing_failures(self) -> int:
        """Half of the runs that the missing failures will take, as far as one can tell."""
        runs = self._bad + self._good
        if not self._bad:
            return min(max(_FAILURES, runs), max(1, self.patience - runs))
        if not self._good:
            return _ALWAYS - self._bad
        missing = _FAILURES - self._bad
        return max(missing, math.ceil(missing * runs / self._bad / 2))

    def _quiet_runs(self) -> int:
        """Runs of the good end without failure that leave less doubt in it than the search may leave."""
        runs, wanted = 0, (1 - self.confidence) * (1 - _DOUBT) / _DOUBT / self.confidence
        while silence(self._bad, self._good, runs) > wanted:
            runs += 1
        return runs
