"""What the console scanner reports: one value for each kernel failure or noted message."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum

MAX_TEXT_BYTES = 16 * 1024


class Severity(IntEnum):
    """How bad a failure is, worst highest: it names a run that has several."""

    NOTE = 0
    LEAK = 1
    WARN = 2
    HANG = 3
    LOCKDEP = 4
    OOPS = 5
    USE_AFTER_FREE = 6
    MEMORY_CORRUPTION = 7


class Effect(Enum):
    """What a message does to the verdict."""

    FAIL = "fail"
    NOTE = "note"
    """Listed; the scenario says whether it was expected (block and SCSI errors, LIO messages, taint)."""


@dataclass(frozen=True)
class Finding:
    """One report of the kernel, from its first line to its end or to where the log was cut."""

    kind: str
    """Class: panic, oops, BUG, WARN, KASAN, hung-task, lockdep, refcount, block, LIO, ..."""
    title: str
    """Normalised: no addresses, numbers, PIDs or offsets."""
    fingerprint: str
    """12 hex digits of the kind and the first frames that are not boilerplate."""
    severity: Severity
    effect: Effect
    fatal: bool
    """Nothing after it can be trusted: the VM is over."""
    line: int
    """First line in the file, from 1."""
    last_line: int
    time_s: float | None
    """printk timestamp of the first line."""
    step: int | None
    """The step in flight when it began (lab/console/late.py); None before, after and outside of steps."""
    text: str
    """The raw lines, at most MAX_TEXT_BYTES."""
    frames: tuple[str, ...]
    """Reliable frames of its first stack, innermost first, as `symbol+0xoff/0xsize [module]`."""
    complete: bool
    """Its end was seen."""
    reported: int | None = None
    """The step in flight when it was printed."""
    late_s: float = 0.0
    """Seconds between its beginning and its report, as the report says; 0.0 for what is reported at once."""
    beside: tuple[str, ...] = ()
    """Names of the background steps in flight when it began."""


def first_cause(findings: Iterable[Finding]) -> Finding | None:
    """The failure that owns the verdict: the first of them. None when nothing failed."""
    failures = (finding for finding in findings if finding.effect is Effect.FAIL)
    return min(failures, key=lambda finding: finding.line, default=None)


def worst(findings: Iterable[Finding]) -> Finding | None:
    """The most severe failure, the earliest among equals; None when nothing failed."""
    failures = (finding for finding in findings if finding.effect is Effect.FAIL)
    return max(failures, key=lambda finding: (finding.severity, -finding.line), default=None)


def describe(finding: Finding) -> str:
    """A few lines for people: title, class and place, the first frames."""
    lines = [finding.title, "  " + ", ".join(_place(finding))]
    if finding.frames:
        shown = [frame.split("+0x")[0] for frame in finding.frames[:5]]
        more = "" if len(finding.frames) <= 5 else f" < ... {len(finding.frames) - 5} more"
        lines.append("  " + " < ".join(shown) + more)
    return "\n".join(lines)


def _place(finding: Finding) -> list[str]:
    parts = [finding.kind if finding.effect is Effect.FAIL else f"{finding.kind} (note)"]
    span = f"line {finding.line}" if finding.line == finding.last_line else (
        f"lines {finding.line}-{finding.last_line}")
    parts.append(span)
    if finding.time_s is not None:
        parts.append(f"at {finding.time_s:.6f} s")
    parts += _when(finding)
    if not finding.complete:
        parts.append("cut off")
    parts.append(f"fingerprint {finding.fingerprint}")
    return parts


def _when(finding: Finding) -> list[str]:
    """The step; for a late report also how long it had gone on and which step it was printed in."""
    parts = [f"step {finding.step}"] if finding.step is not None else []
    if finding.late_s > 0.0:
        printed = "" if finding.reported == finding.step else (
            ", reported outside of steps" if finding.reported is None else f", reported in step {finding.reported}")
        parts.append(f"began {finding.late_s:.0f} s earlier{printed}")
    if finding.beside:
        parts.append("beside " + " and ".join(finding.beside))
    return parts
