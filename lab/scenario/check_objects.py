"""What cannot be right between the values of backstores and targets."""

from __future__ import annotations

from collections.abc import Iterator

from lab.document import KeyPath
from lab.explain import Fault
from lab.problems import listed, nearest
from lab.scenario.objects import Backstore, Target, Under
from lab.scenario.parts import Parts

OPTIONS = {"nullio": ("ramdisk",), "buffered": ("fileio",), "asynchronous": ("fileio",), "filesystem": ("fileio",),
           "readonly": ("iblock",), "on": ("iblock", "fileio", "pscsi"), "hba_mode": ("pscsi",),
           "serial": ("ramdisk", "fileio", "iblock", "tcmu"), "control": ("tcmu",)}
_LOWER = {"iblock": "loop", "pscsi": "scsi_debug"}  # what needs `on`, and an example
_SIZED = ("loop", "scsi_debug", "null_blk")  # devices whose block size can be chosen
_TUNED = ("scsi_debug", "null_blk")  # devices with parameters of their own
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
    for option, kinds in OPTIONS.items():
        if option in backstore.model_fields_set and backstore.type not in kinds:
            yield Fault((*path, option), f"{option} belongs to {listed(kinds, 'and')}, and this is {backstore.type}",
                        key=True)
    if backstore.type in _LOWER and backstore.on is None:
        yield Fault(path, f"{backstore.type} needs on, the device under it, such as on: {{type: "
                          f"{_LOWER[backstore.type]}}}")
    elif backstore.on is not None:
        yield from _under((*path, "on"), backstore.on)
        if "filesystem" in backstore.model_fields_set:
            yield Fault((*path, "filesystem"), "the file is the device that on describes, which lies in no filesystem",
                        key=True)
        if backstore.type == "pscsi" and backstore.on.type != "scsi_debug":
            yield Fault((*path, "on", "type"), f"pscsi passes commands to a SCSI device, and {backstore.on.type} is "
                                               "none; give it on: {type: scsi_debug}")


def _under(path: KeyPath, under: Under) -> Iterator[Fault]:
    if under.type == "dm" and under.over is None:
        yield Fault(path, "dm needs over, what its table maps to, such as over: ramdisk")
    if under.type != "dm" and under.over is not None:
        yield Fault((*path, "over"), f"over belongs to dm, and this is {under.type}", key=True)
    if "block_size" in under.model_fields_set and under.bottom not in _SIZED and under.bottom != "dm":
        yield Fault((*path, "block_size"), f"block_size belongs to {listed(_SIZED)}, and this is {under.bottom}; "
                                           "the LUN's own is attributes: {block_size: ...}", key=True)
    if under.parameters and under.bottom not in _TUNED:
        yield Fault((*path, "parameters"), f"parameters belong to {listed(_TUNED, 'and')}, and this is {under.bottom}",
                    key=True)


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
    first: dict[str, tuple[str, tuple[object, ...]]] = {}
    for name, backstore in backstores.items():
        if backstore is None or backstore.on is None or backstore.on.bottom not in ("brd", "scsi_debug"):
            continue
        kind, under = backstore.on.bottom, backstore.on
        layout = (backstore.size, under.block_size, under.parameters)
        other, known = first.setdefault(kind, (name, layout))
        if known != layout:
            yield Fault(("backstores", name), f"all {kind} devices of a scenario have one size, block size and "
                                              f"parameters, and {name!r} differs from {other!r}")


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
