"""Packages beside a stock kernel: what it takes to build modules for it, and its debug information."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import Apt, NotFetched, Package
from lab.kernels.debian import LIST_AGE_S
from lab.kernels.sources import host_sources, wider
from lab.kernels.store import Store, free_bytes, full_disk, full_disk_explained
from lab.kernels.unpack import DamagedPackage

_SECOND_LOOK_S = 300.0  # lists older than that are fetched again before a package is called gone
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
    """The package files, by the lab's own apt; they are removed when the block ends, and kept by a killed download.

    Raises UsageError when no list has the package, DamagedPackage with what to do, LabError as debian.fetch does.
    """
    with full_disk_explained(store.root):
        with store.lock("apt", say=say):
            files = _Search(wanted, store, say, etc).files()
        try:
            yield files
        except DamagedPackage as error:
            raise DamagedPackage(f"the package {wanted.name} {wanted.version} is damaged and was removed ({error}); "
                                 "run it again to fetch it anew") from None
        finally:
            for file in files:
                file.unlink(missing_ok=True)


class _Search:
    """One search for the packages, with the apt lock held: the host's own suites first, they are small."""

    def __init__(self, wanted: Wanted, store: Store, say: Callable[[str], None], etc: Path) -> None:
        self._wanted, self._store, self._say, self._etc = wanted, store, say, etc
        self._complaints: list[str] = []
        self._failures: list[NotFetched] = []
        self._others: set[str] = set()

    def files(self) -> list[Path]:
        sources = host_sources(self._etc)
        for max_age_s in (LIST_AGE_S, _SECOND_LOOK_S):
            for name, archives in (("host", sources), ("wide", wider(sources))):
                apt = Apt(self._store, name, archives, self._say)
                if not apt.update(max_age_s=max_age_s) and max_age_s == _SECOND_LOOK_S:
                    continue  # the same lists say the same
                if apt.complaint:
                    self._complaints.append(apt.complaint)
                try:
                    if packages := self._choose(apt):
                        return self._download(apt, packages)
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

    def _download(self, apt: Apt, packages: list[Package]) -> list[Path]:
        size = sum(p.size_bytes for p in packages)
        needed = size + int(sum(p.installed_bytes for p in packages) * self._wanted.unpacked_part)
        if free_bytes(self._store.root) < needed:
            raise full_disk(self._store.root, needed)
        self._say(f"fetching {self._wanted.name} {self._wanted.version} ({size // 1_000_000 + 1} MB)")
        return [apt.download(package) for package in packages]

    def _unknown(self) -> LabError:
        what = f"{self._wanted.name} {self._wanted.version}"
        if self._complaints and not self._others:
            return LabError(f"{what} cannot be fetched: apt could not get its package lists ({self._complaints[0]})")
        newest = {versions.series(v): v for v in reversed(versions.newest_first(self._others))}
        shown = ", ".join(list(newest.values())[::-1][:_NEWEST_SHOWN]) or "no kernel"
        also = f" (and not every list could be fetched: {self._complaints[0]})" if self._complaints else ""
        return UsageError(f"the archives have no {what} (they drop it before the kernel itself); the newest packages "
                          f"of this kind are of {shown}{also}")
