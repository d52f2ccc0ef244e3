"""`configfs` and `sysfs`: one operation on one file, with the error that the kernel gives."""

from __future__ import annotations

import os
from pathlib import Path

from lab.guest import configfs as low
from lab.guest.observation import Observation, Refused
from lab.guest.registry import driver
from lab.guest.session import Session
from lab.wire import DATA_LIMIT


def within(root: Path, path: str) -> Path:
    """A path below a root; Refused when it climbs out."""
    full = Path(os.path.normpath(root / path.lstrip("/")))
    if not full.is_relative_to(root):
        raise Refused(f"{path} is not below {root}")
    return full


def seen(data: bytes) -> Observation:
    """What a read gave: as text without white space around, and as bytes."""
    return {"ok": True, "text": data.decode("utf-8", "surrogateescape").strip(), "received": len(data),
            "data": data[:DATA_LIMIT].hex()}


def payload(value: str | None, value_hex: str | None, value_repeat: int) -> bytes:
    """The bytes of one write."""
    once = bytes.fromhex(value_hex) if value_hex is not None else (value or "").encode()
    return once * value_repeat


@driver("configfs")
def configfs(session: Session, deadline: float, *, read: str | None = None, write: str | None = None,
             value: str | None = None, value_hex: str | None = None, value_repeat: int = 1,
             mkdir: str | None = None, rmdir: str | None = None, link: str | None = None, to: str | None = None,
             unlink: str | None = None) -> Observation:
    """Read, write, make, remove or link below /sys/kernel/config/target."""
    root = session.root

    def place(path: str) -> Path:
        return within(root, session.expand(path))

    if read is not None:
        return seen(low.read(place(read)))
    if write is not None:
        low.write(place(write), payload(value, value_hex, value_repeat))
    elif mkdir is not None:
        os.mkdir(place(mkdir))
    elif rmdir is not None:
        os.rmdir(place(rmdir))
    elif unlink is not None:
        os.unlink(place(unlink))
    elif link is not None:
        if to is None:
            raise Refused("link needs `to`")
        os.symlink(place(to), place(link))
    return {"ok": True}


def sysfs_path(session: Session, path: str, lun: str | None) -> Path:
    """A file of the LUN's SCSI device, or an absolute one below /sys or /proc."""
    if lun is not None:
        return session.disk(lun).folder / path
    for root in (Path("/sys"), Path("/proc")):
        if Path(path).is_relative_to(root):
            return within(root, str(Path(path).relative_to(root)))
    raise Refused(f"{path}: a path of sysfs is below /sys or /proc, or relative with a lun")


@driver("sysfs")
def sysfs(session: Session, deadline: float, *, read: str | None = None, write: str | None = None,
          value: str | None = None, value_hex: str | None = None, value_repeat: int = 1,
          lun: str | None = None) -> Observation:
    """Read or write an attribute."""
    if read is not None:
        return seen(low.read(sysfs_path(session, read, lun)))
    if write is None:
        raise Refused("sysfs needs read or write")
    low.write(sysfs_path(session, write, lun), payload(value, value_hex, value_repeat))
    return {"ok": True}
