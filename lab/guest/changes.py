"""`lun`, `target`, `backstore`, `inject`, `clear`, `module`: what changes while I/O may run."""

from __future__ import annotations

from typing import Any

from lab.guest import configfs, faults_disk, faults_dm, faults_file, faults_system, faults_tcmu, modules
from lab.guest.injection import FAULTS, Order
from lab.guest.observation import Observation, Refused
from lab.guest.registry import driver
from lab.guest.session import Session

# Each registers its faults when it is imported.
FAULT_MODULES = (faults_disk, faults_dm, faults_file, faults_system, faults_tcmu)


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


@driver("backstore")
def backstore(session: Session, deadline: float, *, action: str, backstore: str) -> Observation:
    """Take a backstore away, or make it again."""
    where = session.backstore(backstore)
    if action == "add":
        session.configuration.make_backstore(where)
        return {"ok": True}
    session.configuration.remove_backstore(where)
    if where.spec["type"] == "ramdisk":
        where.ledger = None  # its pages go with it; the new one's are zeros
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
def inject(session: Session, deadline: float, *, fault: str, on: str | None = None, sectors: Any = None,
           mode: str | None = None, byte: int | None = None, up: float | None = None, down: float | None = None,
           delay: float | None = None, only: str | None = None, parameters: dict[str, Any] | None = None,
           rule: str | None = None, keep: int | None = None, leave: int | None = None, time: float | None = None,
           cache: str | None = None, command: str | None = None, opcode: int | None = None, lba: Any = None,
           times: int | None = None, sense: str | None = None, information: int | None = None,
           status: str | None = None, drop: bool | None = None, ring: str | None = None) -> Observation:
    """Switch a fault on, beside those that are on already."""
    given = {"sectors": [tuple(s) for s in sectors or ()], "mode": mode, "byte": byte, "up": up, "down": down,
             "delay": delay, "only": only, "parameters": parameters, "rule": rule, "keep": keep, "leave": leave,
             "time": time, "cache": cache, "command": command, "opcode": opcode, "lba": lba, "times": times,
             "sense": sense, "information": information, "status": status, "drop": drop, "ring": ring}
    if (fault, on) in session.faults and not FAULTS[fault].adds:
        raise Refused(f"{fault} is already on" + (f" for {on}" if on else ""))
    options = {key: value for key, value in given.items() if value not in (None, {}, [])}
    order = Order(fault, options, session.backstore(on) if on else None)
    session.faults[fault, on] = FAULTS[fault].inject(order)
    return {"ok": True}


@driver("clear")
def clear(session: Session, deadline: float, *, fault: str, on: str | None = None) -> Observation:
    """Switch a fault off; others stay."""
    if (fault, on) not in session.faults:
        raise Refused(f"{fault} is not on" + (f" for {on}" if on else ""))
    session.faults.pop((fault, on))()
    return {"ok": True}


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
