"""Simulated searches: right as often as stated, with fewer runs than repeating each step a fixed number of times."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from search_histories import Simulated, fixed_repeats, merged, repeats

from lab.bisect.history import History
from lab.bisect.search import Rate

CONFIDENCE = 0.99
RATES = [1.0, 0.5, 0.2, 0.05]
SHAPES = ["linear", "merged"]


@dataclass
class Count:
    """Of many searches."""

    searches: int = 0
    right: int = 0
    runs: int = 0
    rival_runs: int = 0

    def check(self, confidence: float = CONFIDENCE) -> None:
        """The share of right answers is the confidence, but for what chance explains (three standard deviations)."""
        allowed = (1 - confidence) * self.searches + 3 * math.sqrt(self.searches * confidence * (1 - confidence))
        assert self.searches - self.right <= allowed


def history(shape: str, size: int, rng: random.Random) -> History:
    return merged(size, rng) if shape == "merged" else History.linear([f"c{n}" for n in range(size)])


def searched(shape: str, rate: float, searches: int, *, size: int = 60, find_fix: bool = False,
             untestable: float = 0.0, believed: Rate | None = None) -> Count:
    rng, count = random.Random(f"{shape} {rate} {find_fix} {untestable}"), Count()
    for _ in range(searches):
        over = history(shape, rng.randrange(2, size), rng)
        lost = {n for n in range(len(over) - 1) if rng.random() < untestable}
        case = Simulated(over, rng.randrange(len(over)), rate, rng, find_fix, lost)
        answer = case.search(CONFIDENCE, believed)
        assert answer.probability >= CONFIDENCE
        assert lost or len(answer.positions) == 1
        rival = Simulated(over, case.culprit, rate, rng, find_fix)
        fixed_repeats(rival, repeats(rate, max(1.0, math.log2(len(over))), CONFIDENCE))
        count.searches, count.right = count.searches + 1, count.right + (case.culprit in answer.positions)
        count.runs, count.rival_runs = count.runs + case.runs, count.rival_runs + rival.runs
    return count


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_some_searches(shape: str, rate: float) -> None:
    searched(shape, rate, 60).check()


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_thousands_of_searches(shape: str, rate: float) -> None:
    count = searched(shape, rate, 1500, size=200)
    count.check()
    if rate < 1:  # the rival is told the rate; told that it is 1 it runs each step once, which nobody can beat
        assert count.runs < count.rival_runs
    else:
        assert count.runs < 1.4 * count.rival_runs


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.95, 0.9, 0.8, 0.65, 0.35, 0.1])
def test_rates_in_between(rate: float) -> None:
    searched("linear", rate, 1500).check()


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_searches_for_a_fix(shape: str, rate: float) -> None:
    searched(shape, rate, 700, find_fix=True).check()


@pytest.mark.slow
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_culprit_is_in_the_range_that_untestable_candidates_leave(shape: str, rate: float) -> None:
    searched(shape, rate, 500, untestable=0.3).check()


def test_untestable_candidates() -> None:
    searched("merged", 0.5, 60, untestable=0.3).check()


def test_the_check_fires_when_a_rate_is_believed_that_is_not() -> None:
    count = searched("linear", 0.2, 60, believed=Rate(500, 500))
    with pytest.raises(AssertionError):
        count.check()
