"""What `lab scan` prints: a block for each different failure, the first cause first, then what else was noted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lab.console.finding import Effect, Finding, worst
from lab.console.frames import function_of, telling

FRAMES = 8
PLACES = 5
NOTES = 12


@dataclass(frozen=True)
class Log:
    """A log that was read."""

    name: str
    findings: list[Finding]
    lines: int
    dropped: int
    """Findings left out because the same ones had been reported often enough."""


def render(log: Log, *, raw: bool) -> str:
    """The text for one log, with a newline at its end."""
    failures = _groups(f for f in log.findings if f.effect is Effect.FAIL)
    notes = _groups(f for f in log.findings if f.effect is Effect.NOTE)
    name = worst(log.findings)
    if name is None:
        lines = [f"{log.name}: no kernel failure in {log.lines} lines"]
    else:
        lines = [f"{log.name}: {name.title}", f"  {_summary(failures)} in {log.lines} lines"]
    for number, group in enumerate(failures, 1):
        lines += ["", *_block(number, group)]
        if raw:
            lines += ["", *group[0].text.splitlines()]
    if notes:
        lines += ["", "  noted, no failure by itself:"] if failures else []
        lines += [f"    {_note(group)}" for group in notes[:NOTES]]
        lines += [f"    and {len(notes) - NOTES} more kinds of message"] if len(notes) > NOTES else []
    if log.dropped:
        lines += [f"  {log.dropped} more that repeat these were left out"]
    return "\n".join(lines) + "\n"


def _groups(findings: Iterable[Finding]) -> list[list[Finding]]:
    """The same fault put together, in the order in which each was first seen."""
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.fingerprint, finding.title), []).append(finding)
    return list(groups.values())


def _summary(failures: list[list[Finding]]) -> str:
    reports = sum(len(group) for group in failures)
    if reports == 1:
        return "one failure"
    if len(failures) == 1:
        return f"one failure, reported {reports} times,"
    return f"{len(failures)} different failures, {reports} reports,"


def _block(number: int, group: list[Finding]) -> list[str]:
    first = group[0]
    role = "first cause" if number == 1 else "consequence, or on its own"
    severity = first.severity.name.lower().replace("_", " ")
    lines = [
        f"  {number}. {first.title}",
        f"     {first.kind}, severity {severity}, {role}" + (", the machine is lost" if first.fatal else ""),
        f"     {_places(group)}",
        f"     fingerprint {first.fingerprint}",
    ]
    frames = first.frames[_telling_from(first.frames) :]
    lines += [f"       {frame}" for frame in frames[:FRAMES]]
    more = len(frames) - FRAMES
    return lines + ([f"       and {more} more frames"] if more > 0 else [])


def _telling_from(frames: tuple[str, ...]) -> int:
    """Where the frames begin that say something: those before only report, allocate, lock or wait."""
    told = telling(frames, 1)
    return next((at for at, frame in enumerate(frames) if told and function_of(frame) == told[0]), 0)


def _places(group: list[Finding]) -> str:
    times = f"{len(group)} times: " if len(group) > 1 else ""
    shown = "; ".join(_place(finding) for finding in group[:PLACES])
    return times + shown + (f"; ... line {group[-1].line}" if len(group) > PLACES else "")


def _place(finding: Finding) -> str:
    text = f"line {finding.line}" if finding.line == finding.last_line else f"lines {finding.line}-{finding.last_line}"
    text += f" at {finding.time_s:.6f} s" if finding.time_s is not None else ""
    text += f", began {finding.late_s:.0f} s earlier" if finding.late_s else ""
    return text + ("" if finding.complete else ", cut off")


def _note(group: list[Finding]) -> str:
    first, last = group[0], group[-1]
    where = f"line {first.line}" if len(group) == 1 else f"{len(group)} times, lines {first.line}-{last.last_line}"
    return f"{first.kind}: {first.title} ({where})"
