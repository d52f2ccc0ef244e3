"""Commands that are still under way when all steps have ended: one that never ends is lost, whatever it was for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lab.guest.configfs import entries, read_text
from lab.guest.lio import Configuration, Target

SETTLE_S = 3.0
_DEVICES, _HOSTS = Path("/sys/bus/scsi/devices"), Path("/sys/class/scsi_host")


def outstanding(configuration: Configuration, targets: Iterable[Target], devices: Path = _DEVICES,
                hosts: Path = _HOSTS) -> list[str]:
    """Sentences for hosts with commands in flight (host_busy) and for disks whose requests have not all come back.

    Waits up to SETTLE_S: the answer to the last command is given before its books are closed.
    """
    places = [place for target in targets if (place := _place(configuration, target)) is not None]
    looks = [_host(hosts / f"host{place.split(':')[0]}") for place in places]
    looks += [_disk(devices / name) for place in places for name in entries(devices) if name.startswith(f"{place}:")]
    end = time.monotonic() + SETTLE_S
    while (found := [said for look in looks if (said := look())]) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def _place(configuration: Configuration, target: Target) -> str | None:
    """`H:0:tpgt`, None where there is no such target or no host."""
    try:
        return configuration.address(target)
    except OSError:
        return None


def _host(folder: Path) -> Callable[[], str]:
    def look() -> str:
        busy = _number(folder / "host_busy")
        return f"{folder.name}: {busy} command{'s' * (busy > 1)} outstanding after the steps" if busy else ""
    return look


def _disk(folder: Path) -> Callable[[], str]:
    """Requests that neither came back nor timed out. Before iotmo_cnt (5.19) nothing tells the latter: no word then."""
    def look() -> str:
        if not (folder / "iotmo_cnt").exists():
            return ""
        sent, done, late = (_number(folder / name) for name in ("iorequest_cnt", "iodone_cnt", "iotmo_cnt"))
        if sent <= done + late:
            return ""
        return f"disk {folder.name}: {sent} requests were sent and {done} came back"
    return look


def _number(path: Path) -> int:
    """0 of a file that has gone with its device."""
    try:
        return int(read_text(path), 0)
    except OSError:
        return 0
