"""Commits as the subject of a bisection: each is checked out in a worktree and built there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.bisect.history import History
from lab.bisect.revisions import Revisions
from lab.bisect.subject import CannotTest
from lab.bisect.worktree import Worktree
from lab.errors import BuildFailed, UsageError
from lab.kernels.kernel import Kernel

Build = Callable[[Path, Callable[[str], None]], Kernel]


@dataclass(frozen=True)
class CommitSubject:
    """`build` makes a kernel of a checkout and raises BuildFailed when its source is at fault."""

    revisions: Revisions
    worktree: Worktree
    build: Build

    @property
    def history(self) -> History:
        return self.revisions.history

    def title(self, position: int | None) -> str:
        """Short hash and subject."""
        return self.revisions.title(position)

    def kernel(self, position: int | None, say: Callable[[str], None]) -> Kernel:
        """Check the commit out and build it. CannotTest when it does not build."""
        name = self.revisions.name(position)
        self.worktree.check_out(name)
        try:
            return named(self.build(self.worktree.directory, say), f"commit-{name[:12]}")
        except (BuildFailed, UsageError) as error:  # UsageError: a tree that the builder does not know how to build
            raise CannotTest(f"it does not build: {error}") from None


def named(kernel: Kernel, name: str) -> Kernel:
    """Called by its commit, and chosen by its files: the worktree that it was built from has another one soon."""
    spec = str(kernel.image) if kernel.modules is None else f"{kernel.image}:{kernel.modules}"
    return replace(kernel, name=name, spec=spec)
