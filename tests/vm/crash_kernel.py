"""A stock kernel with labcrash among its modules: built against its headers, the kernel's own files by hard links."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.kernels.headers import headers
from lab.kernels.kernel import Kernel
from lab.kernels.staging import lay_out
from lab.kernels.store import Store
from lab.kernels.variant import with_modules
from tests.command import ROOT

SOURCE = ROOT / "tests/vm/crashes"


def with_labcrash(kernel: Kernel, where: Path) -> str:
    """A copy of a stock kernel below `where`; what `lab run -k` calls it. MissingTool where there is no compiler."""
    built = where / "build"
    built.mkdir(parents=True)
    for name in ("Kbuild", "labcrash.c"):
        shutil.copy(SOURCE / name, built)
    module, = headers(kernel.spec.removeprefix("debian").removeprefix(":"), Store.default()).make(built)
    lay_out(with_modules(kernel, {"extra/labcrash.ko": module}), where / "root")
    return f"{where / 'root/boot' / f'vmlinuz-{kernel.release}'}:{where / 'root'}"
