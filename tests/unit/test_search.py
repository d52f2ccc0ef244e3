"""The search: what it asks, what it believes, when it stops, and what does not fit."""

from __future__ import annotations

import random
import time

import pytest
from search_histories import Simulated, merged

from lab.bisect.belief import positions
from lab.bisect.history import History
from lab.bisect.search import Answer, Ask, Contradiction, Rate, Search

ALWAYS, HALF = Rate(8, 8), Rate(4, 8)


def linear(size: int) -> History:
    return History.linear([f"v{n}" for n in range(size)])


def test_a_single_candidate_is_the_culprit() -> None:
    search = Search(linear(1), rate=ALWAYS)
    assert search.next() is None
    assert search.answer() == Answer((0,), 1.0)


def test_halves_and_doubt() -> None:
    search = Search(linear(16), rate=ALWAYS)
    first = search.next()
    assert first == Ask(7, 1)
    search.saw(7, bad=0, good=1)
    belief = search.posterior()
    assert sum(belief) == pytest.approx(1)
    assert 0 < sum(belief[:8]) < 0.05 and belief[8] == pytest.approx(belief[15])
    search.saw(11, bad=1, good=0)
    assert sum(search.posterior()[12:]) == 0  # a failure rules out all that the candidate does not contain


def test_a_rare_failure_is_run_more_often_and_revisited() -> None:
    search = Search(linear(16), rate=Rate(4, 80))
    asked = []
    while ask := search.next():
        asked.append(ask)
        search.saw(ask.position, bad=0, good=ask.runs)
    assert search.answer().positions == (15,) and search.answer().probability >= 0.99
    assert sum(ask.runs for ask in asked if ask.position == 14) > 60
    assert sum(ask.runs for ask in asked) < 500


def test_an_early_answer_names_all_that_are_left() -> None:
    search = Search(linear(8), rate=ALWAYS)
    search.saw(5, bad=1, good=0)
    assert search.answer() == Answer((0, 1, 2, 3, 4, 5), pytest.approx(1.0))


def test_what_cannot_be_tested_leaves_a_range() -> None:
    search = Search(linear(16), rate=ALWAYS)
    for position in (4, 5, 6):
        search.cannot(position)
    while ask := search.next():
        assert ask.position not in (4, 5, 6)
        fails = ask.position >= 5
        search.saw(ask.position, bad=ask.runs if fails else 0, good=0 if fails else ask.runs)
    answer = search.answer()
    assert answer.positions == (4, 5, 6, 7) and answer.probability >= 0.99


def test_nothing_can_be_tested() -> None:
    search = Search(linear(4), rate=ALWAYS)
    for position in range(3):
        search.cannot(position)
    assert search.next() is None
    assert search.answer() == Answer((0, 1, 2, 3), 1.0)


def test_a_fix_is_searched_the_other_way_round() -> None:
    rng = random.Random(1)
    case = Simulated(linear(50), 17, 0.5, rng, find_fix=True)
    assert case.search(rate=HALF).positions == (17,)


def test_two_culprits_contradict() -> None:
    history = History(("a", "b", "merge"), ((), (), (0, 1)))
    search = Search(history, rate=ALWAYS)
    search.saw(0, bad=1, good=0)
    with pytest.raises(Contradiction, match="^b fails, but no single culprit explains this .* several culprits"):
        search.saw(1, bad=1, good=0)


def test_the_fixed_end_must_not_fail() -> None:
    search = Search(linear(4), rate=ALWAYS, find_fix=True)
    with pytest.raises(Contradiction, match="v3 fails, though it has the fix"):
        search.saw(3, bad=1, good=3)


def test_the_same_calls_give_the_same_asks() -> None:
    rng, history = random.Random(4), merged(60, random.Random(3))
    one, calls = Search(history, rate=HALF), []
    while ask := one.next():
        if rng.random() < 0.1:
            one.cannot(ask.position)
            calls.append((ask, None))
            continue
        bad = sum(rng.random() < 0.5 for _ in range(ask.runs)) if history.contains(ask.position, 30) else 0
        one.saw(ask.position, bad=bad, good=ask.runs - bad)
        calls.append((ask, bad))
    two = Search(history, rate=HALF)
    for ask, bad in calls:
        assert two.next() == ask
        if bad is None:
            two.cannot(ask.position)
        else:
            two.saw(ask.position, bad=bad, good=ask.runs - bad)
    assert two.next() is None and two.answer() == one.answer()


@pytest.mark.parametrize("rate", [(0, 3), (4, 3)])
def test_no_failing_end(rate: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no failing end"):
        Rate(*rate)


def test_positions_of_a_mask() -> None:
    assert list(positions(0b10110)) == [1, 2, 4] and list(positions(0)) == []


@pytest.mark.slow
@pytest.mark.parametrize("rate", [1.0, 0.2])
@pytest.mark.parametrize("shape", ["linear", "merged"])
def test_a_long_history_takes_less_than_a_second_a_step(shape: str, rate: float) -> None:
    size = 20_000
    rng = random.Random(5)
    history = linear(size) if shape == "linear" else merged(size, rng)
    search, times = Search(history, rate=Rate(8, round(8 / rate))), []
    while True:
        start = time.process_time()
        ask = search.next()
        times.append(time.process_time() - start)
        if ask is None:
            break
        bad = sum(rng.random() < rate for _ in range(ask.runs)) if history.contains(ask.position, 13_777) else 0
        search.saw(ask.position, bad=bad, good=ask.runs - bad)
    assert search.answer().positions == (13_777,)
    print(f"{shape} {rate}: {len(times)} asks, at most {max(times):.2f} s, on average {sum(times) / len(times):.2f} s")
    assert max(times) < 1
