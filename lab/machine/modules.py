"""The disk with a kernel's modules: those that a guest can load.

The guest mounts it read-only at /lib/modules. A disk, and not a 9p share of the host: no boot hangs at its mount, a
machine with it can be checkpointed as it is, and a guest has no way to the host's files. The kernel's configuration is
there, too, as config-RELEASE: programs look for it in /boot.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab import process
from lab.loadable import BUILD_INDEXES, LOADABLE, loadable
from lab.machine.disk import make_ext4
from lab.usage import used


def disk_path(modules: Path, identity: str, images: Path) -> Path:
    """Where the image of a kernel is, or would be."""
    wanted = hashlib.sha256("\n".join((identity, "config", *LOADABLE)).encode()).hexdigest()
    return images / f"modules-{modules.name}-{wanted[:16]}.ext4"


def module_disk(modules: Path, config: Path | None, identity: str, images: Path, lock: Callable[[], object],
                say: Callable[[str], None]) -> Path:
    """The ext4 image for one kernel's `modules` directory (lib/modules/RELEASE) and its configuration, where that is
    known; made once for each identity."""
    image = disk_path(modules, identity, images)
    if image.exists():
        used(image)
        return image
    with lock():  # type: ignore[attr-defined]
        if not image.exists():
            say(f"making the module disk of {modules.name}")
            _make(modules, config, image)
    return image


def _make(modules: Path, config: Path | None, image: Path) -> None:
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".making-") as tmp:
        target = Path(tmp) / "root" / modules.name
        target.mkdir(parents=True)
        for name in sorted(loadable(modules)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(modules / name, target / name)
        for name in BUILD_INDEXES:
            if (modules / name).exists():
                shutil.copyfile(modules / name, target / name)
        if config is not None:
            shutil.copyfile(config, target / f"config-{modules.name}")
        # depmod wants DIR/lib/modules/RELEASE.
        base = Path(tmp) / "base" / "lib"
        base.mkdir(parents=True)
        (base / "modules").symlink_to(Path(tmp) / "root")
        process.run([process.find("depmod", "kmod"), "-b", base.parent, modules.name], timeout_s=120)
        make_ext4(Path(tmp) / "root", Path(tmp) / "image", label="lab-modules")
        os.replace(Path(tmp) / "image", image)
