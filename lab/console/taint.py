"""The kernel's taint bits: the net under all other classes.

A run reads /proc/sys/kernel/tainted before and after; a bit that it added is a failure even when no report was seen.
Letters and meanings are those of Documentation/admin-guide/tainted-kernels.rst.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.console.finding import Effect, Finding, Severity
from lab.console.title import fingerprint


@dataclass(frozen=True)
class TaintFlag:
    """One bit of /proc/sys/kernel/tainted."""

    bit: int
    letter: str
    meaning: str


_KNOWN = (
    ("P", "proprietary module was loaded"), ("F", "module was force loaded"), ("S", "kernel out of specification"),
    ("R", "module was force unloaded"), ("M", "machine check exception"), ("B", "bad page"),
    ("U", "requested by user space"), ("D", "kernel died (oops or BUG)"), ("A", "ACPI table overridden"),
    ("W", "warning"), ("C", "staging driver was loaded"), ("I", "workaround for a firmware bug"),
    ("O", "out-of-tree module was loaded"), ("E", "unsigned module was loaded"), ("L", "soft lockup"),
    ("K", "kernel was live patched"), ("X", "auxiliary taint of the distribution"),
    ("T", "structure layout randomised"), ("N", "in-kernel test was run"), ("J", "firmware control of user space"),
)
FLAGS = tuple(TaintFlag(bit, letter, meaning) for bit, (letter, meaning) in enumerate(_KNOWN))


def added_flags(before: int, after: int) -> tuple[TaintFlag, ...]:
    """Bits that are set in `after` and not in `before`; unknown ones get the letter `?`."""
    new = max(after, 0) & ~max(before, 0)
    bits = [bit for bit in range(new.bit_length()) if new >> bit & 1]
    return tuple(FLAGS[bit] if bit < len(FLAGS) else TaintFlag(bit, "?", f"unknown bit {bit}") for bit in bits)


def taint_finding(before: int, after: int, line: int) -> Finding | None:
    """The failure of a run that tainted its kernel; None when it did not. `line`: the last of the console log, so
    that reports which explain the taint come before it."""
    flags = added_flags(before, after)
    if not flags:
        return None
    title = "kernel tainted: " + ", ".join(f"{flag.letter} ({flag.meaning})" for flag in flags)
    text = f"/proc/sys/kernel/tainted was {before} before the run and is {after} after it"
    return Finding("taint", title, fingerprint("taint", title, ()), Severity.WARN, Effect.FAIL, False, line, line, None,
                   None, text, (), True)
