"""From bytes to the rule that a line fires, cheaply: most lines of a log are not looked at one by one."""

from __future__ import annotations

import re

from lab.console.line import Line
from lab.console.rule import Rule
from lab.console.rules import RULES

BOOT_BANNER = b"Linux version "
MARK = b"lab: "

# A message begins after a newline, a timestamp's bracket or a subsystem's colon; `#5 ` is a SCSI tag.
_ANCHOR = rb"[\n\]:>\[#](?:\d* ?)"
_HINTS = sorted({hint for rule in RULES for hint in rule.hints} | {BOOT_BANNER, MARK}, key=lambda h: (-len(h), h))

CANDIDATE = re.compile(_ANCHOR + b"(" + b"|".join(re.escape(hint) for hint in _HINTS) + b")")
"""Finds, in bytes that begin with a newline, where a line may be of interest."""
MARKED = re.compile(rb"\n(?:<\d+>)?\[ *\d+\.\d+\]|\[ *\d+\.\d{6}\]|[ \n]kernel: |\nkern *:")
"""Finds, in bytes that begin with a newline, a line that printk's prefix marks as the kernel's."""

# The longest hint wins the search, so it stands for all hints that it begins with.
_BY_HINT = {
    hint: tuple(index for index, rule in enumerate(RULES) if any(hint.startswith(own) for own in rule.hints))
    for hint in _HINTS
}


def rule_of(line: Line, raw: bytes) -> tuple[Rule, re.Match[str]] | None:
    """The first rule that the message fires, and its match; None for all other lines."""
    hints = {hit[1] for hit in CANDIDATE.finditer(b"\n" + raw)}
    for index in sorted({index for hint in hints for index in _BY_HINT[hint]}):
        match = RULES[index].pattern.match(line.text)
        if match:
            return RULES[index], match
    return None
