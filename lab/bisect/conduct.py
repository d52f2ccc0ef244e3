"""The loop of a bisection: what to run next, a kernel of it, its runs, and all of it written down before the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from lab.bisect.criterion import counts, why_untested
from lab.bisect.inquiry import Inquiry, Todo, Verdict
from lab.bisect.journal import Journal
from lab.bisect.subject import CannotTest, Tester
from lab.bisect.trial import Trial, seen_of
from lab.errors import BuildFailed, LabError

_SHORT = 12


@dataclass
class Conductor:
    """`testers` makes a tester of the runs with these ids (None: all); `believed` is told of every change, `name` gives
    the full name of what `inquiry` calls by its position."""

    inquiry: Inquiry
    testers: Callable[[tuple[str, ...] | None], Tester]
    journal: Journal
    say: Callable[[str], None]
    name: Callable[[int | None], str]
    believed: Callable[[], None] = lambda: None

    def run(self) -> Verdict:
        """Go on where the journal ends. Raises EndsWrong, Contradiction, and LabError when the lab cannot go on."""
        self.replay()
        while (todo := self.inquiry.next()) is not None:
            trial = self._try(todo)
            self.journal.add(trial)
            self.inquiry.take(trial)
            self.say(self._line(trial))
            self.believed()
        return self.inquiry.verdict()

    def replay(self) -> None:
        """Take in what the journal has. LabError when the history is not what it was."""
        for trial in self.journal.trials:
            self.inquiry.next()  # what was asked then; it begins the search when the ends are done
            if not self._is_there(trial):
                raise LabError(f"the history has changed: {trial.title} of {self.journal.directory} is not where it "
                               "was; begin a new bisection")
            self.inquiry.take(trial)
        if self.journal.trials:
            self.say(f"going on after {len(self.journal.trials)} steps of {self.journal.directory}")
        self.believed()

    def _is_there(self, trial: Trial) -> bool:
        try:
            return self.name(trial.position) == trial.name
        except IndexError:
            return False

    def _try(self, todo: Todo) -> Trial:
        """Make the kernel and run it. What cannot be made is a trial too."""
        subject, number = self.inquiry.subject, len(self.journal.trials) + 1
        name, title = self.name(todo.position), subject.title(todo.position)
        trial = Trial(number, todo.phase, todo.position, name, title, todo.runs)
        self.say(f"step {number}: {title}")
        started = time.monotonic()
        try:
            kernel = subject.kernel(todo.position, self.say)
        except (CannotTest, BuildFailed) as error:
            return _with(trial, started, cannot=str(error))
        ids = self.inquiry.question.ids if self.inquiry.question else None
        results = self.testers(ids)(kernel, todo.runs, f"{number:02d}-{name[:_SHORT]}")
        places = [os.path.relpath(r.directory, self.journal.directory) if r.directory else "" for r in results]
        return _with(trial, started, seen=seen_of(results, places), kernel=kernel.spec)

    def _line(self, trial: Trial) -> str:
        """step 3: 1234abcd (about 4 steps left, 57 candidates): bad 1 of 1"""
        left = ""
        if self.inquiry.search is not None:
            steps, candidates = self.inquiry.left()
            left = f" (about {steps} steps left, {candidates} candidates)"
        return f"step {trial.number}: {trial.name[:_SHORT]}{left}: {said(self.inquiry, trial)}"


def said(inquiry: Inquiry, trial: Trial) -> str:
    """What a trial says, in a few words: bad 1 of 3."""
    seen = counts(inquiry.question, trial)
    if seen.bad:
        return f"bad {seen.bad} of {seen.answered}"
    if seen.good:
        return f"good {seen.good} of {seen.answered}" + (f", {seen.other} in another way" if seen.other else "")
    return f"no answer: {why_untested(inquiry.question, trial)}"


def _with(trial: Trial, started: float, **more: object) -> Trial:
    return replace(trial, seconds=round(time.monotonic() - started, 1), **more)  # type: ignore[arg-type]
