"""Debian's changelog of the kernel: which changes came between two versions, and which of them concern drivers/target.

It names every patch of the stable series by its subject, below the address of the upstream changelog it is from.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import NotFetched, Package
from lab.kernels.companions import Wanted, fetched
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.suites import everywhere
from lab.kernels.unpack import DamagedPackage, extract_some
from lab.usage import used

# Small packages of the kernel's source that carry its whole changelog; the archives keep only a few versions of each,
# but a later version's changelog has all that earlier ones have.
_CARRIERS = r"^linux-(libc-dev|config-[0-9.]+|support-[0-9].*)$"
_IN_PACKAGE = ("*/changelog.Debian.gz", "*/changelog.gz")
_TRIES = 4  # in its own series
_HEADING = re.compile(r"^linux(?:-[0-9.]+)? \((?P<version>[^)\s]+)\)")
_UPSTREAM = re.compile(r"/ChangeLog-(?P<release>[0-9][0-9a-z.-]*)\s*$")
_BULLET = re.compile(r"^(?P<indent> +)(?P<mark>[*+-]) (?P<text>.*)$")
_REBUILD = re.compile(r"~(?:bpo|deb)\d+[+u]\d+$")
# What the subjects of patches to drivers/target begin with; "scsi: qla2xxx: target" is another directory.
_TARGET = re.compile(r'^(?:\[[^\]]+\] *)?(?:Revert ")?(?:scsi: )?(?:(?:firewire: )?sbp-target|target(?:/\w+)?|'
                     r'iscsi-target|iscsit|cxgbit|tcm_loop|tcm_fc|tcm_remote|tcmu)\s*:')


@dataclass(frozen=True)
class Change:
    """One item of the changelog; `upstream` is the stable release that it came with, "" for Debian's own."""

    text: str
    upstream: str

    @property
    def concerns_target(self) -> bool:
        """Whether it is a patch to drivers/target, by its subject."""
        return _TARGET.match(self.text) is not None


@dataclass(frozen=True)
class Entry:
    """What the changelog says of one version, items in its order."""

    version: str
    changes: tuple[Change, ...]


def source_version(version: str) -> str:
    """The version without what a rebuild for another release adds: 6.12.95-1 of 6.12.95-1~bpo12+1."""
    return _REBUILD.sub("", version)


def parse(text: str) -> list[Entry]:
    """The entries of a changelog (deb-changelog(5)) in its order, newest first. What is no item is left out."""
    parts = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    return [Entry(match["version"], tuple(_changes(part.splitlines()[1:])))
            for part in parts if (match := _HEADING.match(part))]


def _changes(lines: Iterable[str]) -> Iterator[Change]:
    """An item goes on in lines that are indented deeper than its mark; the address of a stable update is not one.

    An update ends at the next item that is no deeper than its own: people write `*` among its patches as well.
    """
    words: list[str] = []
    heading = 1 << 30
    indent, upstream, own = 0, "", ""
    for line in [*lines, ""]:
        address, bullet = _UPSTREAM.search(line), _BULLET.match(line)
        if words and not address and not bullet and line.startswith(" " * (indent + 2)):
            words.append(line.strip())
            continue
        if words:
            yield Change(" ".join(words), own)
            words = []
        if address:
            upstream = address["release"]
        elif bullet:
            if bullet["mark"] == "*" and len(bullet["indent"]) <= heading:
                heading, upstream = len(bullet["indent"]), ""
            words, indent, own = [bullet["text"].strip()], len(bullet["indent"]), upstream


def between(entries: Sequence[Entry], old: str, new: str) -> list[Entry]:
    """The entries after `old` up to `new`, newest first. Rebuilds of one source count as that source."""
    low, high = (versions.key(source_version(v)) for v in (old, new))
    return [entry for entry in entries if low < versions.key(source_version(entry.version)) <= high]


def changelog(version: str, store: Store, say: Callable[[str], None] = silent, *, since: str = "",
              etc: Path = Path("/etc/apt")) -> list[Entry]:
    """A changelog with an entry for this version of Debian's kernel that reaches back to `since` where that is given.

    Kept in `changelogs/` of the store; the first time fetches a package of 1 to 3 MB. LabError when no package that the
    archives still have carries one.
    """
    place, failed = store.root / "changelogs", ""
    with store.lock("changelogs", say=say), full_disk_explained(store.root):
        place.mkdir(parents=True, exist_ok=True)
        kept = versions.newest_first(path.name.removesuffix(".gz") for path in place.glob("[0-9]*.gz"))
        for candidate in _not_older(kept, version):
            if entries := _entries(place / f"{candidate}.gz", version, since):
                return entries
        for package in _carriers(version, store, say, etc):
            file = place / f"{source_version(package.version)}.gz"
            try:
                _obtain(package, file, store, say, etc)
            except (NotFetched, DamagedPackage, UsageError) as error:  # listed, but there no more: others may be
                failed = f" ({error})"
            if entries := _entries(file, version, since):
                return entries
    raise LabError("no package that the archives still have carries the changelog of Debian's kernel "
                   f"{version}{failed}")


def _not_older(candidates: Sequence[str], version: str) -> list[str]:
    """Those versions whose changelog may have an entry for this one, in the order given."""
    return [c for c in candidates if versions.compare(source_version(c), source_version(version)) >= 0]


def _entries(file: Path, version: str, since: str) -> list[Entry]:
    """What the file has, when that is all that is asked for (some are cut off at an age); a damaged file is removed."""
    try:
        entries = parse(gzip.decompress(file.read_bytes()).decode(errors="replace"))
    except (OSError, EOFError, ValueError):
        file.unlink(missing_ok=True)
        return []
    used(file)
    have = {source_version(entry.version) for entry in entries}
    whole = not since or any(versions.compare(v, source_version(since)) <= 0 for v in have)
    return entries if source_version(version) in have and whole else []


def _carriers(version: str, store: Store, say: Callable[[str], None], etc: Path) -> list[Package]:
    """A few packages to try: of its own series the newest, which the archives keep longest, then of a later series."""
    with store.lock("apt", say=say):
        found = everywhere(store, say, etc).search(_CARRIERS)
    by_name = sorted(found, key=lambda p: p.name)  # linux-config-*, the smallest, first
    fitting = _not_older(versions.newest_first(p.version for p in found), version)
    ordered = [p for v in fitting for p in by_name if p.version == v]
    own = [p for p in ordered if versions.series(p.version) == versions.series(version)]
    return own[:_TRIES] + [p for p in ordered if p not in own][-1:]


def _obtain(package: Package, file: Path, store: Store, say: Callable[[str], None], etc: Path) -> None:
    """The changelog out of the package, put in its place when whole; nothing when the package has none."""
    wanted = Wanted(package.name, package.version, lambda _: (), _CARRIERS)
    with fetched(wanted, store, say, etc) as files, tempfile.TemporaryDirectory(dir=file.parent) as directory:
        extract_some(files[0], Path(directory), _IN_PACKAGE)
        for found in sorted(p for p in Path(directory).rglob("changelog*.gz") if p.is_file()):
            os.replace(found, file)
