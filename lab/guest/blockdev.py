"""Block devices that an iblock backstore (or a fileio's file system) lies on: made, and taken away again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.guest import clock, configfs, dm, loop, modules
from lab.guest.observation import Refused, Skip
from lab.guest.settings import spell

SECTOR = 512
_NULLB = Path("/sys/kernel/config/nullb")
_DEBUG = Path("/sys/bus/pseudo/drivers/scsi_debug")


@dataclass
class Device:
    """A block device with what it takes to remove it.

    `mapping` is the dm device's name where there is one, `faults` are those that its table holds.
    """

    node: str
    size: int
    undo: list[Callable[[], None]] = field(default_factory=list)
    mapping: str | None = None
    base: str = ""
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def sectors(self) -> int:
        return self.size // SECTOR


def kernel_name(node: str) -> str:
    return os.path.basename(os.path.realpath(node))


def numbers(node: str) -> str:
    """MAJOR:MINOR as sysfs has it."""
    return configfs.read_text(Path("/sys/class/block") / kernel_name(node) / "dev")


def size_of(node: str) -> int:
    """Bytes."""
    return int(configfs.read_text(Path("/sys/class/block") / kernel_name(node) / "size")) * SECTOR


def scsi_address(node: str) -> list[str]:
    """Host, channel, target and LUN of the SCSI disk that a node belongs to."""
    return os.path.basename(os.path.realpath(f"/sys/class/block/{kernel_name(node)}/device")).split(":")


class Workshop:
    """Makes the devices of one scenario. `folder` (tmpfs) holds the files under loop devices."""

    def __init__(self, folder: Path, deadline: float) -> None:
        self.folder, self.deadline = folder, deadline
        self._brd: list[str] = []
        self._debug: list[str] = []
        self.unload: list[str] = []

    def prepare(self, backstores: dict[str, dict[str, Any]]) -> None:
        """Load brd and scsi_debug with as many and as large devices as the backstores need together."""
        kinds: dict[str, list[dict[str, Any]]] = {}
        for spec in backstores.values():
            if spec.get("on"):
                kinds.setdefault(_base_kind(spec["on"]), []).append(spec)
        if "brd" in kinds:
            self._load_brd(kinds["brd"])
        if "scsi_debug" in kinds:
            self._load_scsi_debug(kinds["scsi_debug"])
        if "null_blk" in kinds:
            self._load("null_blk", {"nr_devices": 0})

    def _load(self, name: str, parameters: dict[str, Any]) -> None:
        """The module with these parameters: an idle one is unloaded first, a built-in one must have been booted so."""
        if modules.built_in(name):
            words = [f"{name}.{key}={spell(value)}" for key, value in parameters.items()]
            if not modules.has(name, parameters):
                raise Skip(f"{name} is built in with other parameters: boot with {' '.join(words)}", boot=words)
            return
        if modules.removable(name) and (why := modules.unload(name, deadline=self.deadline)):
            raise Refused(f"module {name} is in use: {why}")
        self.unload.append(name)
        if why := modules.load(name, parameters, deadline=self.deadline):
            raise Skip(f"module {name}: {why}")

    def _load_brd(self, specs: list[dict[str, Any]]) -> None:
        sizes = {spec["size"] for spec in specs}
        if len(sizes) > 1:
            raise Refused("all brd devices have one size (the module's rd_size); give these backstores the same size")
        # At least the two that a kernel with brd built in is booted with (lab/machine/plan.py).
        self._load("brd", {"rd_nr": max(2, len(specs)), "rd_size": sizes.pop() // 1024})
        self._brd = [f"/dev/ram{number}" for number in range(len(specs))]

    def _load_scsi_debug(self, specs: list[dict[str, Any]]) -> None:
        layouts = [(spec["size"], spec["on"].get("block_size", 512), spec["on"].get("parameters") or {})
                   for spec in specs]
        size, block_size, parameters = layouts[0]
        if any(layout != layouts[0] for layout in layouts):
            raise Refused("all scsi_debug devices have one size, block size and parameters; give these backstores the "
                          "same")
        self._load("scsi_debug", {"dev_size_mb": -(-size // (1 << 20)), "sector_size": block_size,
                                  "per_host_store": 1, "delay": 0, "lbpu": 1, "lbpws": 1, "physblk_exp": 0,
                                  "add_host": 0, **parameters})
        configfs.write(_DEBUG / "add_host", str(len(specs)))
        # An unknown parameter is ignored by the kernel, which only says so in its log.
        if unknown := [name for name in parameters if not modules.has_parameter("scsi_debug", name)]:
            raise Skip(f"this kernel's scsi_debug has no parameter {unknown[0]}")
        self._debug = [f"/dev/{name}" for name in wait(lambda: _debug_disks(len(specs)), self.deadline,
                                                        "the disks of scsi_debug")]

    def make(self, name: str, spec: dict[str, Any]) -> Device:
        """The device under an iblock, fileio or pscsi backstore of this scenario."""
        under = spec["on"]
        makers = {"loop": self._loop, "brd": self._take_brd, "scsi_debug": self._take_debug,
                  "null_blk": self._null_blk}
        device = makers[_base_kind(under)](name, spec["size"], under)
        return self._linear(name, device) if under["type"] == "dm" else device

    def _take_brd(self, name: str, size: int, under: dict[str, Any]) -> Device:
        node = self._brd.pop(0)
        return Device(node, size_of(node), base=node)

    def _take_debug(self, name: str, size: int, under: dict[str, Any]) -> Device:
        node = self._debug.pop(0)
        return Device(node, size_of(node), [lambda: configfs.write(_DEBUG / "add_host", "-1")], base=node)

    def _loop(self, name: str, size: int, under: dict[str, Any]) -> Device:
        path = self.folder / f"{name}.loop"
        loop.make_file(path, size)
        node = loop.attach(path, under.get("block_size", 512))
        return Device(node, size, [lambda: loop.remove_file(path), lambda: loop.detach(node)], base=node)

    def _null_blk(self, name: str, size: int, under: dict[str, Any]) -> Device:
        folder = null_blk_folder(name)
        if not _NULLB.is_dir():
            raise Skip("null_blk has no configfs directory nullb")
        configfs.make(folder)
        wanted = {"size": size >> 20, "blocksize": under.get("block_size", 512), "memory_backed": 1, "discard": 1,
                  **(under.get("parameters") or {}), "power": 1}
        for attribute, value in wanted.items():
            if configfs.missing(folder / attribute):
                os.rmdir(folder)
                raise Skip(f"this kernel's null_blk has no attribute {attribute}")
            configfs.write(folder / attribute, spell(value))
        # Named by its directory since 5.19, by its index before.
        names = (folder.name, "nullb" + configfs.read_text(folder / "index"))
        node = wait(lambda: next((f"/dev/{n}" for n in names if os.path.exists(f"/dev/{n}")), None),
                    self.deadline, f"the device of null_blk for {name}")
        return Device(node, size_of(node), [lambda: os.rmdir(folder)], base=node)

    def _linear(self, name: str, below: Device) -> Device:
        mapping = f"lab_{name}"
        node = dm.create(mapping, linear(below.node, below.sectors))
        wait(lambda: os.path.exists(node), self.deadline, f"{node}")
        return Device(str(node), below.size, [*below.undo, lambda: dm.remove(mapping)], mapping, below.node)


def null_blk_folder(name: str) -> Path:
    """Where the null_blk device of a backstore is in configfs."""
    return _NULLB / f"lab_{name}"


def linear(node: str, sectors: int) -> list[dm.Row]:
    """A dm table that maps a whole device."""
    return [(0, sectors, "linear", f"{numbers(node)} 0")]


def _base_kind(under: dict[str, Any]) -> str:
    kind = str(under.get("over") or "brd") if under["type"] == "dm" else str(under["type"])
    return "brd" if kind == "ramdisk" else kind


def _debug_disks(number: int) -> list[str] | None:
    found = [p.name for p in sorted(_DEBUG.glob("adapter*/host*/target*/*/block/*"))]
    return found if len(found) >= number else None


def wait(condition: Callable[[], Any], deadline: float, what: str, interval: float = 0.01) -> Any:
    """The first true value of `condition`; Refused when the deadline passes before."""
    while True:
        if value := condition():
            return value
        if clock.now() > deadline:
            raise Refused(f"{what} did not come in time", errno="ETIMEDOUT")
        time.sleep(interval)
