"""A copy of a kernel with some modules exchanged: the rest are hard links, nothing of the kernel is written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lab.kernels.kernel import Kernel
from lab.kernels.modules import canonical
from lab.kernels.staging import link
from lab.kernels.unpack import depmod

# depmod makes all other indexes; kmod and the lab read these as the kernel's build left them.
_KEPT = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def lay_out(kernel: Kernel, modules: Mapping[str, Path], root: Path, *, without: Iterable[str] = ()) -> Path:
    """Fill `root` with boot/ and lib/modules/ of the kernel and these modules; returns the image.

    `modules`: name below lib/modules/RELEASE ("kernel/drivers/target/target_core_mod.ko", "extra/mine.ko") -> file.
    Modules of the kernel that have the name of one of them, or lie in a directory of `without`, are left out.
    """
    assert kernel.modules is not None, "a kernel whose modules are exchanged has some"
    home = root / "lib/modules" / kernel.release
    image = root / "boot" / f"vmlinuz-{kernel.release}"
    image.parent.mkdir(parents=True)
    _put(kernel.image, image)
    if kernel.config is not None:
        _put(kernel.config, image.with_name(f"config-{kernel.release}"))
    replaced = {canonical(name) for name in modules}
    for name in _modules_in(kernel.modules):
        if canonical(name) not in replaced and not any(name.startswith(f"{place}/") for place in without):
            _put(kernel.modules / name, home / name)
    for name, file in modules.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, home / name)
    for name in _KEPT:
        if (kernel.modules / name).is_file():
            shutil.copyfile(kernel.modules / name, home / name)
    depmod(root, kernel.release)
    return image


def _modules_in(modules: Path) -> Iterator[str]:
    for directory, _, names in os.walk(modules):
        place = os.path.relpath(directory, modules)
        yield from (f"{place}/{name}" for name in names if ".ko" in name)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not link(source, target):
        shutil.copy2(source, target)
