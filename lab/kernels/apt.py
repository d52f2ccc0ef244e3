"""A private apt: the host's archives and keys, its own lists and cache. Nothing of the host changes.

apt verifies the signature of each list with the host's keyrings, and each package by the hash in its list.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError, MissingTool, UsageError
from lab.kernels.sources import Source, distribution_of
from lab.kernels.store import Store, check_room

_HELPER = Path("/usr/lib/apt/apt-helper")
_LISTS_BYTES = 100_000_000  # a Debian release's package lists, unpacked
_UPDATE_DEADLINE_S = 900.0
_ASK_DEADLINE_S = 120.0
_SLOWEST_BYTES_PER_S = 50_000
_GRACE_S = 2.0
# What apt says of a suite that an archive dropped, or left behind when its support ended.
_NO_SUITE = re.compile("|".join((
    r"The repository '\S+ (\S+) Release' does not have a Release file",
    r"Release file for \S+/dists/(\S+)/(?:In)?Release is expired",
    r"Failed to fetch \S+/dists/([^/\s]+)/\S+\s+(?:404|File not found)",
)))
_MISMATCH = "Hash Sum mismatch"
_SUMMARY = "Some index files failed to download"
# Hooks of the host (docker images clean the host's cache in one) must not run for a private state.
_CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "{root}/state";
Dir::State::lists "{root}/state/lists";
Dir::State::status "{root}/state/status";
Dir::State::extended_states "{root}/state/extended_states";
Dir::Cache "{root}/cache";
Dir::Cache::archives "{root}/cache/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "";
Dir::Log "{root}/log";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources.list.d";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
"""


class NotFetched(LabError):
    """apt lists a package but could not fetch it."""

    @property
    def gone(self) -> bool:
        """The archive has it no more; else it may be there the next time."""
        return " 404 " in str(self)


@dataclass(frozen=True)
class Package:
    """A package version that apt knows."""

    name: str
    version: str
    depends: str
    size_bytes: int
    installed_bytes: int


@dataclass(frozen=True)
class _Download:
    uri: str
    file: str
    hash: str


