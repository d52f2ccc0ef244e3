"""The commits between two revisions of a git tree, and what is wrong with the two before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.bisect.history import History
from lab.errors import UsageError
from lab.git import Git


@dataclass(frozen=True)
class Revisions:
    """`old` is an ancestor of `new`, which is the last candidate; both are full hashes. Paths filter the candidates."""

    tree: Path
    old: str
    new: str
    history: History
    paths: tuple[str, ...] = ()
    find_fix: bool = False
    said: tuple[str, ...] = ()  # what the user should know before it begins
    _every: list[str] = field(default_factory=list, repr=False, compare=False)
    _titles: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def git(self) -> Git:
        return Git(self.tree)

    def name(self, position: int | None) -> str:
        """The full hash; None is the old end. Positions after the candidates are commits that the filter hides."""
        if position is None:
            return self.old
        names = self.history.names
        return names[position] if position < len(names) else self._all()[position - len(names)]

    def title(self, position: int | None) -> str:
        """Short hash and subject."""
        name = self.name(position)
        if name not in self._titles:
            self._titles[name] = self.git("show", "-s", "--abbrev=12", "--format=%h %s", name)
        return self._titles[name]

    def hidden_parents(self, position: int) -> list[int]:
        """The real parents of a candidate that neither are candidates nor lie before the old end."""
        if not self.paths:
            return []
        shown = {*self.history.names, self.old}
        parents = self.git("rev-list", "--parents", "-n1", self.name(position)).split()[1:]
        every = self._all() if set(parents) - shown else []
        return [len(self.history) + every.index(p) for p in parents if p not in shown and p in every]

    def _all(self) -> list[str]:
        """Every commit between the ends, whatever the filter."""
        if not self._every:
            self._every.extend(self.git("rev-list", "--topo-order", "--reverse", f"{self.old}..{self.new}").split())
        return self._every


def revisions(tree: Path, good: str, bad: str, *, find_fix: bool = False, paths: Sequence[str] = ()) -> Revisions:
    """What is to be searched. UsageError with one sentence for a tree, a revision or a path that cannot be meant."""
    git = Git(_repository(tree))
    good_hash, bad_hash = (_commit(git, word, which) for word, which in ((good, "--good"), (bad, "--bad")))
    old, new = (bad_hash, good_hash) if find_fix else (good_hash, bad_hash)
    words = (bad, good) if find_fix else (good, bad)
    old, said = _base(git, old, new, words, find_fix)
    _check_whole(git, old, new)
    if git("status", "--porcelain", "--untracked-files=no") if _has_checkout(git) else "":
        said.append(f"{tree} has uncommitted changes: they are not part of what is tested, and the checkout is not "
                    "touched")
    return Revisions(git.directory, old, new, _history(git, old, new, paths), tuple(paths), find_fix, tuple(said))


def _repository(tree: Path) -> Path:
    if not tree.is_dir():
        raise UsageError(f"{tree} is not a directory; give a git checkout of the kernel with --tree")
    done = Git(tree.absolute()).ask("rev-parse", "--show-toplevel")
    if done.returncode == 0:
        return Path(done.stdout.rstrip("\n"))
    bare = Git(tree.absolute()).ask("rev-parse", "--absolute-git-dir")
    if bare.returncode != 0:
        raise UsageError(f"{tree} is not a git repository ({bare.last_words()}); give a checkout of the kernel")
    return Path(bare.stdout.rstrip("\n"))


def _has_checkout(git: Git) -> bool:
    return git("rev-parse", "--is-bare-repository") == "false"


def _shallow(git: Git) -> bool:
    return git("rev-parse", "--is-shallow-repository") == "true"


def _commit(git: Git, word: str, option: str) -> str:
    found = git.commit(word)
    if found is not None:
        return found
    deeper = "the clone is shallow: git fetch --unshallow --tags" if _shallow(git) else "git fetch --tags brings more"
    raise UsageError(f"{option} {word} names no commit of {git.directory}; {deeper}")


def _base(git: Git, old: str, new: str, words: tuple[str, str], find_fix: bool) -> tuple[str, list[str]]:
    """The old end, or what takes its place when it is not an ancestor of the new one: the merge base, as git does."""
    first, last = words
    if old == new:
        raise UsageError(f"{first} and {last} are the same commit; there is nothing between them")
    bases = git.ask("merge-base", "--all", old, new).stdout.split()
    if bases == [old]:
        return old, []
    if bases == [new]:
        raise UsageError(_swapped(first, last, find_fix))
    if not bases:
        why = ("the clone is shallow: git fetch --unshallow" if _shallow(git) else "give two of one history")
        raise UsageError(f"{first} and {last} have no common ancestor; {why}")
    if len(bases) > 1:
        raise UsageError(f"{first} is not an ancestor of {last}, and they have {len(bases)} merge bases; give one of "
                         f"them in place of {first}: {', '.join(base[:12] for base in bases)}")
    end = "bad" if find_fix else "good"
    return bases[0], [f"{first} is no ancestor of {last}: their merge base {bases[0][:12]} is the {end} end instead"]


def _swapped(first: str, last: str, find_fix: bool) -> str:
    if find_fix:
        return (f"the good end {last} is an ancestor of the bad end {first}: leave --find-fix out to look for what "
                "broke it")
    return (f"the bad end {last} is an ancestor of the good end {first}: swap them, or give --find-fix to look for "
            "what fixed it")


def _check_whole(git: Git, old: str, new: str) -> None:
    """Where a shallow clone ends between the two, commits are missing that nobody would look for."""
    if not _shallow(git):
        return
    cut = Path(git("rev-parse", "--git-common-dir"))
    ends = set(((git.directory / cut) / "shallow").read_text().split())
    if ends & set(git("rev-list", f"{old}..{new}").split()):
        raise UsageError(f"{git.directory} is a shallow clone that lacks commits between the two ends; type: "
                         f"git -C {git.directory} fetch --unshallow")


def _history(git: Git, old: str, new: str, paths: Sequence[str]) -> History:
    """Candidates by git's own history simplification. A new end that the filter hides is the last candidate all the
    same: what is verified to fail is it, and not the last commit that the filter shows."""
    limit = ["--", *paths] if paths else []
    lines = git("rev-list", "--topo-order", "--reverse", "--parents", f"{old}..{new}", *limit).splitlines()
    if not lines:
        raise UsageError(f"no commit between {old[:12]} and {new[:12]} touches {' or '.join(paths)}; "
                         "look at the spelling, or leave the paths out")
    rows = [line.split() for line in lines]
    place = {row[0]: n for n, row in enumerate(rows)}
    names = [row[0] for row in rows]
    parents = [tuple(place[p] for p in row[1:] if p in place) for row in rows]
    if new not in place:
        heads = set(range(len(names))) - {p for row in parents for p in row}
        names.append(new)
        parents.append(tuple(sorted(heads)))
    return History(tuple(names), tuple(parents))


def say_all(found: Revisions, say: Callable[[str], None]) -> None:
    """What the user should know before it begins."""
    for line in found.said:
        say(line)
    paths = f" that touch {' or '.join(found.paths)}" if found.paths else ""
    say(f"{len(found.history)} commits{paths} between {found.old[:12]} and {found.new[:12]}")
