"""What counts as bad, good, another failure, or no answer."""

from __future__ import annotations

import json

import pytest

from lab.bisect.criterion import Counts, Question, counts, questions, why_untested
from lab.bisect.trial import CANDIDATE, Seen, Trial
from lab.report.result import Outcome, Reason
from tests.unit.bisect_repository import result

QUESTION = Question("aaaaaaaaaaaa", "it misbehaves", "step", ("s",))


def trial(*states: str, names: tuple[str, ...] = ("s",)) -> Trial:
    """One run of every name in each state, pass by pass."""
    seen = tuple(Seen.of(result(state, name), "") for state in states for name in names)
    return Trial(1, CANDIDATE, 0, "0" * 40, "a title", len(states), seen)


@pytest.mark.parametrize(("state", "expected"), [
    ("bad", Counts(bad=1)), ("good", Counts(good=1)), ("other", Counts(other=1)),
    ("skip", Counts(untested=1)), ("error", Counts(untested=1)),
    ("noboot", Counts(untested=1)), ("panic", Counts(untested=1)),
])
def test_one_run(state: str, expected: Counts) -> None:
    assert counts(QUESTION, trial(state)) == expected


def test_a_run_of_another_scenario_is_not_counted() -> None:
    assert counts(QUESTION, Trial(1, CANDIDATE, 0, "", "", 1, (Seen.of(result("bad", "t"), ""),))).bad == 0


def test_a_pass_is_good_only_if_all_of_it_was_tested() -> None:
    both = Question("aaaaaaaaaaaa", "", "step", ("s", "t"))
    seen = (Seen.of(result("good", "s"), ""), Seen.of(result("skip", "t"), ""))
    assert counts(both, Trial(1, CANDIDATE, 0, "", "", 1, seen)) == Counts(untested=1)
    assert counts(both, trial("bad", "good", names=("s", "t"))) == Counts(bad=1, good=1)


def test_nothing_is_never_good() -> None:
    assert counts(QUESTION, Trial(1, CANDIDATE, 0, "", "", 4)) == Counts()
    assert counts(None, trial("bad")) == Counts(other=1)


def test_the_most_frequent_failure_is_the_question() -> None:
    found = questions(trial("other", "bad", "bad", "good").seen)
    assert [q.fingerprint for q in found] == ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]
    assert found[0].ids == ("s",)


def test_any_failure_is_bad_but_a_kernel_that_does_not_boot_is_no_answer() -> None:
    question, = questions(trial("bad", "other").seen, any_failure=True)
    assert counts(question, trial("other", "bad", "good", "noboot")) == Counts(bad=2, good=1, untested=1)


def test_where_the_question_is_the_boot_that_is_bad() -> None:
    question, = questions(trial("noboot", "noboot").seen)
    assert counts(question, trial("noboot", "bad", "good")) == Counts(bad=1, good=1, other=1)
    any_question, = questions(trial("noboot").seen, any_failure=True)
    assert counts(any_question, trial("noboot", "bad")) == Counts(bad=1, other=1)


def test_a_known_bug_does_not_hide_the_question() -> None:
    known = result("bad")
    reasons = [Reason(Outcome.XFAIL, r.text, kind=r.kind, fingerprint=r.fingerprint, bug="b") for r in known.reasons]
    known.reasons[:] = reasons
    seen = Seen.of(known, "")
    assert (seen.outcome, seen.fingerprint) == (Outcome.FAIL, "aaaaaaaaaaaa")


def test_what_always_fails_first_does_not_hide_the_question() -> None:
    assert counts(QUESTION, trial("other+bad", "other", "bad+other")) == Counts(bad=2, other=1)


def test_all_failures_of_a_run_are_questions_the_first_cause_first() -> None:
    found = questions(trial("other+bad", "other+bad", "bad+other", "good").seen)
    assert [q.fingerprint for q in found] == ["bbbbbbbbbbbb", "aaaaaaaaaaaa"]
    later = questions((*trial("other+bad").seen, *trial("bad", names=("t",)).seen))
    assert [(q.fingerprint, q.ids) for q in later] == [("aaaaaaaaaaaa", ("s", "t")), ("bbbbbbbbbbbb", ("s",))]


def test_where_nothing_boots_no_failure_of_it_is_another() -> None:
    question, = questions(trial("bad+other").seen, any_failure=True)
    assert counts(question, trial("panic", "other+bad")) == Counts(bad=1, untested=1)


@pytest.mark.parametrize(("state", "words"), [
    ("other", "fails in another way, bbbbbbbbbbbb"), ("noboot", "does not boot: the kernel did not come up"),
    ("skip", "skip: no such module"), ("error", "error: the guest was lost"),
])
def test_why_there_is_no_answer(state: str, words: str) -> None:
    assert words in why_untested(QUESTION, trial(state))


def test_a_trial_survives_the_journal() -> None:
    one = trial("bad", "other+bad", "skip")
    assert Trial.from_json(json.loads(json.dumps(one.as_json()))) == one


def test_a_journal_that_kept_first_failures_only_is_read() -> None:
    data = trial("bad", "other").as_json()
    for seen in data["seen"]:
        del seen["others"]
    assert Trial.from_json(data) == trial("bad", "other")
