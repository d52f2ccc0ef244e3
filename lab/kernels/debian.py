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
from lab.kernels.sources import distribution_of, host_sources, wider
from lab.kernels.stock import Shelf, StockKernel
from lab.kernels.store import Store, free_bytes, full_disk, full_disk_explained, silent
from lab.kernels.unpack import DamagedPackage, unpack

LIST_AGE_S = 6 * 3600.0  # how long package lists and the answer to "the newest 6.12" count as fresh
_VARIANT = re.compile(r"-(rt|cloud)$")
_SECOND_LOOK_S = 300.0  # lists older than that are fetched again before a version is called unknown
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
    if (version := shelf.remembered(wanted, LIST_AGE_S)) and (kernel := shelf.get(version)):
        return kernel
    with store.lock("apt", say=say), full_disk_explained(store.root):
        # Another lab may have fetched it while this one waited.
        if (version := shelf.remembered(wanted, LIST_AGE_S)) and (kernel := shelf.get(version)):
            return kernel
        return _Search(store, shelf, say, etc).fetch(wanted)


def known(store: Store, say: Callable[[str], None] = silent, *, etc: Path = Path("/etc/apt")) -> list[Stock]:
    """Every kernel version in the host's own and the distribution's other suites, newest first, usable or not."""
    with store.lock("apt", say=say), full_disk_explained(store.root):
        apt = Apt(store, "wide", wider(host_sources(etc)), say)
        apt.update(max_age_s=LIST_AGE_S)
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

    def fetch(self, wanted: str) -> StockKernel:
        sources = host_sources(self._etc)
        for max_age_s in (LIST_AGE_S, _SECOND_LOOK_S):
            tried: set[str] = set()
            # The host's own suites first: they are small and answer most questions.
            for name, archives in (("host", sources), ("wide", wider(sources))):
                apt = Apt(self._store, name, archives, self._say)
                if not apt.update(max_age_s=max_age_s) and self._failures:
                    continue  # the same lists would name the same package
                stock = self._choose(apt, wanted, exact=name == "host" and "-" in wanted)
                if stock and stock.version not in tried and (kernel := self._obtain(apt, stock, wanted)):
                    return kernel
                tried |= {stock.version} if stock else set()
                if not wanted:
                    break  # other suites have other stock kernels
        return self._without_apt(wanted)

    def _choose(self, apt: Apt, wanted: str, *, exact: bool) -> Stock | None:
        """`exact`: 6.12.117-1 is not 6.12.117-1~deb12u1 as long as other suites may have it."""
        if apt.complaint:
            self._complaints.append(apt.complaint)
            self._say(f"apt could not fetch every list ({apt.complaint}); going on with what it has")
        listed = stocks(apt.kernels(), apt.distribution)
        self._seen += [stock for stock in listed if stock not in self._seen]
        if not wanted:
            meta = apt.candidate(apt.distribution.meta)
            return next((s for s in listed if meta and s.version == meta.version and not s.problem), None)
        matching = [s for s in listed if versions.matches(s.version, wanted)]
        same = [s for s in matching if s.version == wanted]
        return next((s for s in same or ([] if exact else matching) if not s.problem), None)

    def _obtain(self, apt: Apt, stock: Stock, wanted: str) -> StockKernel | None:
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
        self._shelf.remember(wanted, stock.version)
        return kernel

    def _unpack(self, apt: Apt, stock: Stock) -> None:
        size = sum(p.size_bytes for p in stock.parts)
        needed = size + sum(p.installed_bytes for p in stock.parts)
        if free_bytes(self._store.root) < needed:
            raise full_disk(self._store.root, needed)
        title = apt.distribution.title
        self._say(f"fetching {title}'s kernel {stock.version} ({size // 1_000_000 + 1} MB)")
        files = [apt.download(part) for part in stock.parts]
        self._say(f"unpacking {title}'s kernel {stock.version}")
        try:
            self._shelf.put(stock.version, lambda directory: unpack(files, directory))
        except DamagedPackage as error:
            raise DamagedPackage(f"the package of {title}'s kernel {stock.version} is damaged and was removed "
                                 f"({error}); run it again to fetch it anew") from None
        finally:
            for file in files:
                file.unlink(missing_ok=True)

    def _without_apt(self, wanted: str) -> StockKernel:
        """No fresh answer: where apt had no network, an old answer or a kernel on the shelf does; else say why."""
        reasons = [*map(str, self._failures), *self._complaints]
        stored = [v for v in self._shelf.versions() if wanted and versions.matches(v, wanted)]
        old = self._shelf.remembered(wanted, float("inf"))
        for version in [*([old] if old else []), *versions.newest_first(stored)]:
            if reasons and (kernel := self._shelf.get(version)):
                self._say(f"using the kernel {version} from the store, for apt failed ({reasons[0]})")
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
        newest = versions.newest_first(s.version for s in self._seen if not s.problem)
        by_series = list({versions.series(v): v for v in reversed(newest)}.values())[::-1][:_NEWEST_SHOWN]
        also = f" (and not every list could be fetched: {self._complaints[0]})" if self._complaints else ""
        return UsageError(f"apt knows no linux-image for {wanted or 'this release'}; the newest it knows are "
                          f"{', '.join(by_series) or 'none'}{also}")
