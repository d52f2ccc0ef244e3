"""What is said of a commit that a bisection found: who, when, what, its patch; and the check that a revert cures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bisect.revisions import Revisions
from lab.bisect.worktree import Worktree
from lab.errors import LabError, UsageError
from lab.git import Git

PATCH = "culprit.patch"
_SHOWN_LINES = 120  # of a patch, in the report
_IDENTITY = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
             for what, value in (("NAME", "lab bisect"), ("EMAIL", "lab@localhost"))}


@dataclass(frozen=True)
class CommitAnswer:
    """Texts about the candidates at some positions, in Markdown."""

    revisions: Revisions

    def one(self, position: int, directory: Path) -> str:
        """Author, date, message and patch of a commit; the whole patch is written to culprit.patch in `directory`."""
        git, name = self.revisions.git, self.revisions.name(position)
        told = git("show", "-s", "--format=commit %H%nAuthor: %an <%ae>%nDate:   %aD%n%n%w(0,4,4)%B", name)
        patch = git("show", "--diff-merges=first-parent", "--format=", "--stat", "--patch", name)
        (directory / PATCH).write_text(git("show", "--diff-merges=first-parent", "--format=email", "--stat", "--patch",
                                           name) + "\n")
        lines = patch.strip("\n").splitlines()
        more = (f"\n\n{len(lines) - _SHOWN_LINES} more lines are in [{PATCH}]({PATCH})."
                if len(lines) > _SHOWN_LINES else "")
        return (f"{_fenced(told.rstrip())}\n\n{_fenced(chr(10).join(lines[:_SHOWN_LINES]), 'diff')}{more}\n"
                f"{self._merge(name)}")

    def listed(self, positions: Sequence[int], reasons: dict[int, str]) -> str:
        """A line for each commit of a range, with the reason why it could not be told from the others."""
        return "\n".join(f"- {self.revisions.title(p)}" + (f": {reasons[p]}" if p in reasons else ": tested")
                         for p in positions)

    def _merge(self, name: str) -> str:
        parents = self.revisions.git("rev-list", "--parents", "-n1", name).split()[1:]
        if len(parents) < 2:
            return ""
        return ("\nIt is a merge, shown against its first parent: each side is good by itself, and together they are "
                "not.\n")


def revert(revisions: Revisions, position: int, worktree: Worktree) -> None:
    """Check the newest commit out in the worktree and revert the one at `position` on top of it.

    Raises UsageError when git cannot do that without help: what came later depends on it.
    """
    worktree.check_out(revisions.new)
    git, name = worktree.git, revisions.name(position)
    merge = ["-m", "1"] if len(git("rev-list", "--parents", "-n1", name).split()) > 2 else []
    try:
        git("revert", "--no-edit", *merge, name, env=_IDENTITY)
    except LabError as error:
        conflicts = git.ask("diff", "--name-only", "--diff-filter=U").stdout.split()
        git.ask("revert", "--abort")
        where = f" in {', '.join(conflicts)}" if conflicts else f" ({error})"
        raise UsageError(f"{name[:12]} cannot be reverted on {revisions.new[:12]} without conflicts{where}; revert it "
                         "by hand and run the scenario on that") from None


def has(tree: Path, commits: Sequence[str]) -> bool:
    """Whether the repository has all of these commits."""
    return all(Git(tree).commit(name) for name in commits)


def _fenced(text: str, language: str = "") -> str:
    """Indented by a fence that the text itself cannot close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
