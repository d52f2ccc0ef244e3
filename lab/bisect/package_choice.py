"""Which versions of Debian's package a bisection looks at: what is known, what words mean, what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lab.bisect.history import History
from lab.bisect.packages import ETC, PackageSubject
from lab.errors import LabError, UsageError
from lab.kernels import debian, patterns, versions
from lab.kernels.stock import Shelf
from lab.kernels.store import Store, silent


def package_subject(good: str, bad: str, store: Store, say: Callable[[str], None] = silent, *, find_fix: bool = False,
                    among: Sequence[str] | None = None, etc: Path = ETC) -> PackageSubject:
    """The stock kernels between two versions that apt lists as usable or that the store has; nothing is fetched yet.

    `find_fix`: old kernels are bad and new ones good. `among` leaves only these versions (or globs) between the
    ends. A version may be the beginning of one: 6.12.43 is the newest 6.12.43-*. UsageError: an end that nobody knows,
    ends that are the same or stand the wrong way round.
    """
    usable, refused = _known(store, say, etc)
    ends = [_meant(word, usable, refused) for word in ((bad, good) if find_fix else (good, bad))]
    old, new = ends
    _check_order(old, new, find_fix)
    chosen = usable if among is None else {v for word in among for v in _chosen(word, usable, refused)}
    low, high = versions.key(old), versions.key(new)
    between = [v for v in reversed(versions.newest_first({*usable, new})) if low < versions.key(v) <= high]
    names = [v for v in between if v in chosen or v == new]
    _say_what_it_means(old, names, say)
    return PackageSubject(History.linear(names), old, find_fix, store, etc, tuple(v for v in between if v not in names))


def _known(store: Store, say: Callable[[str], None], etc: Path) -> tuple[set[str], dict[str, str]]:
    """Versions that can be had, and those that are listed with the reason why they cannot."""
    stored = set(Shelf(store).versions())
    try:
        listed = debian.known(store, say, etc=etc)
    except LabError as error:
        if not stored:
            raise
        say(f"apt cannot say which kernels there are ({error}); going on with those in the store")
        listed = []
    usable = {stock.version for stock in listed if not stock.problem} | stored
    return usable, {s.version: s.problem for s in listed if s.problem and s.version not in usable}


def _meant(word: str, usable: Iterable[str], refused: dict[str, str]) -> str:
    """The version that a word means. UsageError with the nearest versions when it means none."""
    wanted = word.strip().removeprefix("debian:")
    known = versions.newest_first(usable)
    matching = [v for v in known if wanted and versions.matches(v, wanted)]
    if matching:
        return wanted if wanted in matching else matching[0]
    for version, problem in refused.items():
        if wanted and versions.matches(version, wanted):
            raise UsageError(f"Debian's kernel {version} is listed but not usable: {problem}")
    if not re.match(r"\d+\.\d+", wanted):
        raise UsageError(f"{word!r} is not a version of Debian's kernel; write 6.12.57 or 6.12.57-1~bpo12+1")
    newer = [v for v in known if versions.compare(v, wanted) > 0][-1:]
    older = [v for v in known if versions.compare(v, wanted) < 0][:1]
    near = " and ".join(older + newer)
    raise UsageError(f"neither apt nor the store has a kernel {wanted}"
                     + (f"; the nearest are {near}" if near else "; there are none at all"))


def _chosen(word: str, usable: Iterable[str], refused: dict[str, str]) -> list[str]:
    """The versions of a pattern as in -k; UsageError with the nearest ones when there are none."""
    wanted = word.removeprefix("debian:")
    if wanted in usable:
        return [wanted]
    return [v for v in usable if patterns.matches(v, wanted)] or [_meant(word, usable, refused)]


def _check_order(old: str, new: str, find_fix: bool) -> None:
    order = versions.compare(old, new)
    good, bad = (new, old) if find_fix else (old, new)
    if order == 0:
        raise UsageError(f"the good and the bad end are both {old}; give two versions")
    if order > 0 and find_fix:
        raise UsageError(f"the good end {good} is older than the bad end {bad}: leave --find-fix out to look for what "
                         "broke it")
    if order > 0:
        raise UsageError(f"the good end {good} is newer than the bad end {bad}: give --find-fix to look for what fixed "
                         "it")


def _say_what_it_means(old: str, names: Sequence[str], say: Callable[[str], None]) -> None:
    if len(names) == 1:
        say(f"there is no kernel between {old} and {names[0]}: only the ends are tested")
    series = list(dict.fromkeys(map(versions.series, [old, *names])))
    if len(series) > 1:
        say(f"{', '.join(series)} are branches, not one line of history: the answer is the first kernel that differs, "
            "and what it differs in may have come to several series; within one series it is exact")
