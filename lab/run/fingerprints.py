"""Fingerprints of what is no kernel report: a failed step, a deadline, a leak. The same fault, the same 12 digits."""

from __future__ import annotations

import re

from lab.console.title import fingerprint, normalise

# What numbers a device got differs from run to run; what a SCSI answer or a program's status says does not.
_FIRST = (
    (re.compile(r"\b(?:sd[a-z]{1,3}|sg\d+|dm-\d+|loop\d+|ram\d+|nullb\d+)\b"), "DEVICE"),
    (re.compile(r"\b(host|target|rport)\d+(?::\d+)*\b"), r"\1"),
    (re.compile(r"\b([0-9a-f])/([0-9a-f]{2})/([0-9a-f]{2})\b"), r"sense_\1_\2_\3"),
    (re.compile(r"\b([0-9a-f]{2})/([0-9a-f]{2})\b"), r"asc_\1_\2"),
    (re.compile(r"\bexit (\d+)\b"), r"exit_\1"),
    (re.compile(r"(?:/[\w.@+=,\[\]-]+){3,}"), "PATH"),
)


def same(text: str) -> str:
    """The text as it is on every kernel, host and run: no numbers, addresses or names of devices; at most 160
    characters. Sense codes and exit statuses stay."""
    for pattern, replacement in _FIRST:
        text = pattern.sub(replacement, text)
    return normalise(text.replace("\n", " "))


def identity(kind: str, *texts: str) -> str:
    """12 hex digits of a kind of failure and of what it is about."""
    return fingerprint(kind, "\n".join(same(text) for text in texts), ())
