"""`account`: what the SCSI layer, the block layer and LIO counted between two moments."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.guest import clock
from lab.guest.blockdev import SECTOR
from lab.guest.configfs import read_text
from lab.guest.disks import Disk
from lab.guest.observation import Observation, Refused
from lab.guest.registry import driver
from lab.guest.session import Session

Counts = dict[str, int]


@driver("account")
def account(session: Session, deadline: float, *, lun: str, action: str) -> Observation:
    """Counters of a LUN, of its disk and of its backstore: remembered, or their growth since."""
    disk = session.disk(lun)
    while int(read_text(disk.folder / "device_busy")) and clock.now() < deadline:
        time.sleep(0.01)  # the answer to the last command is given before its books are closed
    now = {"device": os.stat(disk.folder).st_ino, **_counts(session, lun, disk)}
    if action == "begin":
        session.accounts[lun] = now
        return {"ok": True}
    before = session.accounts.pop(lun, None)
    if before is None or before["device"] != now["device"]:
        raise Refused(f"the disk of {lun} is not the one whose account was begun")
    grown = {name: now[name] - before[name] for name in now if name != "device"}
    return {"ok": True, "counts": grown, "text": ", ".join(f"{name} {value}" for name, value in grown.items())}


def _counts(session: Session, lun: str, disk: Disk) -> Counts:
    target, number, backstore = session.lun(lun)
    core = session.root / backstore.path / "statistics/scsi_lu"
    port = session.root / target.path / f"lun/lun_{number}/statistics/scsi_tgt_port"
    stat = [int(word) for word in read_text(disk.folder / "block" / disk.name / "stat").split()]
    return {
        "requests": _number(disk.folder / "iorequest_cnt"), "completed": _number(disk.folder / "iodone_cnt"),
        "sent": sum(_number(one.folder / "iorequest_cnt") for one in _paths(session, backstore.name)),
        "accepted": _number(port / "in_cmds"), "commands": _number(core / "num_cmds"),
        "reads": stat[0], "writes": stat[4], "read_bytes": stat[2] * SECTOR, "written_bytes": stat[6] * SECTOR,
        "read_mib": _number(core / "read_mbytes"), "written_mib": _number(core / "write_mbytes"),
    }


def _paths(session: Session, backstore: str) -> list[Disk]:
    """The disks of all LUNs of a backstore."""
    return [session.disk(f"{target.name}/{number}") for target in session.targets.values()
            for number, name in target.luns.items() if name == backstore]


def _number(path: Path) -> int:
    return int(read_text(path), 0)
