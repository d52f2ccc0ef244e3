"""From bytes to the rule that a line fires, cheaply: most lines of a log are not looked at one by one."""

from __future__ import annotations

import re

from lab.console.line import Line
from lab.console.rule import Rule
from lab.console.rules import RULES

BOOT_BANNER = b"Linux version "
MARK = b"lab: "
RESTART = ("reboot: Restarting system", "reboot: machine restart", "kexec_core: Starting new kernel")
"""Messages of a kernel that was asked to give way to another."""
TICK_RATE = ("Calibrating delay loop", "clocksource: jiffies:")
"""Messages of the boot that tell the kernel's tick rate."""

_HINTS = sorted(
    {hint for rule in RULES for hint in rule.hints} | {BOOT_BANNER, MARK}
    | {text.encode() for text in RESTART + TICK_RATE},
    key=lambda hint: (-len(hint), hint))


def _alternatives() -> bytes:
    """The hints, longest first within their first byte: the engine then tries one branch instead of all."""
    firsts = sorted({hint[:1] for hint in _HINTS})
    branches = [
        re.escape(first) + b"(?:" + b"|".join(re.escape(hint[1:]) for hint in _HINTS if hint[:1] == first) + b")"
        for first in firsts
    ]
    return b"(?=[" + b"".join(map(re.escape, firsts)) + b"])(" + b"|".join(branches) + b")"


# A message begins after a timestamp's or a tag's `] `, a subsystem's or syslog's `: `, a date or a SCSI tag (`#5 `).
CANDIDATE = re.compile(rb" (?<=[\]:0-9] ) ?" + _alternatives())
"""Finds where a line of a log with printk's marks may be of interest."""
CANDIDATE_PLAIN = re.compile(rb"[\n\]:>0-9Z] ? ?" + _alternatives())
"""The same where messages may begin at the line's start, after a newline."""
MARKED = re.compile(rb"\n(?:<\d+>)?\[ *\d+\.\d+\]|\[ *\d+\.\d{6}\]|[ \n]kernel: |\nkern *:")
"""Finds, in bytes that begin with a newline, a line that printk's prefix marks as the kernel's."""

# The longest hint wins the search, so it stands for all hints that it begins with.
_BY_HINT = {
    hint: tuple(index for index, rule in enumerate(RULES) if any(hint.startswith(own) for own in rule.hints))
    for hint in _HINTS
}


def rule_of(line: Line, raw: bytes) -> tuple[Rule, re.Match[str]] | None:
    """The first rule that the message fires, and its match; None for all other lines."""
    if line.text[:1] == " " and not line.text[1:2].isupper():
        return None  # a frame; only a first line may stand after one blank too many
    hints = {hit[1] for hit in CANDIDATE_PLAIN.finditer(b"\n" + raw)}
    text = line.text[line.text[:2] != "  " and line.text[:1] == " ":]
    for index in sorted({index for hint in hints for index in _BY_HINT[hint]}):
        match = RULES[index].pattern.match(text)
        if match:
            return RULES[index], match
    return None
