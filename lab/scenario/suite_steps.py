"""The word that runs another project's tests, and the list of what its cases are expected to come to."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lab.problems import listed
from lab.scenario.base import FORMS, LUN_TEXT, Argument, LunRef, Name, Strict
from lab.scenario.suite_cases import Copy, Jobs

CASE = r"^[A-Za-z0-9_.*?/=-]+$"
EXPECTED = r"^[A-Za-z0-9_.-]+\.expected$"
FORMS[CASE] = "the name of a case or of a group of them; * and ? stand for any text and character"
FORMS[EXPECTED] = "the name of a file beside the scenario that ends in .expected"

Ending = Literal["pass", "fail", "skip"]
CaseName = Annotated[Argument, Field(pattern=CASE, max_length=200)]


class Deviation(Strict):
    """Cases of a suite that may end otherwise than by a pass, and why."""

    cases: list[CaseName] = Field(min_length=1, description="their names, or groups of them")
    ends: Ending | Annotated[list[Ending], Field(min_length=2)] = Field(
        description="how they end; a list: any of them, where kernels differ")
    on: list[Literal["ramdisk", "fileio", "iblock", "pscsi", "tcmu"]] = Field(
        default_factory=list, description="types of backstore for which this holds; default: all")
    reason: str = Field(min_length=10, description="why, with the place in the kernel or the standard")

    def covers(self, case: str) -> bool:
        """Whether it speaks of a case."""
        return any(means(word, case) for word in self.cases)

    @property
    def endings(self) -> list[Ending]:
        return [self.ends] if isinstance(self.ends, str) else self.ends


SuiteName = Literal["iscsi-test-cu", "sg_dd", "fio", "blktests"]
# What each suite must have beside its LUN; keys that are others' are refused.
_OF = {"iscsi-test-cu": ("tests",), "sg_dd": ("destination", "copies"), "fio": ("jobs",),
       "blktests": ("tests",)}


class Suite(Strict):
    """Run tests of another project on a LUN's disk. Each of its cases is a case of the report.

    A case must pass, or end as a deviation says; one that leaves no result is an error.
    """

    suite: SuiteName = Field(description="which; the scenario is skipped where the guest has it not")
    lun: LunRef = Field(description=LUN_TEXT)
    tests: list[CaseName] = Field(default_factory=list, description=(
        "cases or groups in the suite's own names: ALL.Inquiry; default: all that the scenario describes itself"))
    without: list[CaseName] = Field(default_factory=list, description="cases or groups that are left out")
    destination: LunRef | None = Field(None, description=(
        "sg_dd: the LUN that is written; `lun` is read, and holds what `write` put there"))
    copies: dict[Name, Copy] = Field(default_factory=dict, description="sg_dd: the cases by name")
    jobs: dict[Name, Jobs] = Field(default_factory=dict, description=(
        "fio: the cases by name, each a list of jobs that run together; filename, direct=1, ioengine=libaio and "
        "verify_fatal=1 are set"))
    expected: str | None = Field(None, pattern=EXPECTED, description="a file beside the scenario with `deviations`")
    deviations: list[Deviation] = Field(default_factory=list, description="cases that may not pass; the first counts")

    @model_validator(mode="after")
    def _its_own(self) -> Suite:
        if missing := [key for key in _OF[self.suite] if not getattr(self, key)]:
            raise ValueError(f"{self.suite} needs {missing[0]}")
        for key in ("destination", "copies", "jobs"):
            if getattr(self, key) and key not in _OF[self.suite]:
                owners = [name for name, keys in _OF.items() if key in keys]
                raise ValueError(f"{key} belongs to {listed(owners, 'and')}, and this is {self.suite}")
        return self


class ExpectedFile(Strict):
    """The format of a file of deviations: it belongs to one suite."""

    suite: SuiteName
    deviations: list[Deviation]


def means(word: str, case: str) -> bool:
    """Whether a word is the name of a case, or of a group in which it is: names are split by . and /."""
    return fnmatchcase(case, word) or fnmatchcase(case, f"{word}[./]*")
