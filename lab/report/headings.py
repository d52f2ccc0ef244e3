"""Short headings for the columns of kernels: what tells them apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

WIDTH = 14
_BUILD = re.compile(r"[~+](bpo|deb)\d+[+u]?\d*$")  # of a Debian version: 6.12.43-1~bpo12+1


def headings(names: Sequence[str]) -> list[str]:
    """One for each name, all different, at most WIDTH characters: 6.1.192-2 for debian-6.1.192-2; numbers (K1, K2)
    where nothing short tells them apart. A legend says which is which."""
    shorten: list[Callable[[str], str]] = [
        lambda name: _BUILD.sub("", name.removeprefix("debian-")), lambda name: name.removeprefix("debian-")]
    for how in shorten:
        short = [how(name) for name in names]
        if len(set(short)) == len(short) and all(0 < len(word) <= WIDTH for word in short):
            return short
    return [f"K{n}" for n in range(1, len(names) + 1)]
