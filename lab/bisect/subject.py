"""What a bisection needs of the thing that it searches, and of whoever runs scenarios for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lab.bisect.history import History
from lab.errors import LabError
from lab.kernels.kernel import Kernel
from lab.report.result import Result


class CannotTest(LabError):
    """A candidate that gives no answer (it does not build, its package is gone): the search goes on without it."""


class Subject(Protocol):
    """Candidates that can be made into kernels: commits of a tree, versions of a package."""

    @property
    def history(self) -> History: ...

    def title(self, position: int | None) -> str:
        """One line for people; None is the good end."""

    def kernel(self, position: int | None, say: Callable[[str], None]) -> Kernel:
        """The candidate (None: the good end), built or fetched. Raises CannotTest with one sentence."""


class Tester(Protocol):
    """Runs the chosen scenarios on a kernel."""

    def __call__(self, kernel: Kernel, runs: int, label: str) -> list[Result]:
        """`runs` passes over the scenarios, in forks side by side; their files lie below a folder named `label`."""
