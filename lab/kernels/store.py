"""The store: where fetched and staged kernels, apt's private state and guest images live, outside the tree."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from lab.errors import LabError
from lab.usage import UNFINISHED, discard

LOCK_DEADLINE_S = 3600.0
_FULL = "No space left on device"


def silent(_: str) -> None:
    """The `say` of a caller that wants no progress."""


@dataclass(frozen=True)
class Store:
    """A directory that any number of labs share; what is in it is whole, or has a name that nobody reads."""

    root: Path

    @staticmethod
    def default() -> Store:
        """$LAB_STORE, else the user's cache directory. Made when it is not there."""
        store = Store(Path(os.environ.get("LAB_STORE") or platformdirs.user_cache_dir("lio-lab")).absolute())
        try:
            store.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"cannot make the store {store.root} ({error.strerror}); "
                           "set LAB_STORE to a directory that you can write to") from None
        return store

    @property
    def kernels(self) -> Path:
        return self.root / "kernels"

    @property
    def apt(self) -> Path:
        return self.root / "apt"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @contextlib.contextmanager
    def lock(self, name: str, *, deadline_s: float = LOCK_DEADLINE_S,
             say: Callable[[str], None] = silent) -> Iterator[None]:
        """Hold the store-wide lock `name`. Raises LabError when another lab keeps it past the deadline."""
        path = self.root / "locks" / f"{name}.lock"
        with full_disk_explained(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            say(f"waiting for another lab that holds {path}")
            try:
                lock.acquire(timeout=deadline_s)
            except filelock.Timeout:
                raise LabError(f"another lab has held {path} for more than {deadline_s:g} s; "
                               "wait for it or end it") from None
        except OSError as error:
            raise LabError(f"cannot lock {path} ({error.strerror}); is the store yours?") from None
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def new_directory(self, final: Path) -> Iterator[Path]:
        """A temporary directory that becomes `final` when the block ends well, and vanishes when it does not.

        The caller holds the lock that guards `final`, so what an earlier, killed writer left is removed here.
        """
        with full_disk_explained(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            for stale in final.parent.glob(f"{UNFINISHED}{final.name}-*"):
                shutil.rmtree(stale, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{final.name}-", dir=final.parent))
            try:
                yield temporary
                temporary.chmod(0o755)
                discard(final)
                os.replace(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def write_text(self, path: Path, text: str) -> None:
        """Write a small file so that a reader sees the old or the new text, never a part."""
        with full_disk_explained(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
            try:
                with os.fdopen(handle, "w") as file:
                    file.write(text)
                os.replace(name, path)
            finally:
                Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk_explained(where: Path) -> Iterator[None]:
    """Turn ENOSPC and EDQUOT, ours or in the words of a program that we ran, into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise LabError(f"cannot use {error.filename or where}: {error.strerror}") from None
        raise full_disk(where) from None
    except LabError as error:
        if _FULL not in str(error):
            raise
        raise full_disk(where) from None


def full_disk(where: Path, needed_bytes: int | None = None) -> LabError:
    """The sentence for a full disk; `needed_bytes` when that much is known to be wanted."""
    free_mb = free_bytes(where) // 1_000_000
    need = f", {needed_bytes // 1_000_000 + 1} MB are needed" if needed_bytes is not None else ""
    return LabError(f"no space left for the store {where} ({free_mb} MB free{need}); "
                    "free some, or set LAB_STORE to a bigger disk")


def check_room(where: Path, needed_bytes: int) -> None:
    """LabError when the disk has less than that."""
    if free_bytes(where) < needed_bytes:
        raise full_disk(where, needed_bytes)


def free_bytes(where: Path) -> int:
    """Free bytes for an ordinary user on the file system of `where`, or of its nearest parent that exists."""
    while not where.exists() and where != where.parent:
        where = where.parent
    return shutil.disk_usage(where).free
