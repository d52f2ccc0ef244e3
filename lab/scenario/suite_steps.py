"""The word that runs another project's test suite, and the list of what its cases are expected to come to."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from lab.scenario.base import FORMS, LUN_TEXT, Argument, LunRef, Strict

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


class Suite(Strict):
    """Run another project's test suite on a LUN's disk. Each of its cases is a case of the report.

    A case must pass, or end as a deviation says; one that leaves no result is an error.
    """

    suite: Literal["iscsi-test-cu"] = Field(description="which; the scenario is skipped where the guest has it not")
    lun: LunRef = Field(description=LUN_TEXT)
    tests: list[CaseName] = Field(min_length=1, description="cases or groups in the suite's own names: ALL.Inquiry")
    without: list[CaseName] = Field(default_factory=list, description="cases or groups that are left out")
    expected: str | None = Field(None, pattern=EXPECTED, description="a file beside the scenario with `deviations`")
    deviations: list[Deviation] = Field(default_factory=list, description="cases that may not pass; the first counts")


class ExpectedFile(Strict):
    """The format of a file of deviations: it belongs to one suite."""

    suite: Literal["iscsi-test-cu"]
    deviations: list[Deviation]


def means(word: str, case: str) -> bool:
    """Whether a word is the name of a case, or of a group in which it is: names are split by . and /."""
    return fnmatchcase(case, word) or fnmatchcase(case, f"{word}[./]*")
