"""Plugs the rooms together for this host: store, image, accelerator, and the engine for a kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from lab.cli.places import KERNELS as KERNELS
from lab.errors import LabError
from lab.kernels.checkers import cost_of
from lab.kernels.config import options_of
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import resolve
from lab.kernels.store import Store, full_disk_explained
from lab.machine.accel import accelerator
from lab.machine.blktests import checkout
from lab.machine.image import guest_image
from lab.machine.modules import module_disk
from lab.machine.plan import Shape, qemu_version
from lab.machine.vm import Engine, Parts
from lab.run.plan import Environment, KernelFacts
from lab.usage import hold, prune

_KEEP_S = 7 * 24 * 3600.0  # images and checkpoints that nobody has used since then are removed
_GUEST_COST_MIB = 400  # resident memory of one more guest under load, the shared part not counted


def say(text: str) -> None:
    """One line of progress, on stderr: stdout is for what was asked for."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Ready:
    """A kernel with all that is needed to make guests of it."""

    kernel: Kernel
    engine: Engine

    @property
    def facts(self) -> KernelFacts:
        return KernelFacts(self.kernel.name, self.kernel.release, self.kernel.identity, self.kernel.spec,
                           self.kernel.package, self.kernel.hz)


def ready(wanted: str | Kernel, store: Store, *, shape: Shape | None = None, say: Callable[[str], None] = say) -> Ready:
    """Resolve a kernel (where a word is given) and make its image and module disk, if they are not there. LabError,
    UsageError."""
    kernel = resolve(wanted, store, named=KERNELS, say=say) if isinstance(wanted, str) else wanted
    hold(kernel.image.parent.parent)
    accel = accelerator(kernel.image, store.root / "accelerator.json")
    with full_disk_explained(store.root):
        image = guest_image(store.images, lambda: store.lock("image", say=say), say)
        disk = None
        if kernel.modules:
            disk = module_disk(kernel.modules, kernel.config, kernel.identity, store.images,
                               lambda: store.lock("modules", say=say), say)
    cost = cost_of(kernel.config)
    if cost.checkers:
        say(f"{kernel.name} has {', '.join(cost.checkers)}: its deadlines are {cost.slowdown:.1f} times as long")
    base = shape or Shape()
    final = replace(base, accelerator=accel.name, slowdown=accel.slowdown * cost.slowdown,
                    memory_mib=round(base.memory_mib * cost.memory), cmdline=(*base.cmdline, *kernel.cmdline.split()))
    parts = Parts(kernel.image, kernel.modules, image.path, disk,
                  f"{kernel.identity} {image.identity} {disk.name if disk else ''}",
                  options_of(kernel.config) if kernel.config else None)
    store.checkpoints.mkdir(parents=True, exist_ok=True)
    boots = store.root / "boots"
    # Guests that run from a removed file keep it: they hold it open.
    prune((path for place in (store.images, store.checkpoints, boots) if place.is_dir() for path in place.iterdir()),
          _KEEP_S)
    return Ready(kernel, Engine(parts, final, accel, store.checkpoints, boots,
                                lambda name: store.lock(name, say=say), say))


def environment(accelerator: str, slowdown: float, *, machine: str = "qemu") -> Environment:
    """What results depend on, on this host; a machine by SSH has no QEMU of ours."""
    qemu, carried = (qemu_version(), checkout()) if machine == "qemu" else ("none", None)
    return Environment(accelerator, slowdown, qemu, metadata.version("virtme-ng"),
                       metadata.version("lio-lab"), machine, str(carried or ""))


def default_width(memory_mib: int = 512) -> int:
    """Guests of this size side by side: as many as cores and available memory allow, at least one."""
    cost_mib = _GUEST_COST_MIB * max(1, memory_mib // 512)
    return max(1, min(len(os.sched_getaffinity(0)), available_mib() // cost_mib))


def room() -> int:
    """How many ordinary guests fit into the memory that is available, at least one."""
    return max(1, available_mib() // _GUEST_COST_MIB)


def available_mib() -> int:
    """MemAvailable of /proc/meminfo in MiB; LabError where there is no such line."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    raise LabError("/proc/meminfo has no MemAvailable; the lab runs on Linux only")