class Apt:
    """One private apt state in the store. The caller holds the store's apt lock."""

    def __init__(self, store: Store, name: str, sources: Sequence[Source], say: Callable[[str], None]) -> None:
        """Prepare the state `name`; raises UsageError when the host has no archive to start from."""
        if not sources:
            raise UsageError("the host's apt has no archive of Debian or Ubuntu configured (suite of a release, "
                             "component main), so stock kernels cannot be fetched; give a kernel tree or bzImage")
        self.distribution = distribution_of(sources)
        self._added = frozenset(suite for source in sources for suite in source.added)
        self._store, self._root, self._say = store, store.apt / name, say
        self._downloads = store.apt / "downloads"
        self.complaint = ""  # why the last update was not complete
        for part in ("state/lists/partial", "cache/archives/partial", "sources.list.d"):
            (self._root / part).mkdir(parents=True, exist_ok=True)
        self._downloads.mkdir(parents=True, exist_ok=True)
        if not (self._root / "state/status").exists():  # a new time of change makes apt index everything again
            (self._root / "state/status").touch()
        self._write("apt.conf", _CONFIGURATION.format(root=self._root))
        self._write("sources.list.d/debian.sources", "\n".join(source.stanza() for source in sources))

    def update(self, *, max_age_s: float) -> bool:
        """Fetch the package lists, unless that was done within `max_age_s`: then False.

        Lists that could not be fetched are no error here, for the others may do: `complaint` says why. That the
        archive lacks a suite which the host does not name itself is not even a complaint.
        """
        stamp = self._root / "updated"
        with contextlib.suppress(OSError):
            if 0 <= time.time() - stamp.stat().st_mtime < max_age_s:
                return False
        check_room(self._store.root, _LISTS_BYTES)  # apt itself tries and tries on a full disk
        self._say("asking apt for its package lists")
        done = self._run("apt-get", "-q", "update", deadline_s=_UPDATE_DEADLINE_S)
        self.complaint = self._about_lists(done)
        if not self.complaint:
            self._write("updated", "")
        return True

    def kernels(self) -> list[Package]:
        """Every package that belongs to a kernel (image, modules, ...) in all versions that the lists know."""
        return self.search(self.distribution.packages)

    def search(self, names: str) -> list[Package]:
        """Every package whose name matches the regular expression (POSIX extended), in all versions."""
        found = self._run("apt-cache", "search", "--names-only", names, deadline_s=_ASK_DEADLINE_S)
        if found.returncode != 0:
            raise LabError(f"apt-cache cannot search its lists: {_complaint(found)}")
        return self.versions_of({line.split()[0] for line in found.stdout.splitlines() if line.strip()})

    def versions_of(self, names: Iterable[str]) -> list[Package]:
        """The packages of these names in all versions that the lists know; names that they do not know are left out."""
        wanted = sorted(names)
        return self._records("--all-versions", wanted) if wanted else []

    def candidate(self, name: str) -> Package | None:
        """The version of a package that apt would install on a fresh host with these archives."""
        records = self._records("--no-all-versions", [name])
        return records[0] if records else None

    def download(self, package: Package, into: Path | None = None) -> Path:
        """Fetch one package file, going on where an earlier try stopped; verified by apt against its signed list.

        Without `into` its place is every lab's, so it is used up with the apt lock still held.
        """
        if not _HELPER.exists():
            raise MissingTool(str(_HELPER), "apt")
        what = self._locate(package)
        target = (into or self._downloads) / what.file
        deadline_s = _ASK_DEADLINE_S + package.size_bytes / _SLOWEST_BYTES_PER_S
        argv = (str(_HELPER), "-q", "download-file", what.uri, str(target), what.hash)
        had, done = target.exists(), self._run(*argv, deadline_s=deadline_s)
        if had and _MISMATCH in done.stderr:  # what lay there was damaged; apt would go on from it for ever
            target.unlink(missing_ok=True)
            done = self._run(*argv, deadline_s=deadline_s)
        if done.returncode != 0 or not target.exists():
            target.with_name(target.name + ".FAILED").unlink(missing_ok=True)
            raise NotFetched(f"apt could not fetch {package.name} {package.version}: {_complaint(done)}; "
                           "run it again to go on where it stopped")
        return target

    def _about_lists(self, done: process.Completed) -> str:
        """The first complaint about lists, other than that an archive lacks a suite that the lab has added."""
        words = [line[3:] for line in done.stderr.splitlines() if line.startswith(("E: ", "W: Failed to fetch"))]
        others = [word for word in words if not self._is_lack(word)]
        if len(others) == len(words):
            return _complaint(done)
        return next((re.sub(r"\s+", " ", word).strip() for word in others if not word.startswith(_SUMMARY)), "")

    def _is_lack(self, word: str) -> bool:
        match = _NO_SUITE.match(word)
        return match is not None and not self._added.isdisjoint(match.groups())

    def _locate(self, package: Package) -> _Download:
        # Run in a directory without the file: apt prints nothing for a package that is already there.
        done = self._run("apt-get", "download", "--print-uris", f"{package.name}={package.version}",
                         deadline_s=_ASK_DEADLINE_S)
        match = re.search(r"^'(\S+)' (\S+) \d+ (\w+:[0-9a-f]{32,})$", done.stdout, re.MULTILINE)
        if match is None:
            raise NotFetched(f"apt gives no verified address for {package.name} {package.version}: {_complaint(done)}")
        return _Download(match[1], match[2], match[3])

    def _records(self, versions: str, names: list[str]) -> list[Package]:
        done = self._run("apt-cache", "show", versions, *names, deadline_s=_ASK_DEADLINE_S)
        packages = []
        for record in done.stdout.split("\n\n"):
            fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", record, re.MULTILINE))
            if "Package" in fields:
                packages.append(Package(fields["Package"], fields["Version"], fields.get("Depends", ""),
                                        int(fields.get("Size", 0)), int(fields.get("Installed-Size", 0)) * 1024))
        return list(dict.fromkeys(packages))

    def _run(self, tool: str, *arguments: str, deadline_s: float) -> process.Completed:
        program = process.find(tool, "apt")
        environment = {**os.environ, "LC_ALL": "C"}
        environment.pop("APT_CONFIG", None)
        argv = [str(program), "-c", str(self._root / "apt.conf"), *arguments]
        # SIGTERM lets apt date the partial file, so that it can go on later.
        done = process.run_gently(argv, timeout_s=deadline_s, grace_s=_GRACE_S, env=environment, cwd=self._root)
        if "No space left on device" in done.stderr:
            raise LabError("apt: No space left on device")
        return done

    def _write(self, name: str, text: str) -> None:
        path = self._root / name
        if not path.exists() or path.read_text() != text or not text:
            self._store.write_text(path, text)


def _complaint(done: process.Completed) -> str:
    """The first error that apt printed, else its first warning, without apt's prefix."""
    for prefix in ("E: ", "W: "):
        for line in done.stderr.splitlines():
            if line.startswith(prefix):
                return re.sub(r"\s+", " ", line.removeprefix(prefix)).strip()
    return "" if done.returncode == 0 else done.last_words()
