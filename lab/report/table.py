"""The table of a session for a terminal of 80 columns: what happened to each run, why, and where the files are."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from lab.report.difference import Trouble, troubles
from lab.report.matrix import Cell
from lab.report.matrix_text import WORDS, cell_text
from lab.report.result import Outcome, Result
from lab.report.text import case_counts, counts, kernel_notes, known_text

_WIDTH = 80
_ID_WIDTH = 58
_REASONS = 3


def table(by_kernel: dict[str, list[Result]], directory: Path) -> str:
    """Plain text, no line over 80 columns but those with a path or a command to paste."""
    lines: list[str] = []
    for kernel, results in by_kernel.items():
        release = results[0].properties.get("kernel.release", "")
        lines += ["", *textwrap.wrap(f"{kernel} ({release}): {counts(results)}", _WIDTH), "-" * _WIDTH]
        for note in kernel_notes(results):
            lines += textwrap.wrap(f"note: {note}", _WIDTH, subsequent_indent="      ")
        for cell in _cells(results):
            lines += row(cell.results[0]) if len(cell.results) == 1 else _repeated(cell)
    lines += ["-" * _WIDTH, f"files: {directory}"]
    if len(by_kernel) > 1:
        lines.append(f"in all: {counts([r for results in by_kernel.values() for r in results])}")
    return "\n".join(lines)


def _cells(results: Sequence[Result]) -> list[Cell]:
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.id, []).append(result)
    return [Cell(tuple(found)) for found in grouped.values()]


def row(result: Result) -> list[str]:
    """One run: outcome, name, seconds; below it the reasons, and for a failure how to repeat it."""
    lines = [_head(result.outcome, result.id, result.seconds)]
    lines += _wrapped(known_text(result))
    lines += _wrapped(case_counts(result))
    for reason in result.reasons[:_REASONS]:
        lines += _wrapped(("then " if reason.consequence else "") + reason.text)
    if len(result.reasons) > _REASONS:
        lines.append(f"      and {len(result.reasons) - _REASONS} more reasons")
    if result.outcome in (Outcome.FAIL, Outcome.ERROR):
        lines += _wrapped(_fingerprints(result)) + [f"      repeat: {result.repeat}"]
    return lines


def _repeated(cell: Cell) -> list[str]:
    """One run that was repeated: how many were good, each different failure once, and how to see it again."""
    first, of = cell.results[0], len(cell.results)
    lines = [_head(cell.outcome, first.id, sum(r.seconds for r in cell.results))]
    lines += _wrapped(f"{'flaky: ' if cell.mixed else f'{of} times '}{cell_text(cell)}")
    for trouble in troubles(cell.results):
        lines += _wrapped(_told(trouble, of))
    if (worst := next((r for r in cell.results if r.outcome in (Outcome.FAIL, Outcome.ERROR)), None)) is not None:
        lines.append(f"      repeat: {worst.repeat}" + (f" --repeat {of}" if cell.mixed else ""))
    return lines


def _told(trouble: Trouble, of: int) -> str:
    mark = f" [{trouble.fingerprint}]" if trouble.fingerprint else ""
    return f"{len(trouble.results)} of {of} {WORDS[trouble.outcome]}{mark}: {trouble.text}"


def _head(outcome: Outcome, run: str, seconds: float) -> str:
    took = f"{seconds:8.1f} s" if seconds else ""
    name = run if len(run) <= _ID_WIDTH else run[:_ID_WIDTH - 3] + "..."
    return f"{WORDS[outcome]:<6}{name:<{_ID_WIDTH + 4}}{took:>11}".rstrip()


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="        ", max_lines=4,
                         placeholder=" ...")


def _fingerprints(result: Result) -> str:
    prints = dict.fromkeys(r.fingerprint for r in result.reasons if r.fingerprint)
    return f"fingerprint: {', '.join(prints)}" if prints else ""
