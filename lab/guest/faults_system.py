"""Faults of the whole machine: memory, CPUs, and the kernel's fault attributes."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

from lab.guest import blockdev, configfs
from lab.guest.injection import Order, Undo, fault
from lab.guest.observation import Refused
from lab.guest.settings import Setting, change, spell

_DEBUG = Path("/sys/kernel/debug")
_SLAB = Path("/sys/kernel/slab")
_CHUNK = 1 << 20
_POPULATE = 0x8000  # MAP_POPULATE: every page is there at once
# What makes a device one that its fault attribute looks at (block/genhd.c, block/blk-timeout.c).
_SWITCH = {"fail_make_request": "make-it-fail", "fail_io_timeout": "io-timeout-fail"}


def available() -> int:
    """Bytes that can be had without swapping: MemAvailable."""
    line = next(x for x in Path("/proc/meminfo").read_text().splitlines() if x.startswith("MemAvailable:"))
    return int(line.split()[1]) << 10


@fault("memory-pressure")
def memory_pressure(order: Order) -> Undo:
    """Take memory until only so much is left."""
    held: list[mmap.mmap] = []
    while available() > order.options["leave"] + _CHUNK:
        held.append(mmap.mmap(-1, _CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _POPULATE))

    def undo() -> None:
        for piece in held:
            piece.close()
    return undo


@fault("cpu-stall")
def cpu_stall(order: Order) -> Undo:
    """A real-time process on every CPU spins for a while; undone means: all have ended."""
    children = [_spinner(cpu, order.options["time"]) for cpu in sorted(os.sched_getaffinity(0))]

    def undo() -> None:
        ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        if any(ended):
            raise Refused("a CPU was not kept busy: its real-time process failed")
    return undo


def _spinner(cpu: int, seconds: float) -> int:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.sched_setaffinity(0, {cpu})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass
            status = 0
        finally:
            os._exit(status)
    return child


def _settings(order: Order) -> list[Setting]:
    folder = _DEBUG / order.fault
    found = [(folder / name, spell(value)) for name, value in order.options["parameters"].items()]
    if cache := order.options.get("cache"):
        found = [(_SLAB / cache / "failslab", "1"), (folder / "cache-filter", "1"), *found]
    if switch := _SWITCH.get(order.fault):
        assert order.where.device is not None
        name = blockdev.kernel_name(order.where.device.node)
        found = [(Path("/sys/class/block") / name / switch, "1"), *found]
    return found


def _no_file(order: Order) -> str | None:
    missing = [str(path) for path, _ in _settings(order) if configfs.missing(path)]
    return f"{order.fault}: there is no {missing[0]}" if missing else None


@fault("failslab", "fail_page_alloc", "fail_make_request", "fail_io_timeout", lacks=_no_file)
def fault_attribute(order: Order) -> Undo:
    """The files of a fault attribute in the order of the scenario (lib/fault-inject.c); undone, as before."""
    return change(_settings(order))
