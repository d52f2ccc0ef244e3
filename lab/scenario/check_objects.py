"""What cannot be right between the values of backstores and targets."""

from __future__ import annotations

from collections.abc import Iterator

from lab.document import KeyPath
from lab.explain import Fault
from lab.problems import listed, nearest
from lab.scenario.objects import Backstore, Target, Under
from lab.scenario.parts import Parts

OPTIONS = {"nullio": "ramdisk", "buffered": "fileio", "asynchronous": "fileio", "filesystem": "fileio",
           "readonly": "iblock", "on": "iblock"}
_SIZED = ("loop", "scsi_debug", "null_blk")  # devices whose block size can be chosen
# What a size is counted in: pages of rd_mcp and brd, dev_size_mb of scsi_debug, size of null_blk.
_GRANULES = {"ramdisk": 4096, "brd": 4096, "scsi_debug": 1 << 20, "null_blk": 1 << 20}


def check(parts: Parts) -> Iterator[Fault]:
    """All faults of backstores and targets."""
    for name, backstore in parts.backstores.items():
        if backstore is not None:
            path: KeyPath = ("backstores", name)
            yield from _options(path, backstore)
            yield from _size(path, backstore)
    yield from _one_layout(parts.backstores)
    yield from _targets(parts)


def _options(path: KeyPath, backstore: Backstore) -> Iterator[Fault]:
    for option, kind in OPTIONS.items():
        if option in backstore.model_fields_set and backstore.type != kind:
            yield Fault((*path, option), f"{option} belongs to {kind}, and this is {backstore.type}", key=True)
    if backstore.type == "iblock" and backstore.on is None:
        yield Fault(path, "iblock needs on, the block device under it, such as on: {type: loop}")
    if backstore.type == "iblock" and backstore.on is not None:
        yield from _under((*path, "on"), backstore.on)


def _under(path: KeyPath, under: Under) -> Iterator[Fault]:
    if under.type == "dm" and under.over is None:
        yield Fault(path, "dm needs over, what its table maps to, such as over: ramdisk")
    if under.type != "dm" and under.over is not None:
        yield Fault((*path, "over"), f"over belongs to dm, and this is {under.type}", key=True)
    if "block_size" in under.model_fields_set and under.bottom not in _SIZED and under.bottom != "dm":
        yield Fault((*path, "block_size"), f"block_size belongs to {listed(_SIZED)}, and this is {under.bottom}; "
                                           "the LUN's own is attributes: {block_size: ...}", key=True)


def _size(path: KeyPath, backstore: Backstore) -> Iterator[Fault]:
    kind = backstore.on.bottom if backstore.on is not None else backstore.type
    granule = _GRANULES.get(kind, 1)
    place = (*path, "size") if "size" in backstore.model_fields_set else path
    if backstore.size % backstore.block_size:
        yield Fault(place, f"the size of {backstore.size} bytes is not a multiple of the block size "
                           f"of {backstore.block_size}")
    elif backstore.size % granule:
        yield Fault(place, f"{kind} counts its size in units of {granule} bytes, and {backstore.size} is no multiple")


def _one_layout(backstores: dict[str, Backstore | None]) -> Iterator[Fault]:
    """brd and scsi_debug take one size for all their devices, as module parameters."""
    first: dict[str, tuple[str, tuple[int, int]]] = {}
    for name, backstore in backstores.items():
        if backstore is None or backstore.on is None or backstore.on.bottom not in ("brd", "scsi_debug"):
            continue
        kind, layout = backstore.on.bottom, (backstore.size, backstore.on.block_size)
        other, known = first.setdefault(kind, (name, layout))
        if known != layout:
            yield Fault(("backstores", name), f"all {kind} devices of a scenario have one size and block size, "
                                              f"and {name!r} differs from {other!r}")


def _targets(parts: Parts) -> Iterator[Fault]:
    names: set[str] = set()
    ports: set[tuple[str, int]] = set()
    for index, target in enumerate(parts.targets):
        if target is None:
            continue
        path: KeyPath = ("targets", index)
        if target.name in names:
            yield Fault((*path, "name"), f"two targets are called {target.name!r}; give each a name of its own")
        if (target.wwn, target.tpgt) in ports:
            yield Fault((*path, "wwn"), f"wwn {target.wwn} with tpgt {target.tpgt} is already taken; "
                                        "two targets differ in one of them")
        names.add(target.name)
        ports.add((target.wwn, target.tpgt))
        yield from _target(path, target, parts)


def _target(path: KeyPath, target: Target, parts: Parts) -> Iterator[Fault]:
    for number, backstore in target.luns.items():
        if backstore not in parts.backstores and parts.knows("backstores"):
            yield Fault((*path, "luns", number), f"LUN {number} names the backstore {backstore!r}, which is not there",
                        nearest(backstore, parts.backstores))
    timeout = target.scsi_timeout
    if timeout is not None and (timeout < 1 or timeout != int(timeout)):
        yield Fault((*path, "scsi_timeout"), "scsi_timeout is a whole number of seconds, at least 1s")
