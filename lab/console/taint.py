"""The kernel's taint bits: the net under all other classes.

A run reads /proc/sys/kernel/tainted before and after; a bit that it added is a failure even when no report was seen.
Letters and meanings are those of Documentation/admin-guide/tainted-kernels.rst.
"""

from __future__ import annotations

from dataclasses import dataclass


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
