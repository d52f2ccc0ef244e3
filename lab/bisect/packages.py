"""The stock kernels between two versions of Debian's package as the subject of a bisection: nothing is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bisect.history import History
from lab.bisect.subject import CannotTest
from lab.errors import LabError, UsageError
from lab.kernels import debian, patterns, versions
from lab.kernels.apt import NotFetched
from lab.kernels.changelog import Change, between, changelog, source_version
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import resolve
from lab.kernels.stock import Shelf
from lab.kernels.store import Store, silent
from lab.kernels.unpack import DamagedPackage

_ETC = Path("/etc/apt")
_UPSTREAM = re.compile(r"^(\d+\.\d+(?:\.\d+)?)(?:~(rc\d+))?")


@dataclass(frozen=True)
class PackageSubject:
    """Versions in dpkg's order; the old end, which `find_fix` makes the bad one, is not in the history."""

    history: History
    old: str
    find_fix: bool
    store: Store
    etc: Path = _ETC

    def title(self, position: int | None) -> str:
        """The package's version; None is the old end."""
        return f"Debian's kernel {self._version(position)}"

    def kernel(self, position: int | None, say: Callable[[str], None] = silent) -> Kernel:
        """The kernel, fetched unless the store has it. CannotTest when the archives have it no more, LabError when the
        lab itself cannot go on (a full disk)."""
        version = self._version(position)
        try:
            # A word with a colon is never the name of a file in `named`.
            kernel = resolve(f"debian:{version}", self.store, named=self.store.root, say=say)
        except NotFetched as error:
            if not error.gone:
                raise  # the network is not the candidate's fault
            raise CannotTest(f"Debian's kernel {version} cannot be had: {error}") from None
        except (UsageError, DamagedPackage) as error:
            raise CannotTest(f"Debian's kernel {version} cannot be had: {error}") from None
        if kernel.package != version:
            raise CannotTest(f"Debian's kernel {version} cannot be had: there is only {kernel.package}")
        return kernel

    def epilogue(self, positions: Sequence[int]) -> str:
        """What to do with an answer: the versions, the upstream range to bisect by commits, and what the package's
        changelog says of drivers/target between them. Fetches the changelog."""
        if not positions:
            return "No version is left that could be the first one."
        before, last = self._before(min(positions)), self.history.names[max(positions)]
        lines = [self._answer(positions, before), self._range(before, last), *self._listed(before, last)]
        return "\n".join(lines)

    def _version(self, position: int | None) -> str:
        return self.old if position is None else self.history.names[position]

    def _before(self, position: int) -> str:
        return self._version(position - 1 if position else None)

    def _answer(self, positions: Sequence[int], before: str) -> str:
        first, last = ("fixed", "bad") if self.find_fix else ("bad", "good")
        names = [self.history.names[p] for p in sorted(positions)]
        found = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
        return f"first {first}: {found}; last {last}: {before}"

    def _range(self, before: str, last: str) -> str:
        low, high = upstream_tag(before), upstream_tag(last)
        if low == high:
            same = source_version(before) == source_version(last)
            what = "one source, built for two releases" if same else f"both are upstream {low}"
            return f"{what}: the difference is Debian's own, in its patches, configuration or compiler"
        ends = (f"--find-fix --good {high} --bad {low}" if self.find_fix else f"--good {low} --bad {high}")
        return (f"upstream range {low}..{high}; bisect it by commits with\n"
                f"  lab bisect --tree linux-stable {ends} SCENARIO -- drivers/target")

    def _listed(self, before: str, last: str) -> list[str]:
        """The lines about the changelog, oldest upstream release first; one sentence when it cannot be had."""
        if source_version(before) == source_version(last):
            return []
        try:
            found = between(changelog(last, self.store, since=before, etc=self.etc), before, last)
        except LabError as error:
            return [f"Its changelog cannot be shown: {error}"]
        listed = dict.fromkeys(c for entry in reversed(found) for c in entry.changes if c.concerns_target)
        changes = sorted(listed, key=lambda change: versions.key(change.upstream))
        if not changes:
            return [f"Its changelog names no change to drivers/target after {before}."]
        return [f"changes to drivers/target in its changelog after {before}:", *map(_shown, changes)]


def _shown(change: Change) -> str:
    return f"  {change.upstream or 'Debian':<9} {change.text}"


def upstream_tag(version: str) -> str:
    """The tag of linux-stable that a package is made from: v6.12.57 of 6.12.57-1~bpo12+1, v7.3-rc7 of 7.3~rc7-1."""
    match = _UPSTREAM.match(version)
    if match is None:
        raise UsageError(f"{version} is not a version of Debian's kernel; write 6.12.57 or 6.12.57-1~bpo12+1")
    return f"v{match[1]}" + (f"-{match[2]}" if match[2] else "")


def package_subject(good: str, bad: str, store: Store, say: Callable[[str], None] = silent, *, find_fix: bool = False,
                    among: Sequence[str] | None = None, etc: Path = _ETC) -> PackageSubject:
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
    names = [v for v in reversed(versions.newest_first({*chosen, new})) if low < versions.key(v) <= high]
    _say_what_it_means(old, names, say)
    return PackageSubject(History.linear(names), old, find_fix, store, etc)


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
