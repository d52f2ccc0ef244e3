"""`lun`, `target`, `inject`, `clear`, `module`: what changes while I/O may run."""

from __future__ import annotations

from typing import Any

from lab.guest import blockdev, configfs, dm, modules
from lab.guest.lio import Backstore
from lab.guest.observation import Observation, Refused
from lab.guest.registry import driver
from lab.guest.session import Session


@driver("lun")
def lun(session: Session, deadline: float, *, action: str, target: str = "target", number: int,
        backstore: str | None = None) -> Observation:
    """Link a backstore as a LUN and wait for its disk, or unlink it."""
    where = session.target(target)
    if action == "remove":
        session.configuration.unlink(where, number)
        where.luns.pop(number, None)
        return {"ok": True}
    name = backstore or where.luns.get(number)
    if name is None:
        raise Refused("lun add needs a backstore")
    session.link(where, number, session.backstore(name), deadline)
    where.luns[number] = name
    return {"ok": True}


@driver("target")
def target(session: Session, deadline: float, *, action: str, target: str = "target") -> Observation:
    """Remove a target with all it has, make it again, or switch its transport off and on."""
    where = session.target(target)
    if action == "remove":
        session.configuration.remove_target(where)
    elif action == "add":
        session.build_target(where, deadline)
    else:
        configfs.write(session.root / where.path / "transport_status", action)
    return {"ok": True}


@driver("inject")
def inject(session: Session, deadline: float, *, fault: str, on: str, sectors: Any = None) -> Observation:
    """Switch a fault on, beside those that are on already."""
    backstore = session.backstore(on)
    if fault in backstore.faults:
        raise Refused(f"{fault} is already on for {on}")
    backstore.faults[fault] = [tuple(s) for s in sectors] if sectors else None
    try:
        _apply(backstore)
    except (OSError, Refused):
        del backstore.faults[fault]
        raise
    return {"ok": True}


@driver("clear")
def clear(session: Session, deadline: float, *, fault: str, on: str) -> Observation:
    """Switch a fault off; others stay."""
    backstore = session.backstore(on)
    if fault not in backstore.faults:
        raise Refused(f"{fault} is not on for {on}")
    del backstore.faults[fault]
    _apply(backstore)
    return {"ok": True}


def _apply(backstore: Backstore) -> None:
    """The dm table and state that the backstore's faults ask for."""
    device = backstore.device
    if device is None or device.mapping is None:
        raise Refused(f"backstore {backstore.name} has no dm device under it; give it on: {{type: dm}}")
    rows = blockdev.linear(device.base, device.sectors)
    if "dm-error" in backstore.faults:
        rows = with_errors(device.base, device.sectors, backstore.faults["dm-error"])
    if "dm-suspend" in backstore.faults:
        dm.suspend(device.mapping)
    else:
        dm.load(device.mapping, rows)


def with_errors(node: str, sectors: int, bad: list[tuple[int, int]] | None) -> list[dm.Row]:
    """A linear table whose `bad` sectors (inclusive ranges; None: all) end in an I/O error."""
    holes = sorted(bad) if bad else [(0, sectors - 1)]
    if holes[-1][1] >= sectors:
        raise Refused(f"sector {holes[-1][1]} is beyond the end: the device has {sectors} sectors")
    rows: list[dm.Row] = []
    at = 0
    for first, last in holes:
        if first < at:
            raise Refused(f"sectors {first}-{last} overlap another range")
        if first > at:
            rows.append((at, first - at, "linear", f"{blockdev.numbers(node)} {at}"))
        rows.append((first, last + 1 - first, "error", ""))
        at = last + 1
    if at < sectors:
        rows.append((at, sectors - at, "linear", f"{blockdev.numbers(node)} {at}"))
    return rows


@driver("module")
def module(session: Session, deadline: float, *, action: str, name: str,
           parameters: dict[str, Any] | None = None) -> Observation:
    """modprobe, or modprobe -r; the exit status and its words are the observation."""
    why = modules.load(name, parameters or {}, deadline=deadline) if action == "load" else \
        modules.unload(name, deadline=deadline)
    if why is None:
        return {"ok": True, "exit": 0, "text": ""}
    return {"ok": False, "exit": 1, "text": why, "problem": why, **_errno(why)}


def _errno(words: str) -> Observation:
    # kmod says `FATAL: Module X is in use.` and, of system calls, strerror's text.
    known = {"in use": "EBUSY", "not found": "ENOENT", "Device or resource busy": "EBUSY",
             "Invalid argument": "EINVAL", "No such device": "ENODEV", "Cannot allocate memory": "ENOMEM",
             "Unknown symbol": "ENOENT", "Exec format error": "ENOEXEC", "File exists": "EEXIST"}
    return next(({"errno": name} for text, name in known.items() if text in words), {})
