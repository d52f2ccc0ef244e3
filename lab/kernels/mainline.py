"""mainline:v6.12, the builds of unchanged kernels that virtme-ng knows where to find; they need internet.

virtme-ng says where the builds are. Its own downloader unpacks each package as it comes, without a deadline; here
downloads go on where they stopped, are compared with the sums that lie beside them, and are unpacked once, by the lab.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import requests
from virtme_ng import mainline as virtme

from lab.errors import LabError, UsageError
from lab.kernels.distribution import Distribution
from lab.kernels.stock import Shelf, StockKernel
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.unpack import DamagedPackage, unpack, using_up
from lab.usage import hold

_WORD = re.compile(r"v\d+\.\d+(\.\d+)?(-rc\d+)?")
_MAINLINE = Distribution(name="mainline", title="Mainline", codenames="", flavour="generic", image="", packages="",
                         meta="", depended=(), beside=(), wider=(), wider_security=())
_ARCHITECTURE = "amd64"
_CHUNK_BYTES = 1 << 16
_PARTIAL = ".part"
_LINK = re.compile(r"""href=["']([^\s"']+\.deb)["']""")
_NOT_THERE = re.compile(r"error: (404|410)$|could not find kernel packages")


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
        say(f"fetching the mainline kernel {wanted}")
        into = store.apt / "downloads" / f"mainline-{wanted}"
        packages = _download(wanted, into)
        say(f"unpacking the mainline kernel {wanted}")
        with using_up(packages, f"a package of the mainline kernel {wanted}"):
            shelf.put(wanted, lambda directory: unpack(packages, directory))
        shutil.rmtree(into, ignore_errors=True)
        kernel = shelf.get(wanted)
    if kernel is None:
        raise LabError(f"the mainline kernel {wanted} in {store.kernels} was damaged as it was unpacked")
    return kernel


def _download(wanted: str, into: Path) -> list[Path]:
    try:
        return _Downloader(wanted, into).packages()
    except FileNotFoundError as error:
        if _NOT_THERE.search(str(error)):
            raise UsageError(f"there is no build of mainline {wanted} (not every version has one): {error}") from None
        raise LabError(f"mainline:{wanted} cannot be fetched: {error}") from None
    except requests.RequestException as error:
        why = "run it again to go on where it stopped" if list(into.glob(f"*{_PARTIAL}")) else "it needs internet"
        raise LabError(f"mainline:{wanted} cannot be fetched: {_short(error)}; {why}") from None


class _Downloader:
    """Packages of one build, in the store. What has a package's name is whole and has the right sum."""

    def __init__(self, version: str, into: Path) -> None:
        self._version, self._into = version, into
        self._sums: dict[str, str] | None = None

    def packages(self) -> list[Path]:
        """Those with the kernel and its modules, fetched unless they are there."""
        home, page = self._page()
        links = {unquote(link).rpartition("/")[2]: f"{home}/{link}" for link in _LINK.findall(page)}
        # Old builds have a lowlatency kernel beside the generic one.
        wanted = [name for name in sorted(links) if name.endswith(f"{_ARCHITECTURE}.deb") and "headers" not in name
                  and "-lowlatency" not in name]
        if not wanted:
            raise FileNotFoundError(f"could not find kernel packages at {home}")
        self._into.mkdir(parents=True, exist_ok=True)
        hold(self._into)
        for name in wanted:
            if not (self._into / name).exists():
                self._fetch(links[name], self._into / name)
        return [self._into / name for name in wanted]

    def _page(self) -> tuple[str, str]:
        """The address of the page that links the packages, and its text; old builds have none for an architecture."""
        for home in (f"{virtme.BASE_URL}/{self._version}/{_ARCHITECTURE}", f"{virtme.BASE_URL}/{self._version}"):
            answer = requests.get(home, timeout=virtme.HTTP_TIMEOUT)
            if answer.status_code == requests.codes.ok:
                return home, answer.text
        raise FileNotFoundError(f"failed to retrieve {home}, error: {answer.status_code}")

    def _fetch(self, url: str, final: Path) -> None:
        part = final.with_name(final.name + _PARTIAL)
        _append(url, part)
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self._sum(url):
            part.unlink()
            raise DamagedPackage(f"{final.name} is not what the sums beside it say and was removed; run it again")
        os.replace(part, final)

    def _sum(self, url: str) -> str:
        """The sha256 that the build's CHECKSUMS name for the package. LabError when they name none."""
        home, _, name = url.rpartition("/")
        if self._sums is None:
            answer = requests.get(f"{home}/CHECKSUMS", timeout=virtme.HTTP_TIMEOUT)
            answer.raise_for_status()
            self._sums = {file: digest for digest, file in
                          re.findall(r"^([0-9a-f]{64})\s+\*?(?:\S*/)?(\S+)$", answer.text, re.MULTILINE)}
        if unquote(name) not in self._sums:
            raise LabError(f"the mainline build {self._version} has no sum for {unquote(name)}: it cannot be trusted")
        return self._sums[unquote(name)]


def _append(url: str, part: Path) -> None:
    """Fetch what `part` lacks of the file. A server that knows no ranges sends it all again."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, stream=True, timeout=virtme.HTTP_TIMEOUT, headers=headers) as answer:
        if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return  # it is whole, or its sum will tell
        if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
            raise FileNotFoundError(f"failed to download {url}, error: {answer.status_code}")
        with part.open("ab" if answer.status_code == requests.codes.partial_content else "wb") as file:
            for chunk in answer.iter_content(_CHUNK_BYTES):
                file.write(chunk)


def _short(error: Exception) -> str:
    """The cause without the layers of the libraries around it."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    return str(cause).removeprefix("[Errno ").partition("] ")[2] or str(cause)
