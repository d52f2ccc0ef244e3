"""source:6.12, the kernel sources that Debian packages (linux-source-6.12), unpacked once in the store."""

from __future__ import annotations

import json
import operator
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import Apt, NotFetched, Package
from lab.kernels.store import Store, check_room, full_disk_explained, silent
from lab.kernels.suites import looks
from lab.kernels.unpack import DamagedPackage, extract, untar, using_up
from lab.usage import discard, hold

_NAMES = r"^linux-source-[0-9]+\.[0-9]+$"
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
    """The newest unpacked sources that are meant; held, for they are used."""
    home = store.root / "sources"
    have = [path.name.removeprefix("debian-") for path in home.glob("debian-*") if (path / "whole.json").exists()]
    meant = operator.eq if versions.is_exact(wanted) else versions.matches
    matching = [v for v in versions.newest_first(have) if meant(v, wanted)]
    if not matching:
        return None
    root = home / f"debian-{matching[0]}"
    hold(root)
    return root / str(json.loads((root / "whole.json").read_text())["tree"])


def _fetched(wanted: str, store: Store, say: Callable[[str], None], etc: Path) -> Path:
    seen: set[str] = set()
    stand_ins: list[tuple[Apt, Package]] = []  # rebuilds of an exact version
    complaint, lacks = "", True
    for apt, _ in looks(store, say, etc):
        complaint = complaint or apt.complaint
        listed = {p.version: p for p in apt.search(_NAMES)}
        seen |= set(listed)
        for version in (v for v in versions.newest_first(listed) if versions.matches(v, wanted)):
            if versions.is_exact(wanted) and version != wanted:
                stand_ins.append((apt, listed[version]))
                continue
            try:
                return _unpacked(apt, listed[version], store, say)
            except NotFetched as error:
                complaint, lacks = str(error), error.gone
    for apt, package in stand_ins if lacks else ():
        say(f"apt has no {package.name} {wanted} itself; taking {package.version}")
        return _stored(store, package.version) or _unpacked(apt, package, store, say)
    raise _unknown(wanted, seen, complaint)


def _unknown(wanted: str, seen: set[str], complaint: str) -> LabError:
    if complaint and not any(versions.matches(v, wanted) for v in seen):
        return LabError(f"the sources of {wanted} cannot be fetched: {complaint}")
    newest = versions.newest_of_series(seen, _NEWEST_SHOWN) or "none"
    return UsageError(f"apt has no linux-source of {wanted}; it has {newest}{f' ({complaint})' if complaint else ''}")


def _unpacked(apt: Apt, package: Package, store: Store, say: Callable[[str], None]) -> Path:
    root = store.root / "sources" / f"debian-{package.version}"
    needed = 2 * package.size_bytes + _UNPACKED_BYTES
    check_room(store.root, needed)
    say(f"fetching {package.name} {package.version} ({package.size_bytes // 1_000_000 + 1} MB)")
    file = apt.download(package)
    say(f"unpacking {package.name} {package.version}")
    discard(root)
    with using_up([file], f"the package {package.name} {package.version}"), store.new_directory(root) as directory:
        tree = _laid_out(file, directory)
        (directory / "whole.json").write_text(json.dumps({"tree": tree}))
    hold(root)
    return root / tree


def _laid_out(file: Path, directory: Path) -> str:
    """The package holds an archive of the sources; returns the name of their directory."""
    extract([file], directory / "package")
    tarball = next(iter((directory / "package/usr/src").glob("linux-source-*.tar.*")), None)
    if tarball is None:
        raise DamagedPackage("there are no sources in it")
    untar(tarball, directory)
    shutil.rmtree(directory / "package")
    tree = next((path.name for path in directory.iterdir() if (path / "Kconfig").is_file()), None)
    if tree is None:
        raise DamagedPackage("its archive has no Kconfig")
    return tree
