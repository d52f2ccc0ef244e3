"""What a search over options has seen, line by line on disk, so that a break loses nothing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.bisect.options import Seen
from lab.errors import LabError, UsageError


@dataclass(frozen=True)
class Question:
    """The failure that is searched: which run shows it, and its fingerprint."""

    id: str
    fingerprint: str


@dataclass
class ConfigJournal:
    """A file of JSON lines: first what is searched, then the runs of both ends, then one line for each configuration.

    Raises UsageError for the journal of another search, LabError when it cannot be read or written.
    """

    path: Path
    subject: str  # the same for the same search
    ends: list[tuple[str, int, int]] = field(default_factory=list, init=False)  # end, bad, good: in their order
    question: Question | None = field(default=None, init=False)  # known once the bad end has failed
    seen: dict[str, Seen] = field(default_factory=dict, init=False)  # by the name of the configuration

    def __post_init__(self) -> None:
        lines = self._lines()
        if lines and lines[0].get("subject") != self.subject:
            raise UsageError(f"{self.path} is the journal of another search; give another place, or remove it")
        if not lines:
            self._write({"subject": self.subject})
        for line in lines[1:]:
            self._take(line)

    def end(self, name: str, bad: int, good: int, question: Question | None) -> None:
        """Runs of the good or of the bad end."""
        self._add({"end": name, "bad": bad, "good": good, "question": asdict(question) if question else None})

    def saw(self, config: str, seen: Seen, options: frozenset[str], why: str) -> None:
        """What a configuration did. `options` and `why` are for people who read the file."""
        self._add({"config": config, "seen": seen.value, "why": why, "options": sorted(options)})

    def _add(self, line: dict[str, Any]) -> None:
        self._write(line)
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        try:
            if "end" in line:
                self.ends.append((str(line["end"]), int(line["bad"]), int(line["good"])))
                self.question = Question(**line["question"]) if line["question"] else self.question
            else:
                self.seen[str(line["config"])] = Seen(line["seen"])
        except (KeyError, ValueError, TypeError):
            raise LabError(f"{self.path} is damaged; remove it to begin anew") from None

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self.path.read_text() if self.path.exists() else ""
            whole = text[:text.rfind("\n") + 1]  # what a break cut off is asked for again
            if whole != text:
                self.path.write_text(whole)
            lines = [json.loads(line) for line in whole.splitlines()]
        except OSError as error:
            raise LabError(f"cannot read the journal {self.path}: {error.strerror}") from None
        except ValueError:
            raise LabError(f"{self.path} is damaged; remove it to begin anew") from None
        if not all(isinstance(line, dict) for line in lines):
            raise LabError(f"{self.path} is damaged; remove it to begin anew")
        return lines

    def _write(self, line: dict[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise LabError(f"cannot write the journal {self.path}: {error.strerror}") from None
