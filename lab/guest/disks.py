"""The SCSI device of a LUN, found by its address H:0:tpgt:lun and never by a name that may be reused."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.guest import configfs, sg
from lab.guest.blockdev import SECTOR, wait
from lab.guest.kmsg import KernelLog
from lab.guest.observation import Refused

_DEVICES = Path("/sys/bus/scsi/devices")


@dataclass(frozen=True)
class Disk:
    """A LUN as the initiator sees it; `folder` is its SCSI device in sysfs."""

    address: str
    folder: Path

    def _child(self, kind: str) -> str:
        names = configfs.entries(self.folder / kind)
        if not names:
            raise Refused(f"the SCSI device {self.address} has no {kind} device", errno="ENODEV")
        return names[0]

    @property
    def name(self) -> str:
        """sdX"""
        return self._child("block")

    @property
    def node(self) -> str:
        return f"/dev/{self.name}"

    @property
    def sg(self) -> str:
        return f"/dev/{self._child('scsi_generic')}"

    @property
    def block_size(self) -> int:
        return int(configfs.read_text(self.folder / "block" / self.name / "queue/logical_block_size"))

    @property
    def size(self) -> int:
        """Bytes."""
        return int(configfs.read_text(self.folder / "block" / self.name / "size")) * SECTOR

    @property
    def timeout_s(self) -> int:
        return int(configfs.read_text(self.folder / "timeout"))

    def in_flight(self) -> int:
        """Requests that the block layer has given to the disk and not got back."""
        return sum(map(int, configfs.read_text(self.folder / "block" / self.name / "inflight").split()))


@contextlib.contextmanager
def generic(disk: Disk) -> Iterator[int]:
    """A descriptor of the disk's /dev/sgN."""
    node = disk.sg
    with sg.opened(node) as fd:
        same(node, disk.sg)
        yield fd


def same(opened: str, now: str) -> None:
    """Refused where the node that was opened is not the device's any more: its name may by now be another disk's."""
    if opened != now:
        raise Refused(f"{opened} went while it was opened", errno="ENODEV")


def find(address: str) -> Disk:
    """The device at H:C:T:L; Refused when there is none."""
    folder = _DEVICES / address
    if not folder.exists():
        raise Refused(f"there is no SCSI device {address}", errno="ENODEV")
    return Disk(address, Path(os.path.realpath(folder)))


def await_disk(address: str, log: KernelLog, deadline: float, since: int) -> Disk:
    """The disk at an address once sd and sg have bound to it and sd's probe, which runs by itself, has ended.

    sd says `[sdX] Attached SCSI disk` as its very last act (sd_probe in drivers/scsi/sd.c). It said so of a LUN that
    was there before, too: `since` is the number of messages before this one was linked.
    """
    folder = _DEVICES / address
    wait(lambda: configfs.entries(folder / "block") and configfs.entries(folder / "scsi_generic"), deadline,
         f"the disk of SCSI device {address}")
    disk = find(address)
    pattern = rf"\b{address}: \[{disk.name}\] Attached SCSI"
    wait(lambda: log.find(pattern, since), deadline, f"the end of sd's probe of {address}")
    return disk
