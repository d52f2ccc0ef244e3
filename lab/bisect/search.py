"""Which candidate to run next, how often, and when the culprit is known: docs/bisecting-model.md."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.bisect.belief import Belief, Rate, Share, positions, silence
from lab.bisect.history import History
from lab.bisect.split import best_split
from lab.errors import LabError

__all__ = ["Answer", "Ask", "Contradiction", "Rate", "Search"]

_LEADING = 0.9  # groups that differ by doubt only: the heaviest is split, the others are revisited
_NEGLIGIBLE = 1e-7  # mass of a group that no choice hangs on
_LADDER = tuple(sorted({round(1.4**n) for n in range(23)}))  # numbers of runs that are weighed against each other
_FEW_FAILURES = 0.25  # runs in one go: more than the first failure says nothing new
_MARGIN = 0.7  # the prior is no single rate's truth: so much of the allowed doubt keeps the confidence for each rate
_NO_INFORMATION = 1e-12  # bits


class Contradiction(LabError):
    """The runs do not fit one culprit between the ends."""


@dataclass(frozen=True)
class Ask:
    """Run the candidate at `position` up to `runs` times; stopping at the first failure is allowed."""

    position: int
    runs: int


@dataclass(frozen=True)
class Answer:
    """The culprit is one of `positions` with this probability."""

    positions: tuple[int, ...]
    probability: float


class Search:
    """Finds the first bad candidate, or with `find_fix` the first good one, from runs that fail only at times.

    A run of something good never fails. What a candidate costs when it is run for the first time is `step_cost`, in
    runs. The calls of `saw` and `cannot`, in their order, are the whole state: repeated, they give the same asks.
    """

    def __init__(self, history: History, *, confidence: float = 0.99, find_fix: bool = False, rate: Rate,
                 step_cost: float = 5.0) -> None:
        if not history.names or not 0 < confidence < 1:
            raise ValueError("a search needs candidates, and a confidence between 0 and 1")
        self._history, self._confidence, self._find_fix = history, 1 - _MARGIN * (1 - confidence), find_fix
        self._step_cost, self._belief = step_cost, Belief(len(history), rate)
        self._everything = (1 << len(history)) - 1
        self._visited: set[int] = set()
        self._untestable: set[int] = set()

    def saw(self, position: int, *, bad: int, good: int) -> None:
        """Runs of a candidate. Raises Contradiction when no culprit is left that explains them all."""
        self._visited.add(position)
        self._belief.saw(self._failing(position), bad, good)
        if not self._belief.possible:
            raise Contradiction(self._misfit(position))

    def cannot(self, position: int) -> None:
        """The candidate cannot be tested; it is not asked for again."""
        self._untestable.add(position)

    def posterior(self) -> list[float]:
        """The probability of each candidate to be the culprit."""
        return self._belief.posterior()

    def answer(self) -> Answer:
        """The culprit, or those that no test tells apart; before the end all that are needed for the confidence."""
        shares = self._belief.shares()
        chosen, total = self._leader(shares)
        if total < self._confidence:
            chosen, total = 0, 0.0
            for share in shares:
                if total < self._confidence:
                    chosen, total = chosen | share.members, total + share.mass
        return Answer(tuple(positions(chosen)), min(1.0, total))

    def next(self) -> Ask | None:
        """What to run now; None when the answer is known as surely as wanted, or no run could tell more."""
        shares = self._belief.shares()
        leader, chance = self._leader(shares)
        if chance >= self._confidence:
            return None
        shares = [share for share in shares if share.mass > _NEGLIGIBLE]
        found = [(worth, position) for position in self._worth_a_look(shares)
                 if (worth := self._best_rate(shares, position)) > _NO_INFORMATION]
        if not found:
            return None
        position = max(found, key=lambda pair: (pair[0], -pair[1]))[1]
        return Ask(position, self._runs(shares, position, leader))

    def _leader(self, shares: list[Share]) -> tuple[int, float]:
        """The most probable culprit with those that no test tells from it, and their probability."""
        leader = self._alike(shares[0].members & -shares[0].members)
        return leader, sum(share.each * (share.members & leader).bit_count() for share in shares)

    def _failing(self, position: int) -> int:
        """The culprits that make the candidate fail."""
        containing = self._history.containing[position]
        return self._everything ^ containing if self._find_fix else containing

    def _options(self, shares: list[Share]) -> dict[int, int]:
        """The candidates that may be asked for the first time, with the culprits that make them fail."""
        places: Sequence[int] = range(len(self._history))
        if not self._untestable:  # then a test outside of what is left tells nothing that one inside does not
            places = list(positions(functools.reduce(int.__or__, (s.members for s in shares))))
        return {n: self._failing(n) for n in places if n not in self._visited and n not in self._untestable}

    def _worth_a_look(self, shares: list[Share]) -> list[int]:
        """All candidates that were run before, and the best one of the others."""
        old = sorted(self._visited - self._untestable)
        options = self._options(shares)
        heaviest = max(shares, key=lambda share: share.mass)
        alike = [s for s in shares if (s.bad, s.good) == (heaviest.bad, heaviest.good)]
        new = None
        if sum(share.mass for share in alike) >= _LEADING:
            new = best_split(alike, options)
        if new is None:
            runs = _dwell(heaviest, self._step_cost)
            gain = {position: _information(shares, mask, runs) for position, mask in options.items()}
            new = max(gain, key=lambda position: (gain[position], -position), default=None)
        return old if new is None else [*old, new]

    def _best_rate(self, shares: list[Share], position: int) -> float:
        """Bits for the cost of one run, with the best number of runs."""
        step = 0.0 if position in self._visited else self._step_cost
        failing = self._failing(position)
        return max(_information(shares, failing, runs) / (step + runs) for runs in _LADDER)

    def _runs(self, shares: list[Share], position: int, leader: int) -> int:
        """So many runs that a failure is not likely yet, and not more than end the search if none comes."""
        failing = self._failing(position)
        inside = [(share, (share.members & failing).bit_count() * share.each) for share in shares]
        whole = sum(mass for _, mass in inside)
        runs = 1
        while runs < 4096:
            quiet = [(share, mass, silence(share.bad, share.good, runs)) for share, mass in inside if mass]
            failed = whole - sum(mass * chance for _, mass, chance in quiet)
            led = sum(s.each * (s.members & leader & ~failing).bit_count() for s in shares)
            led += sum(s.each * (s.members & leader & failing).bit_count() * chance for s, _, chance in quiet)
            if failed >= min(_FEW_FAILURES, whole / 2) or led / (1 - failed) >= self._confidence:
                break
            runs += 1
        return runs

    def _alike(self, bit: int) -> int:
        """The culprits that no test tells from this one: more than itself only where candidates cannot be tested."""
        if not self._untestable:
            return bit
        alike = self._belief.possible
        for position in range(len(self._history)):
            if position not in self._untestable:
                failing = self._failing(position)
                alike &= failing if failing & bit else ~failing
            if alike == bit:
                break
        return alike

    def _misfit(self, position: int) -> str:
        name = self._history.names[position]
        if self._failing(position) == 0:
            return f"{name} fails, though it has the fix; the end that is called good is not"
        return (f"{name} fails, but no single culprit explains this together with the failures before; "
                "either there are several culprits, or the end that is called good fails too")


def _entropy(chance: float) -> float:
    """Of a yes that comes with this chance, in bits."""
    if chance <= 0 or chance >= 1:
        return 0.0
    return -(chance * math.log2(chance) + (1 - chance) * math.log2(1 - chance))


def _information(shares: list[Share], failing: int, runs: int) -> float:
    """What `runs` runs tell of the culprit, in bits: does one fail, or none?"""
    told, noise = 0.0, 0.0
    for share in shares:
        mass = (share.members & failing).bit_count() * share.each
        if mass:
            chance = 1 - silence(share.bad, share.good, runs)
            told += mass * chance
            noise += mass * _entropy(chance)
    return _entropy(told) - noise


def _dwell(share: Share, step_cost: float) -> int:
    """How often a new candidate that splits this group in halves is worth to be run."""
    def rate(runs: int) -> float:
        chance = 1 - silence(share.bad, share.good, runs)
        return (_entropy(chance / 2) - _entropy(chance) / 2) / (step_cost + runs)
    return max(_LADDER, key=rate)
