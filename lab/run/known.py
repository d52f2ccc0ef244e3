"""Known bugs (kernels/known-bugs.yaml): which failures are old news, on which kernels, and what that makes of a result.

The verdict itself knows nothing of them: a run can be judged again when the file has changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from lab.document import Document, examine
from lab.explain import validated
from lab.problems import Problem, Problems, nearest
from lab.report.result import Known, Outcome, Reason, Result, worst
from lab.run.releases import Release, is_kernels, parse_kernels, parse_release
from lab.scenario.base import FORMS, Strict

_FINGERPRINT, _FIXED, _WORD = r"^[0-9a-f]{12}$", r"^(open|[0-9a-f]{7,40})$", r"^\S+$"
_FORMS = {**FORMS, _FINGERPRINT: "the 12 hex digits of a fingerprint, as a failure prints them",
          _FIXED: "the commit that fixes it (7 to 40 hex digits), or open",
          _WORD: "a name, a commit or an address, without spaces"}

_Fingerprint = Annotated[str, StringConstraints(pattern=_FINGERPRINT)]
_Word = Annotated[str, StringConstraints(pattern=_WORD, max_length=200)]
_Kernels = Annotated[str, AfterValidator(is_kernels)]


class KnownBug(Strict):
    """One bug that is known, where it shows, and by what it is recognised."""

    bug: _Word = Field(description="what reports call it: a short name, a commit, or the address of a report")
    summary: Annotated[str, StringConstraints(min_length=10, max_length=400)] = Field(description="one sentence")
    scenario: _Word | Annotated[list[_Word], Field(min_length=1)] = Field(
        description="name of a scenario, or of one of its runs; * stands for any text; a list: any of them")
    kernels: _Kernels | Annotated[list[_Kernels], Field(min_length=1)] = Field(
        description="versions: 6.1, <6.8, >=6.12, 6.12.43-6.12.62, or a kernel's name; a list: any of them")
    fingerprint: _Fingerprint | Annotated[list[_Fingerprint], Field(min_length=1)] = Field(
        description="of every failure that it shows as; the first is its own, without which the others are not it")
    fixed: Annotated[str, StringConstraints(pattern=_FIXED)] = Field(description="the commit that fixes it, or open")

    def concerns(self, result: Result) -> bool:
        """Whether a run is of its scenarios and kernels."""
        kernel = {result.properties.get(name, "") for name in ("kernel.name", "kernel.spec")}
        release = parse_release(result.properties.get("kernel.version", ""))
        return (any(_fits(word, {result.scenario, result.id}) for word in _listed(self.scenario))
                and any(_is_on(word, kernel, release) for word in _listed(self.kernels)))

    def is_it(self, reason: Reason) -> bool:
        """Whether a failure is this bug."""
        return reason.outcome is Outcome.FAIL and reason.fingerprint in _listed(self.fingerprint)

    def shows_in(self, result: Result) -> bool:
        """Whether the failure that its first fingerprint names is there; the others are excused beside that one only: a
        step that does not end looks the same whatever holds it up."""
        return any(r.outcome is Outcome.FAIL and r.fingerprint == _listed(self.fingerprint)[0] for r in result.reasons)

    @property
    def known(self) -> Known:
        return Known(self.bug, self.summary, self.fixed)


class _File(Strict):
    """The format of the file."""

    bugs: list[KnownBug]


def load_known(path: Path) -> list[KnownBug]:
    """The bugs of a file. Raises Problems (a UsageError) with everything that is wrong in it, at its place."""
    bugs, problems = _read(examine(path))
    if problems:
        raise Problems(problems)
    return bugs


def check_known(path: Path, scenarios: Iterable[str]) -> list[Problem]:
    """Everything that is wrong in a file; also scenarios of a name that none of `scenarios` has."""
    document, names = examine(path), set(scenarios)
    bugs, problems = _read(document)
    for index, bug in enumerate(bugs):
        for number, word in enumerate(_listed(bug.scenario)):
            name = word.partition("[")[0]
            if not any(_fits(name, {known}) for known in names):
                place = ("bugs", index, "scenario", *((number,) if isinstance(bug.scenario, list) else ()))
                problems.append(document.problem(place, f"no scenario is called {name!r}", nearest(name, names)))
    return problems


def _read(document: Document) -> tuple[list[KnownBug], list[Problem]]:
    file, problems = validated(document, _File, _FORMS)
    return file.bugs if file is not None else [], problems


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _fits(word: str, names: set[str]) -> bool:
    """A name, or with * a pattern; brackets are those of a run's id."""
    return word in names or ("*" in word and any(fnmatchcase(name, re.sub(r"([\[?])", r"[\1]", word))
                                                 for name in names))


def _is_on(word: str, names: set[str], release: Release | None) -> bool:
    kernels = parse_kernels(word)
    return _fits(word, names) if kernels is None else release is not None and kernels.holds(release)


def apply_known(result: Result, bugs: Iterable[KnownBug]) -> Result:
    """A verdict in the light of known bugs.

    All failures known: XFAIL. Some: what is left decides, and says which known bug was there too. A pass: XPASS.
    """
    concerned = [bug for bug in bugs if bug.concerns(result)]
    if not concerned or result.outcome not in (Outcome.PASS, Outcome.FAIL):
        return result
    if result.outcome is Outcome.PASS:
        return replace(result, outcome=Outcome.XPASS, judged=Outcome.PASS, known=[bug.known for bug in concerned])
    there = [bug for bug in concerned if bug.shows_in(result)]
    reasons = [replace(r, bug=next((b.bug for b in there if b.is_it(r)), "")) for r in result.reasons]
    shown = [b.known for b in there]
    absent = [f"{b.known.text}: it did not show in this run" for b in concerned if b.known not in shown]
    left = [r.outcome for r in reasons if not r.bug]
    outcome = worst(left) if left else Outcome.XFAIL
    return replace(result, outcome=outcome, reasons=reasons, known=shown,
                   notes=result.notes + (absent if outcome is not Outcome.XFAIL else []),
                   judged=result.outcome if outcome is not result.outcome else None)
