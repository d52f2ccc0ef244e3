"""mainline:v6.12, the builds of unchanged kernels that virtme-ng knows where to find; they need internet."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import requests
from virtme_ng import mainline as virtme

from lab.errors import LabError, UsageError
from lab.kernels.distribution import Distribution
from lab.kernels.stock import Shelf, StockKernel
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.unpack import unpack

_WORD = re.compile(r"v\d+\.\d+(\.\d+)?(-rc\d+)?")
_MAINLINE = Distribution(name="mainline", title="Mainline", codenames="", flavour="generic", image="", packages="",
                         meta="", depended=(), beside=(), wider=(), wider_security=())


def fetch(wanted: str, store: Store, say: Callable[[str], None] = silent) -> StockKernel:
    """The unpacked kernel for v6.12 or v6.12-rc3; what is in the store is not asked for again.

    UsageError for a word that is no version or a version that was never built, LabError without internet.
    """
    if _WORD.fullmatch(wanted) is None:
        raise UsageError(f"{wanted!r} is no mainline version: write mainline:v6.12 or mainline:v6.12-rc3")
    shelf = Shelf(store, say, _MAINLINE)
    with store.lock(f"mainline-{wanted}", say=say), full_disk_explained(store.root):
        if kernel := shelf.get(wanted):
            return kernel
        say(f"fetching the mainline kernel {wanted} as virtme-ng does")
        shelf.put(wanted, lambda directory: _unpacked(wanted, directory))
        kernel = shelf.get(wanted)
    if kernel is None:
        raise LabError(f"the mainline kernel {wanted} in {store.kernels} was damaged as it was unpacked")
    return kernel


def _unpacked(wanted: str, into: Path) -> str:
    """virtme-ng keeps what it fetches in a cache of its own and takes a half one for whole; so it gets a new one."""
    before, virtme.CACHE_DIR = virtme.CACHE_DIR, str(into / "virtme")
    try:
        fetched = virtme.KernelDownloader(wanted)
    except FileNotFoundError as error:
        raise UsageError(f"there is no build of mainline {wanted}: {error}") from None
    except requests.RequestException as error:
        raise LabError(f"mainline:{wanted} cannot be fetched: {_short(error)}; it needs internet") from None
    finally:
        virtme.CACHE_DIR = before
    home = Path(fetched.kernel_dir)
    packages = sorted(home.glob("*.deb"))
    release = unpack(packages, into)
    shutil.rmtree(into / "virtme")
    return release


def _short(error: Exception) -> str:
    """The cause without the layers of the libraries around it."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause).removeprefix("[Errno ").partition("] ")[2] or str(cause)
