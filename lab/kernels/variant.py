"""A kernel with some modules exchanged: the parts of such a copy, in which the rest are hard links.

It has the modules that a guest can load, and no others: to index the thousands that a stock kernel has would take
longer than to compile the exchanged ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lab import process
from lab.kernels.kernel import Kernel
from lab.kernels.staging import Parts
from lab.loadable import BUILD_INDEXES, canonical, loadable


def with_modules(kernel: Kernel, modules: Mapping[str, Path], *, without: Iterable[str] = ()) -> Parts:
    """The parts for lay_out: nothing of the kernel is written to.

    `modules`: name below lib/modules/RELEASE ("kernel/drivers/target/target_core_mod.ko", "extra/mine.ko") -> file.
    Modules of the kernel that have the name of one of them, or lie in a directory of `without`, are left out.
    """
    assert kernel.modules is not None, "a kernel whose modules are exchanged has some"
    replaced = {canonical(name) for name in modules}
    kept = [(name, kernel.modules / name) for name in sorted(loadable(kernel.modules, also=_needed(modules.values())))
            if canonical(name) not in replaced and not any(name.startswith(f"{place}/") for place in without)]
    indexes = [(name, kernel.modules / name) for name in BUILD_INDEXES if (kernel.modules / name).is_file()]
    return Parts(kernel.release, kernel.image, kernel.config, (*kept, *modules.items(), *indexes), fixed=True)


def _needed(modules: Iterable[Path]) -> Iterator[str]:
    """The modules whose symbols these use, as their builds wrote it down: a change may need others than before."""
    for module in modules:
        printed = process.run([process.find("modinfo", "kmod"), "-F", "depends", module], timeout_s=60).stdout
        yield from (canonical(name) for name in printed.strip().split(",") if name)
