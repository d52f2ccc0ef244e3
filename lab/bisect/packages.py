"""The stock kernels between two versions of Debian's package as the subject of a bisection: nothing is built."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.bisect.asked import Asked
from lab.bisect.history import History
from lab.bisect.subject import CannotTest
from lab.errors import LabError, UsageError
from lab.kernels import versions
from lab.kernels.apt import NotFetched
from lab.kernels.changelog import Change, between, changelog, source_version
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import resolve
from lab.kernels.store import Store, silent
from lab.kernels.unpack import DamagedPackage

ETC = Path("/etc/apt")
_TREE = "linux-stable"
_UPSTREAM = re.compile(r"^(\d+\.\d+(?:\.\d+)?)(?:~(rc\d+))?")


@dataclass(frozen=True)
class PackageSubject:
    """Versions in dpkg's order; the old end, which `find_fix` makes the bad one, is not in the history."""

    history: History
    old: str
    find_fix: bool
    store: Store
    etc: Path = ETC
    left_out: tuple[str, ...] = ()  # versions between the ends that were not chosen

    def title(self, position: int | None) -> str:
        """The package's version; None is the old end."""
        return f"Debian's kernel {self._version(position)}"

    def kernel(self, position: int | None, say: Callable[[str], None] = silent) -> Kernel:
        """The kernel, fetched unless the store has it. CannotTest when the archives have it no more, LabError when the
        lab itself cannot go on (a full disk)."""
        version = self._version(position)
        try:
            # A word with a colon is never the name of a file in `named`.
            kernel = resolve(f"debian:{version}", self.store, named=self.store.root, say=say)
        except NotFetched as error:
            if not error.gone:
                raise  # the network is not the candidate's fault
            raise CannotTest(f"Debian's kernel {version} cannot be had: {error}") from None
        except (UsageError, DamagedPackage) as error:
            raise CannotTest(f"Debian's kernel {version} cannot be had: {error}") from None
        if kernel.package != version:
            raise CannotTest(f"Debian's kernel {version} cannot be had: there is only {kernel.package}")
        return kernel

    def epilogue(self, positions: Sequence[int], asked: Asked) -> str:
        """What to do with an answer: the versions, the upstream range to bisect by commits as `asked` asks, and what
        the package's changelog says of drivers/target between them. Fetches the changelog."""
        if not positions:
            return "No version is left that could be the first one."
        before, last = self._before(min(positions)), self.history.names[max(positions)]
        lines = [self._answer(positions, before), *self._unseen(before, last), self._range(before, last, asked),
                 *self._listed(before, last)]
        return "\n".join(lines)

    def leaves_out(self, position: int) -> bool:
        """Whether there are versions between a candidate and the one before it that were not chosen."""
        return bool(self._between(self._before(position), self._version(position)))

    def _between(self, before: str, last: str) -> list[str]:
        low, high = versions.key(before), versions.key(last)
        return [version for version in self.left_out if low < versions.key(version) < high]

    def _unseen(self, before: str, last: str) -> list[str]:
        unseen = self._between(before, last)
        return [f"not chosen, so not looked at, between these: {', '.join(unseen)}"] if unseen else []

    def _version(self, position: int | None) -> str:
        return self.old if position is None else self.history.names[position]

    def _before(self, position: int) -> str:
        return self._version(position - 1 if position else None)

    def _answer(self, positions: Sequence[int], before: str) -> str:
        first, last = ("fixed", "bad") if self.find_fix else ("bad", "good")
        names = [self.history.names[p] for p in sorted(positions)]
        found = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
        return f"first {first}: {found}; last {last}: {before}"

    def _range(self, before: str, last: str, asked: Asked) -> str:
        low, high = upstream_tag(before), upstream_tag(last)
        if low == high:
            same = source_version(before) == source_version(last)
            what = "one source, built for two releases" if same else f"both are upstream {low}"
            return f"{what}: the difference is Debian's own, in its patches, configuration or compiler"
        by_commits = replace(asked.between(low, high), packages=False, among=(), tree=_TREE, paths=("drivers/target",))
        return (f"upstream range {low}..{high}; bisect it by commits, in a checkout of linux-stable, with\n"
                f"  {shlex.join(by_commits.words())}")

    def _listed(self, before: str, last: str) -> list[str]:
        """The lines about the changelog, oldest upstream release first; one sentence when it cannot be had."""
        if source_version(before) == source_version(last):
            return []
        try:
            found = between(changelog(last, self.store, since=before, etc=self.etc), before, last)
        except LabError as error:
            return [f"Its changelog cannot be shown: {error}"]
        listed = dict.fromkeys(c for entry in reversed(found) for c in entry.changes if c.concerns_target)
        changes = sorted(listed, key=lambda change: versions.key(change.upstream))
        if not changes:
            return [f"Its changelog names no change to drivers/target after {before}."]
        return [f"changes to drivers/target in its changelog after {before}:", *map(_shown, changes)]


def _shown(change: Change) -> str:
    return f"  {change.upstream or 'Debian':<9} {change.text}"


def upstream_tag(version: str) -> str:
    """The tag of linux-stable that a package is made from: v6.12.57 of 6.12.57-1~bpo12+1, v7.3-rc7 of 7.3~rc7-1."""
    match = _UPSTREAM.match(version)
    if match is None:
        raise UsageError(f"{version} is not a version of Debian's kernel; write 6.12.57 or 6.12.57-1~bpo12+1")
    return f"v{match[1]}" + (f"-{match[2]}" if match[2] else "")
