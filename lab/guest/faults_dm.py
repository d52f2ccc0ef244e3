"""Faults of a device-mapper device: its table is changed while I/O runs."""

from __future__ import annotations

from typing import Any

from lab.guest import blockdev, dm
from lab.guest.blockdev import Device
from lab.guest.injection import Order, Undo, fault
from lab.guest.observation import Refused, errno_name

_FEATURES = {"error": "", "error_reads": "1 error_reads", "error_writes": "1 error_writes",
             "drop_writes": "1 drop_writes", "corrupt_reads": "5 corrupt_bio_byte {byte} r 90 0",
             "corrupt_writes": "5 corrupt_bio_byte {byte} w 90 0"}
_PROBE = "lab_probe"


def _device(order: Order) -> Device:
    device = order.where.device
    if device is None or device.mapping is None:
        raise Refused(f"backstore {order.where.name} has no dm device under it; give it on: {{type: dm}}")
    return device


def rows(device: Device, faults: dict[str, dict[str, Any]]) -> list[dm.Row]:
    """The table that these faults of a device ask for."""
    tables = [name for name in faults if name != "dm-suspend"]
    if len(tables) > 1:
        raise Refused(f"{tables[0]} is on; {tables[1]} would take its place in the table: clear it first")
    below = f"{blockdev.numbers(device.base)} 0"
    options = faults[tables[0]] if tables else {}
    if tables == ["dm-error"]:
        return with_errors(device.base, device.sectors, options.get("sectors"))
    if tables == ["dm-flakey"]:
        features = _FEATURES[options.get("mode") or "error"].format(byte=options.get("byte") or 1)
        up, down = int(options.get("up") or 0), int(options.get("down") or 1)
        return [(0, device.sectors, "flakey", f"{below} {up} {down} {features}".rstrip())]
    if tables == ["dm-delay"]:
        delay, only = round(options["delay"] * 1000), options.get("only")
        reads, writes = (0 if only == "writes" else delay), (0 if only == "reads" else delay)
        return [(0, device.sectors, "delay", f"{below} {reads} {below} {writes}")]
    return blockdev.linear(device.base, device.sectors)


def with_errors(node: str, sectors: int, bad: list[tuple[int, int]] | None) -> list[dm.Row]:
    """A linear table whose `bad` sectors (inclusive ranges; None: all) end in an I/O error."""
    holes = sorted(bad) if bad else [(0, sectors - 1)]
    if holes[-1][1] >= sectors:
        raise Refused(f"sector {holes[-1][1]} is beyond the end: the device has {sectors} sectors")
    found: list[dm.Row] = []
    at = 0
    for first, last in holes:
        if first < at:
            raise Refused(f"sectors {first}-{last} overlap another range")
        if first > at:
            found.append((at, first - at, "linear", f"{blockdev.numbers(node)} {at}"))
        found.append((first, last + 1 - first, "error", ""))
        at = last + 1
    if at < sectors:
        found.append((at, sectors - at, "linear", f"{blockdev.numbers(node)} {at}"))
    return found


def _lacks(order: Order) -> str | None:
    """Whether this kernel takes such a table: seen by loading it into a device that nobody uses."""
    device = _device(order)
    try:
        dm.create(_PROBE, rows(device, {order.fault: order.options}))
    except OSError as error:
        told = " ".join(str(value) for key, value in order.options.items() if key == "mode")
        return f"device mapper does not take {order.fault} {told}".rstrip() + f": {errno_name(error.errno)}"
    dm.remove(_PROBE)
    return None


@fault("dm-error", "dm-suspend", "dm-flakey", "dm-delay", lacks=_lacks)
def change_table(order: Order) -> Undo:
    """Beside the faults of the device that are on already."""
    device = _device(order)
    _apply(device, {**device.faults, order.fault: order.options})

    def undo() -> None:
        _apply(device, {name: options for name, options in device.faults.items() if name != order.fault})
    return undo


def _apply(device: Device, faults: dict[str, dict[str, Any]]) -> None:
    assert device.mapping is not None
    table = rows(device, faults)
    if "dm-suspend" in faults:
        dm.suspend(device.mapping)
    else:
        dm.load(device.mapping, table)
    device.faults = faults
