"""Packages beside a stock kernel: what it takes to build modules for it, and its debug information."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import Apt, NotFetched, Package
from lab.kernels.store import Store, check_room, full_disk_explained
from lab.kernels.suites import LIST_AGE_S, SECOND_LOOK_S, looks
from lab.kernels.unpack import using_up
from lab.usage import hold

_NEWEST_SHOWN = 4


@dataclass(frozen=True)
class Wanted:
    """The package to fetch for a kernel of exactly this version, and what to take with it."""

    name: str  # linux-headers-6.1.0-56-amd64
    version: str
    also: Callable[[Package], Sequence[str]]  # names of the packages that belong to it, from its dependencies
    others: str  # regular expression of the names of such packages for any kernel
    unpacked_part: float = 1.0  # how much of what is installed is kept


@contextlib.contextmanager
def fetched(wanted: Wanted, store: Store, say: Callable[[str], None], etc: Path) -> Iterator[list[Path]]:
    """The package files, by the lab's own apt; they are removed when the block ends well, kept when it is broken off.

    They are this package's alone, for two kernels may have a companion in common (linux-kbuild-6.1), and no other lab
    that fetches for one kernel may use up what the block unpacks for another. The caller holds a lock for the package.

    Raises UsageError when no list has the package, DamagedPackage with what to do, LabError as debian.fetch does.
    """
    place = store.apt / "downloads" / f"{wanted.name}_{wanted.version}"
    with full_disk_explained(store.root):
        try:
            with store.lock("apt", say=say):
                place.mkdir(parents=True, exist_ok=True)
                hold(place)
                files = _Search(wanted, store, say, etc).files(place)
            with using_up(files, f"the package {wanted.name} {wanted.version}"):
                yield files
            shutil.rmtree(place, ignore_errors=True)
        finally:
            with contextlib.suppress(OSError):  # it is gone, or has what the next try can use
                place.rmdir()


class _Search:
    """One search for the packages, with the apt lock held."""

    def __init__(self, wanted: Wanted, store: Store, say: Callable[[str], None], etc: Path) -> None:
        self._wanted, self._store, self._say, self._etc = wanted, store, say, etc
        self._complaints: list[str] = []
        self._failures: list[NotFetched] = []
        self._others: set[str] = set()

    def files(self, into: Path) -> list[Path]:
        for max_age_s in (LIST_AGE_S, SECOND_LOOK_S):
            for apt, anew in looks(self._store, self._say, self._etc, max_age_s):
                if not anew and max_age_s == SECOND_LOOK_S:
                    continue  # the same lists say the same
                if apt.complaint:
                    self._complaints.append(apt.complaint)
                try:
                    if packages := self._choose(apt):
                        return self._download(apt, packages, into)
                except NotFetched as error:
                    self._failures.append(error)
        raise self._failures[-1] if self._failures else self._unknown()

    def _choose(self, apt: Apt) -> list[Package]:
        """The package and its companions; none when these lists do not have all of them."""
        name, version = self._wanted.name, self._wanted.version
        main = next((p for p in apt.versions_of([name]) if p.version == version), None)
        if main is None:
            self._others |= {p.version for p in apt.search(self._wanted.others)}
            return []
        names = self._wanted.also(main)
        found: dict[str, Package] = {}
        for package in apt.versions_of(names):
            # linux-kbuild-6.1 serves every 6.1 and is kept in its newest version only.
            best = found.get(package.name)
            if best is None or best.version != version and versions.compare(package.version, best.version) > 0 \
                    or package.version == version:
                found[package.name] = package
        return [main, *(found[n] for n in names)] if set(names) <= set(found) else []

    def _download(self, apt: Apt, packages: list[Package], into: Path) -> list[Path]:
        size = sum(p.size_bytes for p in packages)
        needed = size + int(sum(p.installed_bytes for p in packages) * self._wanted.unpacked_part)
        check_room(self._store.root, needed)
        self._say(f"fetching {self._wanted.name} {self._wanted.version} ({size // 1_000_000 + 1} MB)")
        return [apt.download(package, into) for package in packages]

    def _unknown(self) -> LabError:
        what = f"{self._wanted.name} {self._wanted.version}"
        if self._complaints and not self._others:
            return LabError(f"{what} cannot be fetched: apt could not get its package lists ({self._complaints[0]})")
        shown = versions.newest_of_series(self._others, _NEWEST_SHOWN) or "no kernel"
        also = f" (and not every list could be fetched: {self._complaints[0]})" if self._complaints else ""
        return UsageError(f"the archives have no {what} (they drop it before the kernel itself); the newest packages "
                          f"of this kind are of {shown}{also}")
