"""Faults of the disk under a backstore: scsi_debug's and null_blk's own, and what happens to any SCSI disk."""

from __future__ import annotations

from pathlib import Path

from lab.guest import blockdev, configfs
from lab.guest.injection import Order, Undo, fault
from lab.guest.observation import Refused
from lab.guest.settings import Setting, change, spell

_DRIVER = Path("/sys/bus/pseudo/drivers/scsi_debug")
_MODULE = Path("/sys/module/scsi_debug/parameters")
_ERRORS = Path("/sys/kernel/debug/scsi_debug")


def _disk(order: Order) -> str:
    """The kernel's name of the lowest disk: sdb."""
    if order.where.device is None:
        raise Refused(f"backstore {order.where.name} lies on no disk")
    return blockdev.kernel_name(order.where.device.base)


def _attributes(order: Order) -> list[Setting]:
    return [(next((place / name for place in (_DRIVER, _MODULE) if (place / name).exists()), _MODULE / name),
             spell(value)) for name, value in order.options["parameters"].items()]


def _no_attribute(order: Order) -> str | None:
    missing = [path.name for path, _ in _attributes(order) if not path.exists()]
    return f"this kernel's scsi_debug has no {missing[0]}" if missing else None


@fault("scsi-debug", lacks=_no_attribute)
def scsi_debug(order: Order) -> Undo:
    """opts, every_nth and the like: of the driver, so of all its disks."""
    return change(_attributes(order))


def _rules(order: Order) -> Path:
    assert order.where.device is not None
    return _ERRORS / ":".join(blockdev.scsi_address(order.where.device.base)) / "error"


def _no_rules(order: Order) -> str | None:
    return None if _rules(order).exists() else "this kernel's scsi_debug has no error file in debugfs (new in 6.7)"


@fault("scsi-debug-error", lacks=_no_rules)
def scsi_debug_error(order: Order) -> Undo:
    """A rule for one disk (sdebug_error_write in drivers/scsi/scsi_debug.c)."""
    path, rule = _rules(order), str(order.options["rule"])
    kind, _count, opcode, *_ = rule.split()
    configfs.write(path, rule)
    return lambda: configfs.write(path, f"- {kind} {opcode}")


@fault("disk-offline")
def disk_offline(order: Order) -> Undo:
    """The SCSI layer's own state of the disk; it wants the newline (store_state_field)."""
    path = Path("/sys/class/block") / _disk(order) / "device/state"
    configfs.write(path, "offline\n")
    return lambda: configfs.write(path, "running\n")


@fault("disk-delete")
def disk_delete(order: Order) -> Undo:
    """The disk is gone, as if pulled; undone, its host is scanned and it comes back as another one."""
    name = _disk(order)
    host = blockdev.scsi_address(f"/dev/{name}")[0]
    configfs.write(Path("/sys/class/block") / name / "device/delete", "1")
    return lambda: configfs.write(Path(f"/sys/class/scsi_host/host{host}/scan"), "- - -")


@fault("null-blk-badblocks")
def null_blk_badblocks(order: Order) -> Undo:
    """Sectors of which every access fails (nullb_device_badblocks_store in drivers/block/null_blk/main.c)."""
    path = blockdev.null_blk_folder(order.where.name) / "badblocks"
    ranges = [f"{first}-{last}" for first, last in order.options["sectors"]]
    for one in ranges:
        configfs.write(path, f"+{one}")

    def undo() -> None:
        for one in ranges:
            configfs.write(path, f"-{one}")
    return undo
