"""What is believed of the culprit and of how often the failure shows, after all runs so far.

The rate is not known: it is 1 with the chance SPIKE, else it is spread by a Beta distribution. Over the rate one can
integrate in closed form, so all that counts for a culprit is how many runs failed, and how many did not, at candidates
that it would make fail. Culprits with equal counts are kept as one bit mask.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

SPIKE = 0.3  # the chance, before any run, that a failure is there each time
SHAPE = (0.5, 1.0)  # Beta: the rates of the others, more of them low


@dataclass(frozen=True)
class Rate:
    """What the failing end showed: `bad` of `runs` runs failed."""

    bad: int
    runs: int

    def __post_init__(self) -> None:
        """ValueError when it never failed: then there is nothing to search."""
        if not 1 <= self.bad <= self.runs:
            raise ValueError(f"{self.bad} failures in {self.runs} runs are no failing end")


@functools.cache
def log_evidence(bad: int, good: int) -> float:
    """Log of the chance to see such runs, in this order, at something that fails with an unknown rate."""
    a, b = SHAPE
    spread = math.log(1 - SPIKE) + _log_beta(a + bad, b + good) - _log_beta(a, b)
    return math.log(SPIKE + math.exp(spread)) if good == 0 else spread


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def silence(bad: int, good: int, runs: int) -> float:
    """The chance that `runs` more runs all pass, of something that failed in `bad` runs and did not in `good`."""
    return math.exp(log_evidence(bad, good + runs) - log_evidence(bad, good))


class Group(NamedTuple):
    """Culprits of which the runs say the same."""

    bad: int  # failures at candidates that such a culprit makes fail
    good: int  # runs without failure there


@dataclass(frozen=True)
class Share:
    """A group with what it weighs now: `each` is the probability of one member, `mass` of all."""

    members: int
    each: float
    mass: float
    bad: int
    good: int


class Belief:
    """Probability of each culprit; before any run all are alike."""

    def __init__(self, size: int, rate: Rate) -> None:
        self._size = size
        self._groups = {Group(rate.bad, rate.runs - rate.bad): (1 << size) - 1}

    def saw(self, failing: int, bad: int, good: int) -> None:
        """Runs of a candidate; `failing` is the mask of the culprits that make it fail. A failure rules out all
        others."""
        groups: dict[Group, int] = {}
        for group, members in self._groups.items():
            inside, outside = members & failing, members & ~failing
            if inside:
                key = Group(group.bad + bad, group.good + good)
                groups[key] = groups.get(key, 0) | inside
            if outside and not bad:
                groups[group] = groups.get(group, 0) | outside
        self._groups = groups

    @property
    def possible(self) -> int:
        """The mask of the culprits that are not ruled out."""
        return functools.reduce(int.__or__, self._groups.values(), 0)

    def shares(self) -> list[Share]:
        """All groups, the heaviest member first (ties: the lowest position); the masses add up to 1."""
        logs = {group: log_evidence(group.bad, group.good) for group in self._groups}
        top = max(logs.values(), default=0.0)
        weights = {group: math.exp(log - top) for group, log in logs.items()}
        total = sum(weights[group] * members.bit_count() for group, members in self._groups.items())
        found = [Share(members, weights[group] / total, weights[group] * members.bit_count() / total, group.bad,
                       group.good) for group, members in self._groups.items()]
        return sorted(found, key=lambda share: (-share.each, share.members & -share.members))

    def posterior(self) -> list[float]:
        """The probability of each position; they add up to 1."""
        values = [0.0] * self._size
        for share in self.shares():
            for position in positions(share.members):
                values[position] = share.each
        return values


def positions(mask: int) -> Iterator[int]:
    """The bits that are set, lowest first."""
    for start, digit in enumerate(reversed(f"{mask:b}")):
        if digit == "1":
            yield start
