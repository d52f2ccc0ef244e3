"""Whether the scenarios notice a mutant: pure, over results of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.mutants.mutant import Mutant

Result = dict[str, Any]  # result.json of one run
Runs = Callable[[Sequence[str]], list[Result]]  # runs scenarios by their words (none: all) on one kernel


class ControlFailed(Exception):
    """A scenario is red on the kernel that nobody broke, or none ran there: nothing could be concluded."""


@dataclass(frozen=True)
class Verdict:
    """`outcome` is caught, survived or error; `by` the scenarios that are red; `said` the first failure's text."""

    outcome: str
    by: tuple[str, ...] = ()
    said: str = ""


@dataclass
class Control:
    """The unbroken kernel: what it passes. A word is run there once."""

    runs: Runs
    passed: set[str] = field(default_factory=set)
    _asked: set[str] = field(default_factory=set)
    _whole: bool = False

    def ensure(self, words: Sequence[str]) -> None:
        """Run these (none: the library) on it unless they were. ControlFailed unless all passed, or cannot apply there,
        or failed as a known bug does."""
        new = [word for word in dict.fromkeys(words) if word not in self._asked]
        if self._whole or (words and not new):
            return
        results = self.runs(new)
        if wrong := [r for r in results if r["outcome"] not in ("pass", "skip", "xfail", "xpass")]:
            raise ControlFailed(f"{wrong[0]['id']} is red without a mutant: {first_text(wrong[0])}")
        if not any(r["outcome"] == "pass" for r in results):
            raise ControlFailed(f"nothing of {' '.join(new) or 'the library'} passes without a mutant")
        self.passed |= {r["id"] for r in results if r["outcome"] == "pass"}
        self._asked |= set(new)
        self._whole = not words


def hunt(mutant: Mutant, runs: Runs, control: Control, *, library: bool = True) -> Verdict:
    """First what the mutant expects to be red, then, with `library`, everything.

    A kernel that does not come up is no catch: no scenario looked, and a busy host can be the reason.
    """
    for words in (mutant.expects, ()) if library else (mutant.expects,):
        control.ensure(words)
        results = runs(words)
        if lost := [r for r in results if r["outcome"] == "fail" and not r["origin"]]:
            return Verdict("error", said=f"no guest came up: {first_text(lost[0])}")
        if red := [r for r in results if r["outcome"] == "fail" and r["id"] in control.passed]:
            return Verdict("caught", tuple(dict.fromkeys(r["scenario"] for r in red)), first_text(red[0]))
        if broken := [r for r in results if r["outcome"] == "error"]:
            return Verdict("error", said=f"{broken[0]['id']}: {first_text(broken[0])}")
    return Verdict("survived")


def as_meant(mutant: Mutant, verdict: Verdict) -> bool:
    """Caught, or survived where the patch says why."""
    return verdict.outcome == ("survived" if mutant.survives else "caught")


def first_text(result: Result) -> str:
    """The first reason of a result, as one line."""
    return " ".join(result["reasons"][0]["text"].split()) if result["reasons"] else "it gives no reason"
