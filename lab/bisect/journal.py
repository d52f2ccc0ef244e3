"""The journal of a bisection: every trial is on the disk before the next one begins, so any break can be mended."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.bisect.trial import Trial
from lab.errors import LabError, UsageError

FORMAT = 2
NAME = "bisect.jsonl"
PREFIX = "bisect-"


@dataclass
class Journal:
    """`parameters`: all that the command line said. `trials`: in the order in which they were made. `digests`: of the
    scenario of each run, as it was when the bisection began."""

    directory: Path
    parameters: Mapping[str, Any]
    trials: list[Trial]
    digests: Mapping[str, str] = field(default_factory=dict)

    def add(self, trial: Trial) -> None:
        """Write a trial down; it is on the disk when this returns. LabError when that is not possible."""
        _append(self.directory / NAME, {"event": "trial", **trial.as_json()})
        self.trials.append(trial)


def begin(results: Path, parameters: Mapping[str, Any], digests: Mapping[str, str] | None = None) -> Journal:
    """A new folder bisect-DATE-TIME below `results` with a journal in it. LabError when it cannot be made."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        stem = datetime.now().strftime(f"{PREFIX}%Y%m%d-%H%M%S")
        for attempt in range(1000):
            directory = results / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
            with contextlib.suppress(FileExistsError):
                directory.mkdir()
                journal = Journal(directory, dict(parameters), [], dict(digests or {}))
                _append(directory / NAME, {"event": "begin", "format": FORMAT, "parameters": journal.parameters,
                                           "digests": journal.digests})
                return journal
    except OSError as error:
        raise LabError(f"cannot write to {results}: {error.strerror}; give another folder with --results") from None
    raise LabError(f"{results} has too many bisections of this second; type the command again")


def load(directory: Path) -> Journal:
    """Read a journal back; a last line that a kill cut off is dropped. UsageError when there is none, or another's."""
    path = directory / NAME
    try:
        text = path.read_text()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; give the folder of a bisection") from None
    whole, _, torn = text.rpartition("\n")
    if torn:
        _cut(path, len(text.encode()) - len(torn.encode()))
    try:
        events = [json.loads(line) for line in whole.splitlines()]
        if not events or events[0]["event"] != "begin" or events[0]["format"] != FORMAT:
            raise UsageError(f"{path} is not a journal of this lab; begin a new bisection")
        trials = [Trial.from_json({k: v for k, v in e.items() if k != "event"}) for e in events[1:]]
        return Journal(directory, events[0]["parameters"], trials, dict(events[0]["digests"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); begin a new bisection") from None


def newest(results: Path) -> Path:
    """The folder of the newest bisection below `results`. UsageError when there is none."""
    found = sorted((p.parent for p in results.glob(f"{PREFIX}*/{NAME}")), key=lambda p: (p / NAME).stat().st_mtime)
    if not found:
        raise UsageError(f"there is no bisection in {results}; give its folder")
    return found[-1]


def _append(path: Path, event: Mapping[str, Any]) -> None:
    try:
        with path.open("a") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LabError(f"cannot write {path}: {error.strerror}; free some space, then resume") from None


def _cut(path: Path, length: int) -> None:
    """What is appended later must begin on a line of its own."""
    with path.open("r+b") as file:
        file.truncate(length)
