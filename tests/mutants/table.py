"""docs/mutants.md: the text is written by hand, the table below its last heading by the runner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten

from tests.mutants.hunt import Verdict
from tests.mutants.mutant import Mutant

FOUND = Path(__file__).resolve().parent / "found.json"
PAGE = Path(__file__).resolve().parents[2] / "docs/mutants.md"
_HEADING = "## The mutants\n"
_WIDTH = 140  # characters of what was said


def load_found(path: Path = FOUND) -> dict[str, Verdict]:
    """What the last hunt of each mutant found."""
    if not path.exists():
        return {}
    return {name: Verdict(found["outcome"], tuple(found["by"]), found["said"])
            for name, found in json.loads(path.read_text()).items()}


def save_found(found: dict[str, Verdict], path: Path = FOUND) -> None:
    """One mutant a line, by name, so that a hunt of one changes one line."""
    lines = (f"{json.dumps(name)}: {json.dumps(asdict(found[name]))}" for name in sorted(found))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def page(text: str, mutants: Sequence[Mutant], found: dict[str, Verdict]) -> str:
    """The page's text with the table as it is now."""
    before, heading, _ = text.partition(_HEADING)
    if not heading:
        raise ValueError(f"the page has no line {_HEADING.strip()!r}")
    return before + heading + "\n" + table(mutants, found)


def table(mutants: Sequence[Mutant], found: dict[str, Verdict]) -> str:
    """A row for each mutant, by file."""
    caught = sum(_verdict(m, found).outcome == "caught" for m in mutants)
    rows = [f"| {m.name} | {m.file} | {_cell(m.breaks)} | {_noticed(m, _verdict(m, found))} |"
            for m in sorted(mutants, key=lambda m: (m.file, m.name))]
    return "\n".join([f"{caught} of {len(mutants)} are caught.", "", "| mutant | file | what is broken | caught by |",
                      "|---|---|---|---|", *rows, ""])


def _verdict(mutant: Mutant, found: dict[str, Verdict]) -> Verdict:
    return found.get(mutant.name, Verdict("error", said="not hunted yet"))


def _noticed(mutant: Mutant, verdict: Verdict) -> str:
    if verdict.outcome == "caught":
        return f"{', '.join(verdict.by)}: {_cell(shorten(verdict.said, _WIDTH, placeholder=' ...'))}"
    return f"**{verdict.outcome}**: {_cell(mutant.survives or verdict.said)}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
