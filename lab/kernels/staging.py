"""Kernels that somebody else keeps (a built tree, an image) are staged in the store, in the layout of a root.

The image is copied, for a build writes it in place. Modules are hard links where that is possible (ld makes a new
file), else copies; nothing is ever written to the tree.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.kernels.config import options_of
from lab.kernels.identity import signature, stat_file
from lab.kernels.store import Store
from lab.kernels.unpack import depmod
from lab.usage import prune, used

# A stage that nobody has asked for since then is removed: longer than any session runs.
_KEEP_S = 2 * 24 * 3600.0


@dataclass(frozen=True)
class Parts:
    """What to stage. `modules` are (name below lib/modules/RELEASE, file); `ready` is a complete directory."""

    release: str
    image: Path
    config: Path | None
    modules: tuple[tuple[str, Path], ...] = ()
    ready: Path | None = None
    vmlinux: Path | None = None  # kept only where that costs nothing: for decoding reports after the next build
    fixed: bool = False  # image and modules are the store's own: nobody writes them in place


@dataclass(frozen=True)
class Staged:
    image: Path
    config: Path | None
    modules: Path | None


def stage(kind: str, origin: Path, parts: Parts, store: Store) -> Staged:
    """Stage the parts found at `origin`; what is staged already and has not changed since is used again."""
    place = hashlib.sha256(str(origin).encode()).hexdigest()[:12]
    seen = signature(stat_file(name, path) for name, path in _files(parts))
    mark = hashlib.sha256(f"{parts.release}\0{parts.ready}\0{seen}".encode()).hexdigest()[:12]
    root = store.kernels / f"{kind}-{place}-{mark}"
    if not (root / "staged.json").exists():
        with store.lock(f"stage-{place}"):
            if not (root / "staged.json").exists():
                _fill(root, origin, parts, store)
            prune((path for path in store.kernels.glob(f"{kind}-{place}-*") if path != root), _KEEP_S)
    else:
        used(root)
    return found_in(root, parts.release)


def _files(parts: Parts) -> list[tuple[str, Path]]:
    others = (("config", parts.config), ("vmlinux", parts.vmlinux))
    return [("image", parts.image), *parts.modules, *((name, path) for name, path in others if path)]


def _fill(root: Path, origin: Path, parts: Parts, store: Store) -> None:
    with store.new_directory(root) as directory:
        lay_out(parts, directory)
        (directory / "staged.json").write_text(json.dumps({"origin": str(origin), "release": parts.release}))


def lay_out(parts: Parts, directory: Path) -> None:
    """Fill a directory: boot/vmlinuz-RELEASE, its configuration and vmlinux, lib/modules/RELEASE with its indexes."""
    boot, home = directory / "boot", directory / "lib/modules"
    boot.mkdir(parents=True)
    image = boot / f"vmlinuz-{parts.release}"
    if not parts.fixed or not link(parts.image, image):
        shutil.copyfile(parts.image, image)
    if parts.config:
        shutil.copyfile(parts.config, boot / f"config-{parts.release}")
    if parts.vmlinux:
        link(parts.vmlinux, boot / f"vmlinux-{parts.release}")  # a linker makes a new file; a copy is 0.5 GB
    if parts.ready:
        home.mkdir(parents=True)
        (home / parts.release).symlink_to(parts.ready)
    elif parts.modules:
        _link_all(parts, home / parts.release)
        depmod(directory, parts.release)


def _link_all(parts: Parts, into: Path) -> None:
    """A linker makes a new file. kbuild writes its lists in place, and pahole types into a module when vmlinux is new
    (scripts/Makefile.modfinal)."""
    types = parts.config is not None and options_of(parts.config).get("DEBUG_INFO_BTF_MODULES") == "y"
    for name, source in parts.modules:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        in_place = ".ko" not in source.name or (types and not parts.fixed)
        if in_place or not link(source, target):
            shutil.copy2(source, target)


def link(source: Path, target: Path) -> bool:
    """A hard link. False for another file system, or a file that is not ours (fs.protected_hardlinks)."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def found_in(root: Path, release: str) -> Staged:
    """What `lay_out` put there."""
    modules = root / "lib/modules" / release
    config = root / "boot" / f"config-{release}"
    return Staged(root / "boot" / f"vmlinuz-{release}", config if config.exists() else None,
                  modules if modules.is_dir() else None)
