"""A kernel built from a source tree, once for each content, configuration and compiler.

Nothing is written to the tree: objects are kept in the store, for each tree and flavor, so that the next build compiles
only what changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import LabError, UsageError
from lab.kernels import flavors, tree
from lab.kernels.build_process import alone
from lab.kernels.build_tools import cached, check_build_tools, check_tools_for, compiler, is_kernel_tree
from lab.kernels.clean_view import view_of
from lab.kernels.config import options_of
from lab.kernels.flavors import Flavor
from lab.kernels.identity import identity_of
from lab.kernels.kbuild import MAKE_DEADLINE_S, Kbuild
from lab.kernels.kernel import Kernel
from lab.kernels.staging import Parts, found_in, lay_out
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.tree_hash import head_of, tree_hash
from lab.usage import discard, hold, used

_VERSION = "1"  # a change of how kernels are built gives other names
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Recipe:
    """How a tree is configured: by a flavor, or by a complete configuration file instead."""

    flavor: str = "base"
    config: Path | None = None


def build_tree(source: Path, recipe: Recipe, store: Store, say: Callable[[str], None] = silent) -> Kernel:
    """The kernel of a source tree as it is at this moment, uncommitted changes and new files included.

    What was built before from the same content, configuration and compiler is used again. Raises UsageError for what is
    no kernel tree, MissingTool, and BuildFailed with the first error and the place of the whole log.
    """
    source = source.resolve()
    if not is_kernel_tree(source):
        raise UsageError(f"{source} is no kernel source tree: there is no Kconfig, Kbuild and Makefile in it")
    work = _Work(source, recipe, tree_hash(source), compiler(), store, say)
    if not (work.root / _MANIFEST).exists():
        lock = store.lock(f"build-{work.objects.name}", deadline_s=MAKE_DEADLINE_S, say=say)
        with lock, full_disk_explained(store.root):
            if not (work.root / _MANIFEST).exists():
                work.build()
    used(work.root)  # when it was last used: lab kernel prune
    return work.kernel()


def manifest_of(kernel: Kernel) -> dict[str, str] | None:
    """What is known of how a kernel was built (tree, objects, flavor, commit, compiler, ...); None when the lab did
    not build it."""
    try:
        loaded = json.loads((kernel.image.parent.parent / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return {str(k): str(v) for k, v in loaded.items()} if isinstance(loaded, dict) else None


@dataclass(frozen=True)
class _Work:
    """One build: what of, how, and where to."""

    source: Path
    recipe: Recipe
    content: str
    compiler: str
    store: Store
    say: Callable[[str], None]

    @property
    def _flavor(self) -> Flavor | None:
        return None if self.recipe.config else flavors.flavor(self.recipe.flavor)

    @property
    def _label(self) -> str:
        return "config" if self.recipe.config else self.recipe.flavor

    @property
    def _configuration(self) -> str:
        """sha256 (hex) of what decides the configuration."""
        if self.recipe.config is None:
            return flavors.flavor(self.recipe.flavor).digest
        try:
            return hashlib.sha256(self.recipe.config.read_bytes()).hexdigest()
        except OSError as error:
            raise UsageError(f"cannot read the configuration {self.recipe.config}: {error.strerror}") from None

    @property
    def root(self) -> Path:
        """Where the built kernel is to be."""
        key = "\0".join((_VERSION, self.content, self._configuration, self.compiler))
        return self.store.root / "builds" / f"{self._label}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"

    @property
    def objects(self) -> Path:
        """Where objects are kept between builds: by the tree's place, for kbuild remembers that in every object."""
        place = hashlib.sha256(str(self.source).encode()).hexdigest()[:12]
        return self.store.root / "objects" / f"{self.source.name}-{place}-{self._label}"

    def build(self) -> None:
        check_build_tools()
        discard(self.root)
        view = view_of(self.source, self.store, self.say)
        self.objects.mkdir(parents=True, exist_ok=True)
        hold(self.objects)
        with alone(self.objects, self.say) as lock:
            self._compile(Kbuild(view, self.source, self.objects, self.say, (f"CC={cached()}",)), lock)
        if tree_hash(self.source) != self.content:
            raise LabError(f"{self.source} was changed while it was built, so nobody knows what was compiled; "
                           "run it again, it goes on from here")
        self._keep(view, tree.parts_of(self.objects))

    def _compile(self, kbuild: Kbuild, lock: int) -> None:
        wanted = self._flavor or self.recipe.config or Path()
        gone = kbuild.configure(wanted, lock)
        check_tools_for(self.objects / ".config")
        if gone:
            self.say(f"this kernel has no {', '.join(f'CONFIG_{o.name} ({o.optional})' for o in gone)}")
        words = self._flavor.make_words(kbuild.tree) if self._flavor else []
        kbuild.make(f"LOCALVERSION=-{self._label}", *words, log=self.root.with_suffix(".log"), lock=lock)
        kbuild.remember(wanted)

    def _keep(self, view: Path, parts: Parts) -> None:
        """Put what was built on the shelf. Without debug information vmlinux is of no use to anybody."""
        has_lines = parts.config is not None and options_of(parts.config).get("DEBUG_INFO") == "y"
        with self.store.new_directory(self.root) as directory:
            lay_out(parts if has_lines else replace(parts, vmlinux=None), directory)
            noted = _keep_notes(self.objects, directory / "objects")
            (directory / _MANIFEST).write_text(json.dumps({
                "tree": str(view), "origin": str(self.source), "release": parts.release, "flavor": self._label,
                "objects": str(self.root / "objects" if noted else self.objects), "content": self.content,
                "commit": head_of(self.source), "compiler": self.compiler,
                "config_hash": self._configuration}, indent=1))

    def kernel(self) -> Kernel:
        release = json.loads((self.root / _MANIFEST).read_text())["release"]
        found = found_in(self.root, release)
        name = re.sub(r"[^A-Za-z0-9._+~-]", "_", f"tree-{self.source.name}-{release}")
        return Kernel(str(found.image), name, release, found.image, found.modules, found.config,
                      identity_of(found.image, found.modules, self.store))


def _keep_notes(objects: Path, into: Path) -> bool:
    """Copy what gcov needs of the objects (.gcno, and kbuild's .cmd beside them); whether there was any.

    The next build in the same place writes it anew, but counters can only be read with the notes of their own build.
    """
    notes = list(objects.glob("drivers/target/**/*.gcno"))
    for path in [*notes, *(objects.glob("drivers/target/**/.*.o.cmd") if notes else ())]:
        target = into / path.relative_to(objects)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return bool(notes)
