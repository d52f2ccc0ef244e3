"""The smallest set of options: 1-minimal, with sets that give no answer, flaky tests, and breaks."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bisect.options import Options, Smallest, Told, minimise
from lab.bisect.search import Contradiction

ALL = [f"O{n:02}" for n in range(32)]


def singles(names: list[str]) -> list[Options]:
    return [frozenset((name,)) for name in names]


def needs(*culprits: str) -> Callable[[Options], Told]:
    return lambda options: Told.BAD if options >= set(culprits) else Told.GOOD


def test_one_option_of_many_takes_about_two_tests_a_halving() -> None:
    found = minimise(singles(ALL), needs("O21"))
    assert found.options == {"O21"} and not found.unsure
    assert found.tests <= 11


@pytest.mark.parametrize("told", [Told.GOOD, Told.UNRESOLVED])
def test_all_options_that_do_not_fail_are_no_answer(told: Told) -> None:
    with pytest.raises(Contradiction, match="with all options of the bad one does not fail"):
        minimise(singles(ALL), lambda options: told)


def test_options_that_only_fail_together() -> None:
    assert minimise(singles(ALL), needs("O03", "O17", "O30")).options == {"O03", "O17", "O30"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.frozensets(st.sampled_from(ALL), min_size=1, max_size=3), min_size=1, max_size=3))
def test_no_option_can_be_left_out(causes: list[Options]) -> None:
    def test(options: Options) -> Told:
        return Told.BAD if any(options >= cause for cause in causes) else Told.GOOD

    found = minimise(singles(ALL), test).options
    assert test(found) is Told.BAD
    assert all(test(found - {option}) is Told.GOOD for option in found)
    assert found in causes


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.frozensets(st.sampled_from(ALL), min_size=1, max_size=3))
def test_sets_that_give_no_answer(seed: int, cause: Options) -> None:
    def test(options: Options) -> Told:
        if options != frozenset(ALL) and random.Random(f"{seed} {sorted(options)}").random() < 0.3:
            return Told.UNRESOLVED
        return Told.BAD if options >= cause else Told.GOOD

    found = minimise(singles(ALL), test)
    assert found.options >= cause  # what is needed is never thrown away
    for option in found.options - cause:  # and what is kept for want of an answer is said to be
        assert option in found.unsure


def test_a_group_is_left_out_together_first() -> None:
    tried: list[Options] = []
    groups = [frozenset(ALL[n:n + 8]) for n in range(0, 32, 8)]

    def test(options: Options) -> Told:
        tried.append(options)
        return needs("O09")(options)

    assert minimise(groups, test).options == {"O09"}
    assert tried[:2] == [frozenset(ALL), frozenset(ALL[:16])] and frozenset(ALL[8:16]) in tried
    assert next(n for n, t in enumerate(tried) if len(t) < 8) >= 2


def test_dependent_options_are_found_where_neither_half_keeps_them() -> None:
    # O31 needs O00 to survive, so that no half alone fails
    def survivors(options: Options) -> Options:
        return options if "O00" in options else options - {"O31"}

    found = minimise(singles(ALL), lambda options: needs("O31")(survivors(options)), survivors=survivors)
    assert found.options == {"O00", "O31"}


def test_what_a_configuration_did_not_keep_is_dropped_at_once() -> None:
    kept = frozenset(("O02", "O11"))
    found = minimise(singles(ALL), needs("O02", "O11"), survivors=lambda options: options & kept)
    assert found.options == kept


def test_a_set_is_tried_once_and_a_journal_is_enough_to_go_on() -> None:
    journal: dict[Options, Told] = {}
    calls: list[Options] = []

    def test(options: Options) -> Told:
        if options not in journal:
            calls.append(options)
            if len(calls) == 9:
                raise KeyboardInterrupt
            journal[options] = needs("O03", "O17")(options)
        return journal[options]

    with pytest.raises(KeyboardInterrupt):
        minimise(singles(ALL), test)
    found = minimise(singles(ALL), test)
    assert found.options == {"O03", "O17"}
    assert len(calls) - 1 == len(set(calls)) == len(journal) == found.tests + 1  # all of them are the bad end


def test_a_flaky_test_repeats_by_itself() -> None:
    rng = random.Random(3)

    def test(options: Options) -> Told:
        fails = needs("O05", "O06")(options) is Told.BAD
        return Told.BAD if fails and any(rng.random() < 0.3 for _ in range(25)) else Told.GOOD

    assert minimise(singles(ALL), test).options == {"O05", "O06"}


def test_a_single_difference_needs_no_test() -> None:
    assert minimise(singles(["X"]), needs("X")) == Smallest(frozenset("X"), frozenset(), 0)
