"""Debug information of a stock kernel: what decoding a report needs of Debian's -dbg package, in the store."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.kernels import debian
from lab.kernels.companions import Wanted, fetched
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.unpack import DamagedPackage, extract_some
from lab.usage import discard, hold

# Of 4,000 modules in 5 GB those that a scenario or a guest uses: 0.3 GB.
_MODULES = ("drivers/target", "drivers/scsi", "drivers/md", "drivers/block", "drivers/uio", "drivers/misc",
            "drivers/virtio", "drivers/char/virtio_console*", "block", "fs/configfs", "fs/ext4", "fs/jbd2", "kernel",
            "lib")
_PATTERNS = ("*/boot/vmlinux-*", *(f"*/kernel/{name}{'' if '*' in name else '/*'}" for name in _MODULES))
_KEPT_PART = 0.2  # of what dpkg would install


@dataclass(frozen=True)
class DebugInfo:
    """A vmlinux with debug information, and modules with theirs below `modules`."""

    version: str
    release: str
    vmlinux: Path
    modules: Path


def debug_info(wanted: str, store: Store, say: Callable[[str], None] = silent, *,
               etc: Path = Path("/etc/apt")) -> DebugInfo:
    """The debug information of a stock kernel; `wanted` is as in debian.fetch, which fetches the kernel itself too.

    The first time fetches 0.8 to 1.2 GB, takes a minute or two and another GB of the store for good. UsageError when
    the archives have only the kernel (they drop the packages of old builds), LabError when apt fails.
    """
    kernel = debian.fetch(wanted, store, say, etc=etc)
    if found := stored(kernel.version, store):
        return found
    root = _place(kernel.version, store)
    with store.lock(f"debug-{kernel.version}", say=say), full_disk_explained(store.root):
        if found := stored(kernel.version, store):  # another lab was faster
            return found
        discard(root)
        package = Wanted(f"linux-image-{kernel.release}-dbg", kernel.version, lambda _: (),
                         "^linux-image-[0-9].*-amd64-dbg$", _KEPT_PART)
        with fetched(package, store, say, etc) as files, store.new_directory(root) as directory:
            say(f"unpacking what decoding needs of {package.name}, a minute or two")
            extract_some(files[0], directory / "raw", _PATTERNS)
            _settle(directory, kernel.release)
    found = stored(kernel.version, store)
    if found is None:
        raise UsageError(f"{root} was removed while it was made; run it again")
    return found


def stored(version: str, store: Store) -> DebugInfo | None:
    """The debug information of exactly this version, when it is in the store already."""
    root = _place(version, store)
    try:
        facts = json.loads((root / "manifest.json").read_text())
        release = str(facts["release"])
        found = DebugInfo(version, release, root / f"vmlinux-{release}", root / "modules")
        whole = found.vmlinux.stat().st_size == facts["vmlinux_bytes"] and found.modules.is_dir()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if whole:
        hold(root)
    return found if whole else None


def _place(version: str, store: Store) -> Path:
    return store.root / "debug" / f"debian-{version}"


def _settle(root: Path, release: str) -> None:
    """vmlinux-RELEASE and modules/, wherever the package has them (6.1: below usr/lib/debug)."""
    raw = root / "raw"
    images = sorted(raw.rglob(f"vmlinux-{release}"))
    trees = sorted(path for path in raw.rglob("kernel") if path.parent.name == release)
    if not images or not trees:
        raise DamagedPackage(f"there is no vmlinux of {release} in it" if not images else "it has no modules")
    os.replace(images[0], root / images[0].name)
    os.replace(trees[0], root / "modules")
    shutil.rmtree(raw)
    size = (root / images[0].name).stat().st_size
    (root / "manifest.json").write_text(json.dumps({"release": release, "vmlinux_bytes": size}))
