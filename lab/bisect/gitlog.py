"""git's own state of a bisection: a log that `git bisect replay` accepts, and the same in the bisection's worktree."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bisect.inquiry import Inquiry
from lab.bisect.revisions import Revisions
from lab.bisect.trial import CANDIDATE, Trial
from lab.bisect.worktree import Worktree

NAME = "git-bisect.log"
_TERMS = {False: ("bad", "good"), True: ("fixed", "broken")}  # find_fix: what a new and an old commit are called


@dataclass(frozen=True)
class GitLog:
    """What is believed of each candidate that was run, in git's words; it is written anew when the belief changes."""

    revisions: Revisions
    inquiry: Inquiry
    directory: Path
    worktree: Worktree

    def write(self, trials: Sequence[Trial]) -> None:
        """Rewrite the file and bring the worktree's own `git bisect log` to it, without a checkout."""
        lines = self._lines(trials)
        (self.directory / NAME).write_text("\n".join([*self._start(), *lines]) + "\n")
        if not (self.worktree.directory / ".git").exists():
            return
        with tempfile.NamedTemporaryFile("w", suffix=".log") as file:
            file.write("\n".join([*self._start("--no-checkout"), *lines]) + "\n")
            file.flush()
            self.worktree.git.ask("bisect", "replay", file.name)  # a status of 2: only skipped ones are left

    def _start(self, *options: str) -> list[str]:
        revisions = self.revisions
        new, old = _TERMS[revisions.find_fix]
        terms = [f"--term-new={new}", f"--term-old={old}"] if revisions.find_fix else []
        words = [*options, *terms, revisions.new, revisions.old, "--", *revisions.paths]
        return [f"# {new}: [{revisions.new}]", f"# {old}: [{revisions.old}]",
                "git bisect start " + " ".join(_quoted(word) for word in words)]

    def _lines(self, trials: Sequence[Trial]) -> list[str]:
        titles = {t.position: t for t in trials if t.phase == CANDIDATE and t.position is not None}
        told = [(word, trial) for position, trial in titles.items() if (word := self._word(position))]
        return [line for word, trial in told for line in (
            f"# {word}: [{trial.name}] {trial.title.partition(' ')[2]}", f"git bisect {word} {trial.name}")]

    def _word(self, position: int) -> str:
        """Empty for what is to be tried once more."""
        total = self.inquiry.totals.get(position)
        if total is not None and total.answered:
            new, old = _TERMS[self.revisions.find_fix]
            return new if self.inquiry.failing(position) != self.revisions.find_fix else old
        return "skip" if position in self.inquiry.untestable else ""


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"
