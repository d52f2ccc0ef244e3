"""Titles and fingerprints that stay the same over kernels, addresses, CPUs and line numbers."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from lab.console.frames import telling

MAX_TITLE = 160
# Two frames: with three, one inlining decision of another compiler would make another fault of it.
FINGERPRINT_FRAMES = 2

_NORMAL = (
    (re.compile(r"\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?"), ""),
    (re.compile(r"\(_*ptrval_*\)"), "X"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "X"),
    (re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{8,16}\b"), "X"),
    (re.compile(r"(?<![A-Za-z_0-9.])\d+(?:\.\d+)*(?![A-Za-z_])"), "N"),
    (re.compile(r"(?<![A-Za-z_0-9])\d+(?=(?:s|ms|us|ns|kB|KiB)\b)"), "N"),
    (re.compile(r"[^\x20-\x7e]+"), "?"),
    (re.compile(r" {2,}"), " "),
)


@lru_cache(maxsize=1024)
def normalise(text: str) -> str:
    """Text of a message without what changes from run to run; digits inside names stay."""
    for pattern, replacement in _NORMAL:
        text = pattern.sub(replacement, text)
    return text.strip(" .:,")[:MAX_TITLE]


def source_file(path: str) -> str:
    """A source path as in the tree: build directories before it are dropped; of other absolute paths (a module built
    outside of the tree) the file's name is kept."""
    match = re.search(
        r"(?:^|/)((?:arch|block|certs|crypto|drivers|fs|include|init|io_uring|ipc|kernel|lib|mm|net|rust|samples"
        r"|security|sound|usr|virt)/\S+)$", path)
    if match:
        return match[1]
    return path.rsplit("/", 1)[-1] if path.startswith("/") else path.removeprefix("./")


@lru_cache(maxsize=1024)
def fingerprint(kind: str, title: str, frames: tuple[str, ...]) -> str:
    """12 hex digits of the class and its first telling frames; of the title where no frame tells."""
    told = telling(frames, FINGERPRINT_FRAMES) or [title]
    return hashlib.sha256("\n".join([kind, *told]).encode()).hexdigest()[:12]
