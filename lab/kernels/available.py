"""What apt can give: every stock kernel of the host's distribution, with what goes with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.kernels.debian import Stock, stocks
from lab.kernels.stock import Shelf
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.suites import everywhere


@dataclass(frozen=True)
class Available:
    """A version of the stock kernel. `fetch_bytes` is what must be downloaded for it."""

    word: str  # what -k takes
    release: str
    fetch_bytes: int
    stored: bool
    headers: bool  # modules can be built for it
    debug: bool  # its reports can be decoded
    problem: str  # why it cannot be used although it is listed


def available(store: Store, say: Callable[[str], None] = silent, *,
              etc: Path = Path("/etc/apt")) -> list[Available]:
    """All of them, in all suites, newest version first. LabError when apt fails."""
    with store.lock("apt", say=say), full_disk_explained(store.root):
        apt = everywhere(store, say, etc)
        if apt.complaint:
            say(f"apt could not fetch every list ({apt.complaint}); going on with what it has")
        listed = stocks(apt.kernels(), apt.distribution)
        beside = {(p.name, p.version) for p in apt.search(f"^linux-(headers|image)-[0-9].*-{apt.distribution.flavour}"
                                                          "(-dbg)?$")}
        whose = apt.distribution
    have = set(Shelf(store, say, whose).versions())

    def one(stock: Stock) -> Available:
        return Available(f"{whose.name}:{stock.version}", stock.release, sum(p.size_bytes for p in stock.parts),
                         stock.version in have, (f"linux-headers-{stock.release}", stock.version) in beside,
                         (f"linux-image-{stock.release}-dbg", stock.version) in beside, stock.problem)

    return [one(stock) for stock in listed]
