"""The report of a bisection: report.md for people, bisect.json for programs. A pure function of what is known."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab.bisect.asked import Asked
from lab.bisect.conduct import said
from lab.bisect.criterion import Question, counts
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.trial import END, PARENT, Trial
from lab.errors import LabError

FOUND, RANGE, HIDDEN, NO_ANSWER = "found", "range", "outside the paths", "no answer"
_EXIT = {FOUND: 0, RANGE: 1, HIDDEN: 1, NO_ANSWER: 3}


@dataclass(frozen=True)
class Texts:
    """What only the subject can say. `about`: the answer, in Markdown; `commands`: what to do next -> its command;
    `outside`: what a filter leaves out."""

    about: Callable[[Verdict], str]
    commands: Callable[[Verdict | None], dict[str, str]]
    what: str = "commit"
    outside: str = "commits outside of the paths"


@dataclass(frozen=True)
class Report:
    """`verdict` is None when there is no answer; then `error` says why."""

    directory: Path
    inquiry: Inquiry
    trials: Sequence[Trial]
    verdict: Verdict | None
    texts: Texts
    asked: Asked
    error: str = ""

    @property
    def kind(self) -> str:
        if self.verdict is None:
            return NO_ANSWER
        if self.verdict.hidden:
            return HIDDEN
        return FOUND if len(self.verdict.positions) == 1 else RANGE

    @property
    def exit_code(self) -> int:
        """0 found, 1 a range or something that the filter hides is left, 3 no answer."""
        return _EXIT[self.kind]

    def headline(self) -> str:
        """One sentence: the answer."""
        if self.verdict is None:
            return f"No answer: {self.error}"
        first = f"The first {'fixed' if self.inquiry.find_fix else 'bad'} {self.texts.what}"
        titles = [self.inquiry.subject.title(p) for p in self.verdict.positions]
        if self.kind == HIDDEN:
            return (f"{first} may be none that the paths choose: of them {titles[0]} is the first, but "
                    f"{self.verdict.hidden}")
        where = f"one of {len(titles)}, from {titles[0]} to {titles[-1]}" if self.kind == RANGE else titles[0]
        if self.verdict.unseen:
            return f"Of those chosen, t{first[1:]} is {where}; {self.texts.outside} were not looked at"
        return f"{first} is {where}"

    def text(self) -> str:
        """The whole report in Markdown."""
        parts = [f"# {self.headline()}", self._certainty(), self._about(), self._question(), self._evidence(),
                 self._commands()]
        return "\n\n".join(part.strip() for part in parts if part) + "\n"

    def data(self) -> dict[str, Any]:
        """For programs."""
        verdict, question = self.verdict, self.inquiry.question
        return {
            "format": 1, "kind": self.kind, "headline": self.headline(), "error": self.error,
            "find_fix": self.inquiry.find_fix,
            "candidates": [self._name(p) for p in verdict.positions] if verdict else [],
            "probability": round(verdict.probability, 6) if verdict else None,
            "hidden": verdict.hidden if verdict else "",
            "unseen": self.texts.outside if verdict and verdict.unseen else "",
            "question": asdict(question) if question else None,
            "others": [asdict(other) for other in self.inquiry.others],
            "untestable": {self._name(p): why for p, why in self.inquiry.untestable.items()},
            "trials": [{**trial.as_json(), "says": said(self.inquiry, trial)} for trial in self.trials],
            "commands": self._all_commands(),
        }

    def write(self) -> None:
        """report.md and bisect.json. LabError when the disk does not take them."""
        try:
            (self.directory / "report.md").write_text(self.text())
            (self.directory / "bisect.json").write_text(json.dumps(self.data(), indent=1))
        except OSError as error:
            raise LabError(f"cannot write the report to {self.directory}: {error.strerror}") from None

    def _name(self, position: int) -> str:
        names = self.inquiry.subject.history.names
        return names[position] if position < len(names) else str(position)

    def _certainty(self) -> str:
        if self.verdict is None or self.kind == HIDDEN:
            return ""
        rate = [self.inquiry.totals[p] for p in self.inquiry.totals if self.inquiry.totals[p].bad]
        bad, answered = sum(c.bad for c in rate), sum(c.answered for c in rate)
        often = "it fails each time" if bad == answered else f"where it fails, {bad} of {answered} runs did"
        return f"Confidence {_percent(self.verdict.probability)}; {often}."

    def _about(self) -> str:
        return self.texts.about(self.verdict) if self.verdict is not None else ""

    def _question(self) -> str:
        question = self.inquiry.question
        if question is None:
            return ""
        name = "any failure" if question.any_failure else f"`{question.fingerprint}` {question.kind}: {question.text}"
        lines = ["## The question", f"Bad is: {name}", f"in {', '.join(f'`{i}`' for i in question.ids)}."]
        if self.inquiry.others:
            lines += ["", "The failing end fails in other ways too; each is a question of its own:"]
            lines += [f"- `{o.fingerprint}` {o.text}  \n  `{self._asking(o)}`" for o in self.inquiry.others]
        return "\n".join(lines)

    def _asking(self, other: Question) -> str:
        return shlex.join(self.asked.asking(other.fingerprint).words())

    def _evidence(self) -> str:
        lines = ["## Evidence", "| step | what | result | bad/runs | runs |", "|---|---|---|---|---|"]
        for trial in self.trials:
            seen = counts(self.inquiry.question, trial)
            end = "bad" if (trial.position is None) == self.inquiry.find_fix else "good"
            phase = {END: f" (the {end} end)", PARENT: " (hidden by the paths)"}.get(trial.phase, "")
            lines.append(f"| {trial.number} | {_cell(trial.title)}{phase} | {_cell(said(self.inquiry, trial))} | "
                         f"{seen.bad}/{seen.answered} | {_links(trial)} |")
        return "\n".join(lines)

    def _all_commands(self) -> dict[str, str]:
        return self.texts.commands(self.verdict)

    def _commands(self) -> str:
        commands = self._all_commands()
        if not commands:
            return ""
        return "## Commands\n" + "\n".join(f"{what}:\n\n    {command}\n" for what, command in commands.items())


def _links(trial: Trial) -> str:
    """The second run of a scenario is in a folder NAME#2, which in a link would be a part of a page."""
    return " ".join(f"[{n}](<{quote(seen.directory)}>)" for n, seen in enumerate(trial.seen, 1) if seen.directory)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _percent(chance: float) -> str:
    """Never 100 %: runs that did not fail prove nothing for ever."""
    return f"{min(chance, 0.9999) * 100:.4g} %"
