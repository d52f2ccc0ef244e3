"""Why does nothing go on? Answered at any time, within a bound, whatever else hangs."""

from __future__ import annotations

import contextlib
import functools
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.guest.configfs import entries, read_text
from lab.wire import SYSRQ_KEYS

BOUND_S = 6.0
_FILES = ("enable", "info", "address", "nexus", "transport_status", "alua_tg_pt_gp", "alua_access_state",
          "alua_access_status", "res_holder", "res_pr_holder_tg_port", "res_pr_registered_i_pts")
_HCTX = ("state", "busy", "dispatch", "tags", "sched_tags", "flags")
_DEBUG_BLOCK = Path("/sys/kernel/debug/block")
_MEMORY = ("/proc/meminfo", "/proc/slabinfo", "/proc/buddyinfo", "/proc/loadavg", "/proc/uptime")
_LOCKDEP = Path("/proc/lockdep")  # without it sysrq-d is no key
_LIO_APART = 3  # core/iblock_0/disk, loopback/WWN/tpgt_1
_LONGEST = 65536  # characters of one file
Found = dict[str, str]


def diagnose(root: Path) -> dict[str, Any]:
    """wire.py, `diagnose`. What does not answer in time is left out."""
    tasks: list[dict[str, Any]] = []
    found: dict[str, Found] = {"lio": {}, "block": {}, "memory": {}}
    errands = _Errands()
    for part in (lambda: _tasks(tasks), lambda: _disks(found["block"]), lambda: _hctx(found["block"]),
                 lambda: _memory(found["memory"]), _sysrq, lambda: _lio(root, root, found["lio"], errands)):
        errands.send(part)
    errands.wait(BOUND_S)
    return {"tasks": list(tasks), **{name: dict(list(texts.items())) for name, texts in found.items()}}


class _Errands:
    """Threads that nobody waits for longer than agreed: whatever hangs the guest may hang any of them."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def send(self, errand: Callable[[], None]) -> None:
        thread = threading.Thread(target=errand, daemon=True)
        self._threads.append(thread)
        thread.start()

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(thread.is_alive() for thread in list(self._threads)):
            time.sleep(0.01)


# -- tasks ---------------------------------------------------------------------------------------------------------


def _tasks(found: list[dict[str, Any]]) -> None:
    """Every task that sleeps uninterruptibly, the longest first."""
    clock_ms = _last_ran_ms(Path("/proc/thread-self"))
    waiting = []
    for task in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            stat = (task / "stat").read_text(errors="replace")
            if stat[stat.rfind(")") + 2] == "D":
                waiting.append(_task(task, stat[stat.find("(") + 1:stat.rfind(")")], clock_ms))
    found += sorted(waiting, key=lambda t: -(t["last_ran_s"] or 0.0))


def _task(task: Path, name: str, clock_ms: float | None) -> dict[str, Any]:
    ran_ms = _last_ran_ms(task)
    last_ran_s = None if clock_ms is None or ran_ms is None else round(max(0.0, clock_ms - ran_ms) / 1000, 1)
    stack = [line.partition("] ")[2] for line in _read(task / "stack").splitlines()]
    return {"name": name, "pid": int(task.name), "state": "D", "wchan": _read(task / "wchan"), "stack": stack,
            "last_ran_s": last_ran_s}


def _last_ran_ms(task: Path) -> float | None:
    """When it ran last, in ms of the scheduler's clock (kernel/sched/debug.c, exec_start): of the reader it is now."""
    match = re.search(r"^se\.exec_start\s*:\s*([\d.]+)", _read(task / "sched"), re.MULTILINE)
    return float(match[1]) if match else None


# -- disks and targets -----------------------------------------------------------------------------------------------


def _disks(found: Found) -> None:
    base = Path("/sys/bus/scsi/devices")
    for address in (name for name in entries(base) if name[0].isdigit()):
        for name in ("state", "timeout", "queue_depth", "device_busy", "iorequest_cnt", "iodone_cnt", "ioerr_cnt"):
            _keep(found, f"scsi {address}/{name}", base / address / name)
        for disk in entries(base / address / "block"):
            _keep(found, f"scsi {address}/in_flight ({disk})", base / address / "block" / disk / "inflight")
    hosts = Path("/sys/class/scsi_host")
    for host in entries(hosts):
        for name in ("state", "host_busy", "eh_deadline"):
            _keep(found, f"scsi {host}/{name}", hosts / host / name)


def _hctx(found: Found) -> None:
    """blk-mq's own view of each queue that is not idle (block/blk-mq-debugfs.c): `busy` has a line for each request."""
    for queue in sorted(_DEBUG_BLOCK.glob("*/hctx*")):
        if (busy := _read(queue / "busy")) or _read(queue / "dispatch"):
            where = f"{queue.parent.name}/{queue.name}"
            found[f"{where}/busy"] = busy
            for name in _HCTX:
                _keep(found, f"{where}/{name}", queue / name)


def _lio(root: Path, place: Path, found: Found, errands: _Errands) -> None:
    """LIO's tree. A directory that is being removed holds up whoever reads it or its parent: each of the upper ones
    has an errand of its own."""
    for name in entries(place):
        path = place / name
        if path.is_dir() and not path.is_symlink():
            if len(path.relative_to(root).parts) <= _LIO_APART:
                errands.send(functools.partial(_lio, root, path, found, errands))
            else:
                _lio(root, path, found, errands)
        elif name in _FILES or "statistics" in place.parts:
            _keep(found, f"{place.relative_to(root)}/{name}", path)
    found.setdefault(f"{place.relative_to(root)}/", "")


# -- the rest --------------------------------------------------------------------------------------------------------


def _memory(found: Found) -> None:
    for name in _MEMORY:
        _keep(found, name, Path(name))


def _keep(found: Found, name: str, path: Path) -> None:
    with contextlib.suppress(OSError):
        found[name] = read_text(path)[:_LONGEST]


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()[:_LONGEST]
    return ""


def _sysrq() -> None:
    for key in SYSRQ_KEYS if _LOCKDEP.exists() else SYSRQ_KEYS.replace("d", ""):
        with contextlib.suppress(OSError), open("/proc/sysrq-trigger", "w") as file:
            file.write(key)
