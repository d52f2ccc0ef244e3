"""What one class of kernel report looks like: its first line, its end and what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from lab.console.finding import Effect, Severity


class End(Enum):
    """What closes a report."""

    LINE = "line"
    """It is one line, and stands beside a report that is open."""
    TRACE = "trace"
    """Its stack: the first lines after the stack that are no report lines."""
    MARK = "mark"
    """`---[ end trace`."""
    RULER = "ruler"
    """A line of `=====`."""
    PANIC = "panic"
    """`---[ end Kernel panic`, or the reboot."""


@dataclass(frozen=True)
class Rule:
    """One class in one group of spellings. `hints` are what the cheap search over bytes looks for."""

    kind: str
    hints: tuple[bytes, ...]
    pattern: re.Pattern[str]
    title: str
    """Format string over the pattern's groups."""
    severity: Severity
    end: End
    effect: Effect = Effect.FAIL
    fatal: bool = False
    located: bool = True
    """The title names the first telling function."""
    patience: int = 16
    """Lines without a stack after which the report is over."""
    late: bool = False
    """It says for how long the thing has gone on (lab/console/late.py)."""


def rule(
    kind: str, hints: str, pattern: str, title: str, severity: Severity, end: End,
    *, effect: Effect = Effect.FAIL, fatal: bool = False, located: bool = True, patience: int = 16, late: bool = False,
) -> Rule:
    """A Rule from text: hints are separated by `|`, the pattern is matched at the start of a message."""
    literals = tuple(hint.encode() for hint in hints.split("|"))
    compiled = re.compile(pattern)
    return Rule(kind, literals, compiled, title, severity, end, effect, fatal, located, patience, late)
