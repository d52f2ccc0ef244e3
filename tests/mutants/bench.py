"""A private copy of the target drivers, modules of it, and the lab on them. Nothing of it stays in the user's store."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.git import Git
from lab.kernels import debian
from lab.kernels.module_build import build_modules
from lab.kernels.store import Store
from lab.usage import remove
from tests.command import Lab
from tests.mutants.hunt import Result
from tests.target_source import target_source

# Of these the lab has its own here: nobody else can use a checkpoint or a module disk of a broken kernel.
_OWN = ("checkpoints", "boots", "images", "durations.json")
_DEADLINE_S = 3600.0


class Tree:
    """A copy of a source tree that is patched and put back."""

    def __init__(self, source: Path, where: Path) -> None:
        self.path = where
        shutil.copytree(source, where)
        self._git = Git(where)
        self._git("init", "--quiet")  # what does not apply is not passed over in silence, as it is outside of one
        self._git("add", "--all", "--force")

    @contextlib.contextmanager
    def patched(self, patch: Path | None) -> Iterator[None]:
        """LabError, and nothing changed, when the patch does not apply."""
        try:
            if patch:
                self._git("apply", patch)
            yield
        finally:
            self._git("checkout", "--quiet", "--", ".")


class Bench:
    """Runs scenarios on the stock kernel `debian:VERSION` with modules of the tree, patched or not."""

    def __init__(self, where: Path, stock: str, guests: int | None = None) -> None:
        self._store = Store.default()
        self._version = debian.fetch(stock.removeprefix("debian").removeprefix(":"), self._store, print).version
        self._tree = Tree(target_source(self._version, self._store), where / "linux")
        self._width = ("-j", str(guests)) if guests else ()
        self._lab, self._own = Lab(where, ""), where / "store"

    def runs(self, words: Sequence[str], patch: Path | None = None) -> list[Result]:
        """`lab run WORDS` on it. LabError when the patch does not apply, when it does not build (BuildFailed), and when
        there are no results."""
        with self._tree.patched(patch), self._built():
            ran = self._lab("run", *words, *self._width, kernel=f"modules:{self._tree.path}@debian:{self._version}",
                            timeout_s=_DEADLINE_S, env={"LAB_STORE": str(self._own)})
        if ran.status not in (0, 1, 3):
            raise LabError((ran.stderr.strip() or ran.stdout.strip() or "the lab said nothing").splitlines()[-1])
        return ran.all_results()

    def close(self) -> None:
        """End a lab that still runs."""
        self._lab.stop()

    @contextlib.contextmanager
    def _built(self) -> Iterator[None]:
        """The modules, and what the lab makes of them, are there in the block and not after it.

        They are built in the user's store: its objects are of most of the sources, and have its path in them.
        """
        kernel = build_modules(self._tree.path, f"debian:{self._version}", self._store)
        self._link_others()
        try:
            yield
        finally:
            remove(kernel.image.parents[1])  # unless another lab uses the same: the unbroken ones have one name
            shutil.rmtree(self._own / "checkpoints", ignore_errors=True)
            for disk in (self._own / "images").glob("modules-*"):
                disk.unlink()

    def _link_others(self) -> None:
        root = self._store.root
        (self._own / "images").mkdir(parents=True, exist_ok=True)
        for path in (*root.iterdir(), *root.glob("images/guest-*"), *root.glob("images/manifest-*")):
            link = self._own / path.relative_to(root)
            if path.name not in _OWN and not link.exists():
                link.symlink_to(path)
