"""What is believed of the culprit and of how often the failure shows, after all runs so far.

The rate is not known: it is 1 with the chance SPIKE, else it is spread by a Beta distribution. Over the rate one can
integrate in closed form, so all that counts for a culprit is how many runs failed, and how many did not, at candidates
that it would make fail. Culprits with equal counts are kept as one bit mask.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
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

    level: int  # which of the prior weights
    bad: int  # failures at candidates that such a culprit makes fail
    good: int  # runs without failure there
    alarms: int  # failures at candidates that it does not


@dataclass(frozen=True)
class Share:
    """A group with what it weighs now: `each` is the probability of one member, `mass` of all."""

    members: int
    each: float
    mass: float
    bad: int
    good: int


class Belief:
    """Probability of each culprit; `weights` are prior weights (few distinct values), None: all alike."""

    def __init__(self, size: int, rate: Rate, *, weights: Sequence[float] | None = None,
                 false_alarm: float = 0.0) -> None:
        self._size, self._false_alarm = size, false_alarm
        self._levels, self._groups = _by_level(size, weights)
        self._groups = {Group(g.level, rate.bad, rate.runs - rate.bad, 0): m for g, m in self._groups.items()}

    def saw(self, failing: int, bad: int, good: int) -> None:
        """Runs of a candidate; `failing` is the mask of the culprits that make it fail."""
        groups: dict[Group, int] = {}
        for group, members in self._groups.items():
            inside, outside = members & failing, members & ~failing
            if inside:
                key = group._replace(bad=group.bad + bad, good=group.good + good)
                groups[key] = groups.get(key, 0) | inside
            if outside and (not bad or self._false_alarm > 0):
                key = group._replace(alarms=group.alarms + bad)
                groups[key] = groups.get(key, 0) | outside
        self._groups = groups

    @property
    def possible(self) -> int:
        """The mask of the culprits that are not ruled out."""
        return functools.reduce(int.__or__, self._groups.values(), 0)

    def shares(self) -> list[Share]:
        """All groups, the heaviest member first (ties: the lowest position); the masses add up to 1."""
        logs = {group: self._log_weight(group) for group in self._groups}
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

    def _log_weight(self, group: Group) -> float:
        alarms = group.alarms * math.log(self._false_alarm) if group.alarms else 0.0
        return math.log(self._levels[group.level]) + log_evidence(group.bad, group.good) + alarms


def positions(mask: int) -> Iterator[int]:
    """The bits that are set, lowest first."""
    for start, digit in enumerate(reversed(f"{mask:b}")):
        if digit == "1":
            yield start


def mask_of(chosen: Callable[[int], bool], size: int) -> int:
    """The mask of the positions below `size` for which `chosen` holds."""
    return int("".join("1" if chosen(n) else "0" for n in reversed(range(size))) or "0", 2)


def _by_level(size: int, weights: Sequence[float] | None) -> tuple[list[float], dict[Group, int]]:
    values = [1.0] * size if weights is None else list(weights)
    if len(values) != size or min(values) < 0 or not max(values) > 0:
        raise ValueError("each candidate needs a weight of 0 or more, and one more than 0")
    levels = sorted({value for value in values if value > 0})
    return levels, {Group(n, 0, 0, 0): mask_of(lambda k, level=level: values[k] == level, size)  # type: ignore[misc]
                    for n, level in enumerate(levels)}
