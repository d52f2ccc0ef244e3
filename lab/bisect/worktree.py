"""A worktree of a developer's repository, in the store: candidates are checked out there, not in the checkout."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from lab.errors import LabError
from lab.git import Git
from lab.kernels.store import Store, full_disk_explained
from lab.usage import hold

_PLACES = 64  # bisections of one repository at the same time
# Nothing of the user's: no hooks, no passphrase asked for.
_OPTIONS = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", "-c", "advice.detachedHead=false")


@dataclass
class Worktree:
    """`directory` belongs to this process while the block of `worktree` lasts."""

    tree: Path
    directory: Path
    _ready: bool = field(default=False, init=False)

    @property
    def git(self) -> Git:
        return Git(self.directory, _OPTIONS)

    def check_out(self, commit: str) -> None:
        """The files of a commit; those that do not differ stay as they are, so that make has little to do."""
        with full_disk_explained(self.directory.parent):
            if not self._ready:
                self._make(commit)
            hold(self.directory)
            self.git("checkout", "--detach", "--force", "--quiet", commit)

    def remove(self) -> None:
        """Take it away, from the disk and from the repository's list."""
        git, self._ready = Git(self.tree), False
        git.ask("worktree", "remove", "--force", "--force", self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        git.ask("worktree", "prune")

    def _make(self, commit: str) -> None:
        """What a killed bisection left is used again, without what lies there beside the commit's files."""
        if self._is_ours():
            # Nobody else is here: a lock is that of a git that was killed, with a bisection or by a full memory.
            Path(self.git("rev-parse", "--path-format=absolute", "--git-path", "index.lock")).unlink(missing_ok=True)
            self.git("clean", "-ffdxq")
        else:
            self.remove()
            Git(self.tree, _OPTIONS)("worktree", "add", "--detach", "--quiet", self.directory, commit)
        self._ready = True

    def _is_ours(self) -> bool:
        """Whether git knows it as a worktree of this repository: the repository may have been made anew."""
        if not (self.directory / ".git").is_file():
            return False
        mine, theirs = (git.ask("rev-parse", "--path-format=absolute", "--git-common-dir")
                        for git in (self.git, Git(self.tree)))
        return mine.returncode == 0 and mine.stdout == theirs.stdout


@contextlib.contextmanager
def worktree(tree: Path, store: Store) -> Iterator[Worktree]:
    """A place that nobody else uses; one that a killed bisection left is used again. The caller removes it when it is
    done: after a break it stays for the resumption."""
    common = Git(tree)("rev-parse", "--path-format=absolute", "--git-common-dir")
    stem = hashlib.sha256(common.encode()).hexdigest()[:12]
    home = store.root / "worktrees"
    with full_disk_explained(store.root):
        home.mkdir(parents=True, exist_ok=True)
    for number in range(_PLACES):
        place = home / f"{stem}-{number}"
        lock = filelock.FileLock(place.with_suffix(".lock"))
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=0)
            try:
                yield Worktree(tree, place)
            finally:
                lock.release()
            return
    raise LabError(f"{_PLACES} bisections of {tree} are under way; wait for one to end")
