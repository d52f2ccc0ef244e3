"""debian:VERSION or ubuntu:VERSION, a stock kernel of the host's distribution, by a private apt, in the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import Apt, NotFetched, Package
from lab.kernels.distribution import DEBIAN, Distribution
from lab.kernels.sources import distribution_of, host_sources
from lab.kernels.stock import Shelf, StockKernel
from lab.kernels.store import Store, check_room, full_disk_explained, silent
from lab.kernels.suites import LIST_AGE_S, SECOND_LOOK_S, everywhere, looks
from lab.kernels.unpack import unpack, using_up

_VARIANT = re.compile(r"-(rt|cloud)$")
_NEWEST_SHOWN = 5


@dataclass(frozen=True)
class Stock:
    """A version of a stock kernel as apt lists it; `parts` are the packages to unpack."""

    version: str
    release: str
    parts: tuple[Package, ...]
    problem: str = ""  # why it cannot be used although it is listed


def fetch(wanted: str, store: Store, say: Callable[[str], None] = silent, *,
          etc: Path = Path("/etc/apt")) -> StockKernel:
    """The unpacked kernel for a version, the beginning of one, or "" for the stock kernel of the host's release.

    What the store has is used without asking apt; the answer to an unfinished version is remembered for
    LIST_AGE_S. `etc` is the host's apt configuration. Raises UsageError for a version that apt does not know.
    """
    shelf = Shelf(store, say, distribution_of(host_sources(etc)))
    if wanted and (kernel := shelf.get(wanted)):
        return kernel
    if kernel := _recalled(shelf, wanted, say):
        return kernel
    with store.lock("apt", say=say), full_disk_explained(store.root):
        # Another lab may have fetched it while this one waited.
        if kernel := (shelf.get(wanted) if wanted else None) or _recalled(shelf, wanted, say):
            return kernel
        return _Search(store, shelf, say, etc).fetch(wanted)


def _recalled(shelf: Shelf, wanted: str, say: Callable[[str], None]) -> StockKernel | None:
    version = shelf.remembered(wanted, LIST_AGE_S)
    kernel = shelf.get(version) if version else None
    if kernel and versions.is_exact(wanted):
        say(_taking(kernel.version, wanted))
    return kernel


def _taking(version: str, wanted: str) -> str:
    return f"apt has no kernel {wanted} itself; taking {version}"


def known(store: Store, say: Callable[[str], None] = silent, *, etc: Path = Path("/etc/apt")) -> list[Stock]:
    """Every kernel version in the host's own and the distribution's other suites, newest first, usable or not."""
    with store.lock("apt", say=say), full_disk_explained(store.root):
        apt = everywhere(store, say, etc)
        return stocks(apt.kernels(), apt.distribution)


def stocks(packages: Sequence[Package], whose: Distribution = DEBIAN) -> list[Stock]:
    """Pick the plain kernels (no rt, cloud, debug ones) and their parts, newest version first."""
    index = {(p.name, p.version): p for p in packages}
    found: dict[str, Stock] = {}
    for package in packages:
        match = re.match(whose.image, package.name)
        if match and not _VARIANT.search(match["version"]):
            stock = _stock(package, match["release"], index, whose)
            if package.version not in found or found[package.version].problem:
                found[package.version] = stock
    return [found[version] for version in versions.newest_first(found)]


def _stock(image: Package, release: str, index: dict[tuple[str, str], Package], whose: Distribution) -> Stock:
    parts, problem = [image], ""
    for kind in whose.depended:
        name = f"linux-{kind}-{release}"
        if re.search(rf"(^|[ ,]){re.escape(name)}($|[ ,(])", image.depends):
            if part := index.get((name, image.version)):
                parts.append(part)
            elif kind != "base":
                problem = problem or f"its package {name} is in no list"
    beside = (index.get((f"linux-{kind}-{release}", image.version)) for kind in whose.beside)
    return Stock(image.version, release, (*parts, *filter(None, beside)), problem)


class _Search:
    """One search for a version, with the apt lock held."""

    def __init__(self, store: Store, shelf: Shelf, say: Callable[[str], None], etc: Path) -> None:
        self._store, self._shelf, self._say, self._etc = store, shelf, say, etc
        self._complaints: list[str] = []  # about the lists
        self._failures: list[NotFetched] = []  # of packages
        self._seen: list[Stock] = []
        self._stand_ins: dict[str, tuple[Apt, Stock]] = {}  # of an exact version: its rebuilds, by version

    def fetch(self, wanted: str) -> StockKernel:
        for max_age_s in (LIST_AGE_S, SECOND_LOOK_S):
            tried: set[str] = set()
            # Which is the release's own kernel is not asked of other suites: they have other ones.
            for apt, anew in looks(self._store, self._say, self._etc, max_age_s, wide=bool(wanted)):
                if not anew and self._failures:
                    continue  # the same lists would name the same package
                stock = self._choose(apt, wanted)
                if stock and stock.version not in tried and (kernel := self._obtain(apt, stock)):
                    self._shelf.remember(wanted, stock.version)
                    return kernel
                tried |= {stock.version} if stock else set()
        return self._stand_in(wanted) or self._without_apt(wanted)

    def _choose(self, apt: Apt, wanted: str) -> Stock | None:
        """The stock kernel that is meant; rebuilds of an exact version are only noted, for other lists may have it."""
        if apt.complaint:
            self._complaints.append(apt.complaint)
            self._say(f"apt could not fetch every list ({apt.complaint}); going on with what it has")
        listed = stocks(apt.kernels(), apt.distribution)
        self._seen += [stock for stock in listed if stock not in self._seen]
        if not wanted:
            meta = apt.candidate(apt.distribution.meta)
            return next((s for s in listed if meta and s.version == meta.version and not s.problem), None)
        matching = [s for s in listed if versions.matches(s.version, wanted) and not s.problem]
        if versions.is_exact(wanted):
            self._stand_ins |= {s.version: (apt, s) for s in matching if s.version != wanted}
            matching = [s for s in matching if s.version == wanted]
        return next(iter(matching), None)

    def _stand_in(self, wanted: str) -> StockKernel | None:
        """A rebuild of an exact version that no list has; not when apt lists it and only failed to fetch it."""
        for apt, stock in self._stand_ins.values() if self._all_gone else ():
            self._say(_taking(stock.version, wanted))
            if kernel := self._obtain(apt, stock):
                if not self._complaints:
                    self._shelf.remember(wanted, stock.version)
                return kernel
        return None

    @property
    def _all_gone(self) -> bool:
        return all(failure.gone for failure in self._failures)

    def _obtain(self, apt: Apt, stock: Stock) -> StockKernel | None:
        """The kernel from the shelf, put there if need be; None when apt could not fetch what it lists."""
        if self._shelf.get(stock.version) is None:
            try:
                self._unpack(apt, stock)
            except NotFetched as error:
                self._failures.append(error)
                return None
        kernel = self._shelf.get(stock.version)
        if kernel is None:
            raise LabError(f"the kernel {stock.version} in {self._store.kernels} was damaged as it was unpacked")
        return kernel

    def _unpack(self, apt: Apt, stock: Stock) -> None:
        size = sum(p.size_bytes for p in stock.parts)
        needed = size + sum(p.installed_bytes for p in stock.parts)
        check_room(self._store.root, needed)
        title = apt.distribution.title
        self._say(f"fetching {title}'s kernel {stock.version} ({size // 1_000_000 + 1} MB)")
        files = [apt.download(part) for part in stock.parts]
        self._say(f"unpacking {title}'s kernel {stock.version}")
        with using_up(files, f"the package of {title}'s kernel {stock.version}"):
            self._shelf.put(stock.version, lambda directory: unpack(files, directory))

    def _without_apt(self, wanted: str) -> StockKernel:
        """No fresh answer: where apt had no network, an old answer or a kernel on the shelf does; else say why."""
        reasons = [*map(str, self._failures), *self._complaints]
        stored = [v for v in self._shelf.versions() if wanted and versions.matches(v, wanted)]
        old = self._shelf.remembered(wanted, float("inf"))
        if versions.is_exact(wanted) and not self._all_gone:
            raise self._failures[-1]  # it is there, so a rebuild is not what was asked for
        instead = f" in place of {wanted}" if versions.is_exact(wanted) else ""
        for version in [*([old] if old else []), *versions.newest_first(stored)]:
            if reasons and (kernel := self._shelf.get(version)):
                self._say(f"using the kernel {version} from the store{instead}, for apt failed ({reasons[0]})")
                return kernel
        raise self._failures[-1] if self._failures else self._unknown(wanted)

    def _unknown(self, wanted: str) -> LabError:
        whose = distribution_of(host_sources(self._etc)).name
        name = f"{whose}:{wanted}" if wanted else whose
        if not self._seen and self._complaints:
            return LabError(f"{name} cannot be fetched: apt could not get its package lists ({self._complaints[0]})")
        listed = [s for s in self._seen if s.problem and wanted and versions.matches(s.version, wanted)]
        if listed:
            return UsageError(f"the kernel {listed[0].version} is listed but not usable: {listed[0].problem}")
        newest = versions.newest_of_series((s.version for s in self._seen if not s.problem), _NEWEST_SHOWN)
        also = f" (and not every list could be fetched: {self._complaints[0]})" if self._complaints else ""
        return UsageError(f"apt knows no linux-image for {wanted or 'this release'}; the newest it knows are "
                          f"{newest or 'none'}{also}")
