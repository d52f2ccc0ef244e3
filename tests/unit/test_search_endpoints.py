"""The ends of a search: asked until the rate is known, and until the good one is believable."""

from __future__ import annotations

import random

import pytest

from lab.bisect.belief import silence
from lab.bisect.endpoints import EndAsk, Endpoints
from lab.bisect.search import Contradiction, Rate


def played(rate: float, *, seed: int = 1, find_fix: bool = False) -> tuple[Endpoints, int, int]:
    """Endpoints at their end, and how many runs the failing and the other end took."""
    rng, ends, counts = random.Random(seed), Endpoints(99, find_fix=find_fix), {True: 0, False: 0}
    while ask := ends.next():
        failing = ask.position == ends.failing
        bad = sum(rng.random() < rate for _ in range(ask.runs)) if failing else 0
        counts[failing] += ask.runs
        ends.saw(ask.position, bad=bad, good=ask.runs - bad)
    return ends, counts[True], counts[False]


def test_a_failure_that_is_always_there() -> None:
    ends, failing, other = played(1.0)
    assert ends.rate == Rate(8, 8) and failing == 8 and other <= 4


@pytest.mark.parametrize("rate", [0.5, 0.2, 0.05])
def test_rare_failures_take_more_runs_of_both_ends(rate: float) -> None:
    ends, failing, other = played(rate)
    assert ends.rate.bad >= 4 and failing < 8 / rate
    quiet = [silence(ends.rate.bad, ends.rate.runs - ends.rate.bad, runs) for runs in (other, other - 1)]
    # of the doubt of 0.1 in the good end 0.01 is left, and that with the fewest runs
    assert 0.1 * quiet[0] / (0.1 * quiet[0] + 0.9) <= 0.01 < 0.1 * quiet[1] / (0.1 * quiet[1] + 0.9)


def test_which_end_is_which() -> None:
    assert Endpoints(9).next() == EndAsk(9, 4)
    assert Endpoints(9, find_fix=True).next() == EndAsk(None, 4)
    assert played(0.5, find_fix=True)[0].failing is None


def test_a_bad_end_that_never_fails() -> None:
    ends = Endpoints(9)
    with pytest.raises(Contradiction, match="bad did not fail in 200 runs"):
        while ask := ends.next():
            ends.saw(ask.position, bad=0, good=ask.runs)


@pytest.mark.parametrize(("find_fix", "advice"), [(False, "an earlier one"), (True, "a later one")])
def test_a_good_end_that_fails(find_fix: bool, advice: str) -> None:
    ends = Endpoints(9, find_fix=find_fix)
    ends.saw(ends.failing, bad=8, good=0)
    ask = ends.next()
    assert ask is not None and ask.position == (9 if find_fix else None)
    with pytest.raises(Contradiction, match=f"good fails too, in 1 of 2 runs; look for {advice}"):
        ends.saw(ask.position, bad=1, good=1)
