"""source:6.12, the kernel sources that Debian packages (linux-source-6.12), unpacked once in the store."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lab import process
from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import Apt, NotFetched, Package
from lab.kernels.debian import LIST_AGE_S
from lab.kernels.sources import host_sources, wider
from lab.kernels.store import Store, discard, free_bytes, full_disk, full_disk_explained, silent, used
from lab.kernels.unpack import DamagedPackage, extract

_NAMES = r"^linux-source-[0-9]+\.[0-9]+$"
_UNPACK_DEADLINE_S = 1800.0
_UNPACKED_BYTES = 1_700_000_000  # of 6.12; the package says nothing of what is in its archive
_NEWEST_SHOWN = 6


def source_tree(wanted: str, store: Store, say: Callable[[str], None] = silent, *,
                etc: Path = Path("/etc/apt")) -> Path:
    """The unpacked sources for 6.12 (the newest that apt has) or 6.12.117-1; what is there is not asked for again.

    The first time fetches 140 MB and takes 1.6 GB of the store. UsageError for a version that apt does not know.
    """
    if not re.fullmatch(r"[0-9]+\.[0-9]+([.~+-][A-Za-z0-9.+~-]*)?", wanted):
        raise UsageError(f"{wanted!r} is no version of kernel sources: write source:6.12 or source:6.12.117-1")
    if found := _stored(store, wanted):
        return found
    with store.lock("apt", say=say), full_disk_explained(store.root):
        return _stored(store, wanted) or _fetched(wanted, store, say, etc)


def _stored(store: Store, wanted: str) -> Path | None:
    """The newest unpacked sources that are meant; touched, for they are used."""
    home = store.root / "sources"
    have = [path.name.removeprefix("debian-") for path in home.glob("debian-*") if (path / "whole.json").exists()]
    matching = [v for v in versions.newest_first(have) if versions.matches(v, wanted)]
    if not matching:
        return None
    root = home / f"debian-{matching[0]}"
    used(root)
    return root / str(json.loads((root / "whole.json").read_text())["tree"])


def _fetched(wanted: str, store: Store, say: Callable[[str], None], etc: Path) -> Path:
    seen: set[str] = set()
    complaint = ""
    for name, archives in (("host", host_sources(etc)), ("wide", wider(host_sources(etc)))):
        apt = Apt(store, name, archives, say)
        apt.update(max_age_s=LIST_AGE_S)
        complaint = complaint or apt.complaint
        listed = {p.version: p for p in apt.search(_NAMES)}
        seen |= set(listed)
        for version in versions.newest_first(listed):
            if versions.matches(version, wanted):
                try:
                    return _unpacked(apt, listed[version], store, say)
                except NotFetched as error:
                    complaint = str(error)
    if complaint and not any(versions.matches(v, wanted) for v in seen):
        raise LabError(f"the sources of {wanted} cannot be fetched: {complaint}")
    newest = {versions.series(v): v for v in reversed(versions.newest_first(seen))}
    raise UsageError(f"apt has no linux-source of {wanted}; it has {', '.join(list(newest.values())[-_NEWEST_SHOWN:])}"
                     + (f" ({complaint})" if complaint else ""))


def _unpacked(apt: Apt, package: Package, store: Store, say: Callable[[str], None]) -> Path:
    root = store.root / "sources" / f"debian-{package.version}"
    needed = 2 * package.size_bytes + _UNPACKED_BYTES
    if free_bytes(store.root) < needed:
        raise full_disk(store.root, needed)
    say(f"fetching {package.name} {package.version} ({package.size_bytes // 1_000_000 + 1} MB)")
    file = apt.download(package)
    say(f"unpacking {package.name} {package.version}")
    discard(root)
    try:
        with store.new_directory(root) as directory:
            extract([file], directory / "package")
            tarball = next(iter((directory / "package/usr/src").glob("linux-source-*.tar.*")), None)
            if tarball is None:
                raise DamagedPackage(f"there are no sources in {package.name} {package.version}; it was removed")
            process.run(["tar", "-x", "-C", directory, "--no-same-owner", "-f", tarball], timeout_s=_UNPACK_DEADLINE_S)
            shutil.rmtree(directory / "package")
            tree = next(path for path in directory.iterdir() if (path / "Kconfig").is_file())
            (directory / "whole.json").write_text(json.dumps({"tree": tree.name}))
    finally:
        file.unlink(missing_ok=True)
    return root / tree.name
