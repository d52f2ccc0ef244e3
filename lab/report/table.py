"""The table of a session for a terminal of 80 columns: what happened to each run, why, and where the files are."""

from __future__ import annotations

import textwrap
from pathlib import Path

from lab.report.result import Outcome, Result
from lab.report.text import counts, known_text

_WIDTH = 80
_ID_WIDTH = 58
_REASONS = 3
_WORDS = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.ERROR: "ERROR", Outcome.SKIP: "skip",
          Outcome.XFAIL: "XFAIL", Outcome.XPASS: "XPASS"}


def table(by_kernel: dict[str, list[Result]], directory: Path) -> str:
    """Plain text, no line over 80 columns but those with a path or a command to paste."""
    lines: list[str] = []
    for kernel, results in by_kernel.items():
        release = results[0].properties.get("kernel.release", "")
        lines += ["", *textwrap.wrap(f"{kernel} ({release}): {counts(results)}", _WIDTH), "-" * _WIDTH]
        for note in _common_notes(results):
            lines += textwrap.wrap(f"note: {note}", _WIDTH, subsequent_indent="      ")
        for result in results:
            lines += row(result)
    lines += ["-" * _WIDTH, f"files: {directory}"]
    if len(by_kernel) > 1:
        lines.append(f"in all: {counts([r for results in by_kernel.values() for r in results])}")
    return "\n".join(lines)


def _common_notes(results: list[Result]) -> list[str]:
    """What was noted of the kernel itself: it stands at every run that took place."""
    noted = [r.notes for r in results if r.origin]
    return [note for note in noted[0] if all(note in notes for notes in noted)] if noted else []


def row(result: Result) -> list[str]:
    """One run: outcome, name, seconds; below it the reasons, and for a failure how to repeat it."""
    seconds = f"{result.seconds:8.1f} s" if result.seconds else ""
    name = result.id if len(result.id) <= _ID_WIDTH else result.id[:_ID_WIDTH - 3] + "..."
    lines = [f"{_WORDS[result.outcome]:<6}{name:<{_ID_WIDTH + 4}}{seconds:>11}".rstrip()]
    lines += _wrapped(known_text(result))
    for reason in result.reasons[:_REASONS]:
        lines += _wrapped(("then " if reason.consequence else "") + reason.text)
    if len(result.reasons) > _REASONS:
        lines.append(f"      and {len(result.reasons) - _REASONS} more reasons")
    if result.outcome in (Outcome.FAIL, Outcome.ERROR):
        lines += _wrapped(_fingerprints(result)) + [f"      repeat: {result.repeat}"]
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="        ", max_lines=4,
                         placeholder=" ...")


def _fingerprints(result: Result) -> str:
    prints = dict.fromkeys(r.fingerprint for r in result.reasons if r.fingerprint)
    return f"fingerprint: {', '.join(prints)}" if prints else ""
