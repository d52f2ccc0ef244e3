"""Where apt is asked, in which order: the host's own suites first, for they are small and answer most questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from lab.kernels.apt import Apt
from lab.kernels.sources import host_sources, wider
from lab.kernels.store import Store

LIST_AGE_S = 6 * 3600.0  # how long package lists and the answer to "the newest 6.12" count as fresh
SECOND_LOOK_S = 300.0  # lists older than that are fetched again before a version is called unknown


def everywhere(store: Store, say: Callable[[str], None], etc: Path) -> Apt:
    """apt over all suites of the distribution, with fresh lists. The caller holds the store's lock "apt"."""
    apt = Apt(store, "wide", wider(host_sources(etc)), say)
    apt.update(max_age_s=LIST_AGE_S)
    return apt


def looks(store: Store, say: Callable[[str], None], etc: Path, max_age_s: float = LIST_AGE_S, *,
          wide: bool = True) -> Iterator[tuple[Apt, bool]]:
    """apt over the host's own suites, then (`wide`) over all, each with whether its lists were fetched anew."""
    sources = host_sources(etc)
    for name, archives in [("host", sources), *([("wide", wider(sources))] if wide else [])]:
        apt = Apt(store, name, archives, say)
        yield apt, apt.update(max_age_s=max_age_s)
