"""Commits of a git tree, plugged into a bisection: worktree, builder, git's own state, what is said of a commit."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.bisect.asked import COMMAND, Asked
from lab.bisect.basis import Basis, Parts, begun
from lab.bisect.commit_answer import CommitAnswer, has, revert
from lab.bisect.commits import Build, CommitSubject, named
from lab.bisect.criterion import Question
from lab.bisect.gitlog import NAME, GitLog
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.journal import Journal
from lab.bisect.report import Texts
from lab.bisect.revisions import Revisions, revisions, say_all
from lab.bisect.trial import Trial
from lab.bisect.worktree import Worktree, worktree
from lab.cli.bisect_subjects import Plug, Say
from lab.errors import BuildFailed, LabError, UsageError
from lab.kernels import flavors
from lab.kernels.build import Recipe, build_tree
from lab.kernels.build_tools import compiler
from lab.kernels.headers import headers
from lab.kernels.kernel import Kernel
from lab.kernels.module_build import build_modules
from lab.kernels.store import Store


@contextlib.contextmanager
def plug(asked: Asked, store: Store, say: Say) -> Iterator[Plug]:
    """UsageError for a tree or ends that cannot be meant. The worktree stays until `done`."""
    _check_builder(asked)
    found = revisions(Path(asked.tree), asked.good, asked.bad, find_fix=asked.find_fix, paths=asked.paths)
    say_all(found, say)
    asked, now = _made_of(asked, store, say)
    basis = begun(asked.basis, now)
    with worktree(found.tree, store) as place:
        settled = replace(asked.between(found.old, found.new), tree=str(found.tree), basis=dict(basis.began))
        commits = _Commits(settled, found, place, _builder(asked, basis, store))
        yield Plug(commits.asked, commits.subject, found.name, commits.texts, commits.believed, found.hidden_parents,
                   commits.check, commits.reverted, commits.title_reverted, place.remove)


def _check_builder(asked: Asked) -> None:
    """UsageError for what would make every candidate one that does not build."""
    if asked.modules_of and not asked.modules_of.startswith("debian"):
        raise UsageError(f"--modules-of is a stock kernel, debian:VERSION, not {asked.modules_of!r}")
    if not asked.modules_of:
        flavors.flavor(asked.flavor)


def _made_of(asked: Asked, store: Store, say: Say) -> tuple[Asked, Callable[[], Parts]]:
    """What kernels are made of beside their commits. debian:6.12 is one version from here on: package lists grow."""
    if not asked.modules_of:
        return asked, lambda: {"the compiler": compiler(),
                               f"the flavor {asked.flavor}": flavors.flavor(asked.flavor).digest[:12]}
    tools = headers(asked.modules_of.removeprefix("debian").removeprefix(":"), store, say)
    return replace(asked, modules_of=f"debian:{tools.version}"), lambda: {"the compiler": tools.compiler_version}


def _builder(asked: Asked, basis: Basis, store: Store) -> Build:
    def build(tree: Path, say: Say) -> Kernel:
        basis.check()
        if asked.modules_of:
            return build_modules(tree, asked.modules_of, store, say)
        return build_tree(tree, Recipe(asked.flavor), store, say)

    return build


@dataclass(frozen=True)
class _Commits:
    asked: Asked
    revisions: Revisions
    place: Worktree
    build: Build

    @property
    def subject(self) -> CommitSubject:
        return CommitSubject(self.revisions, self.place, self.build)

    def believed(self, inquiry: Inquiry, journal: Journal) -> Callable[[], None]:
        log = GitLog(self.revisions, inquiry, journal.directory, self.place)
        return lambda: log.write(journal.trials)

    def check(self, trials: Sequence[Trial]) -> None:
        """A journal is of no use when its commits are gone."""
        if not has(self.revisions.tree, [trial.name for trial in trials]):
            raise UsageError(f"{self.revisions.tree} no longer has all commits of this bisection; fetch them again, or "
                             "begin a new one")

    def reverted(self, position: int, say: Say) -> Kernel:
        """The newest commit without the one at `position`. LabError when that does not build."""
        revert(self.revisions, position, self.place)
        try:
            name = f"{self.revisions.new[:12]}-without-{self.revisions.name(position)[:12]}"
            return named(self.build(self.place.directory, say), name)
        except BuildFailed as error:
            raise LabError(f"{self.title_reverted(position)} does not build: {error}") from None

    def title_reverted(self, position: int) -> str:
        return f"{self.revisions.new[:12]} without {self.revisions.title(position)}"

    def texts(self, inquiry: Inquiry, journal: Journal) -> Texts:
        answer = CommitAnswer(self.revisions)

        def about(verdict: Verdict) -> str:
            if len(verdict.positions) == 1:
                return answer.one(verdict.positions[0], journal.directory)
            return answer.listed(verdict.positions, inquiry.untestable)

        return Texts(about, lambda verdict: self._commands(verdict, inquiry.question, journal.directory))

    def _commands(self, verdict: Verdict | None, question: Question | None, directory: Path) -> dict[str, str]:
        """The question is named also where the user did not: another bad end may show another failure more often."""
        replay = {"git's own state, in a checkout of your own": shlex.join(["git", "bisect", "replay",
                                                                            str(directory / NAME)])}
        if verdict is None or question is None:
            return {}
        if verdict.hidden or verdict.unseen:
            everything = replace(self.asked, paths=()).asking(question.fingerprint)
            return {"To look at all commits": shlex.join(everything.words()), **replay}
        if len(verdict.positions) > 1:
            return replay
        reverting = "it fails again without it" if self.asked.find_fix else "a revert cures it"
        once_more = {"To run it again": "--again", f"To check that {reverting}": "--check-revert"}
        return {**{what: shlex.join([COMMAND, "bisect", option, str(directory)]) for what, option in once_more.items()},
                **replay}
