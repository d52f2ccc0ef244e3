"""A stock kernel with labcrash among its modules: built against its headers, the kernel's own files by hard links."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab import process
from lab.kernels.headers import headers
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from tests.command import ROOT

SOURCE = ROOT / "tests/vm/crashes"


def with_labcrash(kernel: Kernel, where: Path) -> str:
    """A copy of a stock kernel below `where`; what `lab run -k` calls it. MissingTool where there is no compiler."""
    built = where / "build"
    built.mkdir(parents=True)
    for name in ("Kbuild", "labcrash.c"):
        shutil.copy(SOURCE / name, built)
    module, = headers(kernel.spec.removeprefix("debian").removeprefix(":"), Store.default()).make(built)
    image = where / "boot" / f"vmlinuz-{kernel.release}"
    image.parent.mkdir()
    _linked(kernel.image, image)
    if kernel.config is not None:
        _linked(kernel.config, image.with_name(f"config-{kernel.release}"))
    assert kernel.modules is not None, "a stock kernel has modules"
    modules = where / "lib/modules" / kernel.release
    shutil.copytree(kernel.modules, modules, copy_function=_linked, symlinks=True)
    (modules / "extra").mkdir()
    shutil.copy(module, modules / "extra")
    # depmod writes new files and renames them, so those of the store stay as they are.
    process.run([process.find("depmod", "kmod"), "-b", where, kernel.release], timeout_s=120)
    return f"{image}:{where}"


def _linked(source: str | Path, target: str | Path) -> None:
    """A hard link; a copy where the store is on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
