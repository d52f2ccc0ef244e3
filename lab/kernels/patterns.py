"""A word that means several kernels: debian:6.12.* is every usable version that apt lists or the store has."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

from lab.errors import LabError, UsageError
from lab.kernels import debian, distribution, versions
from lab.kernels.sources import distribution_of, host_sources
from lab.kernels.stock import Shelf
from lab.kernels.store import Store, silent

_SHOWN = 5


def is_pattern(word: str) -> bool:
    """Whether a word is one of these."""
    whose, _, pattern = word.partition(":")
    return whose in {d.name for d in distribution.ALL} and any(c in pattern for c in "*?[")


def expand(word: str, store: Store, say: Callable[[str], None] = silent) -> list[str]:
    """The words that a pattern means, oldest version first; a word that is no pattern is the only one.

    UsageError when nothing matches. Without network what the store has goes on serving.
    """
    if not is_pattern(word):
        return [word]
    whose, _, pattern = word.partition(":")
    known = set(Shelf(store, say, distribution_of(host_sources())).versions())
    complaint = ""
    try:
        known |= {stock.version for stock in debian.known(store, say) if not stock.problem}
    except LabError as error:
        complaint = f" ({error})"
    found = [version for version in versions.newest_first(known) if matches(version, pattern)]
    if not found:
        raise UsageError(f"no kernel matches {word}; there are versions such as "
                         f"{versions.newest_of_series(known, _SHOWN) or 'none'}{complaint}")
    return [f"{whose}:{version}" for version in reversed(found)]


def matches(version: str, pattern: str) -> bool:
    """A glob over the whole version, or the beginning of one: 6.12.*, *bpo*, 6.12."""
    return fnmatch.fnmatchcase(version, pattern) or versions.matches(version, pattern)
