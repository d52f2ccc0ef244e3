"""Why does nothing go on? Answered at any time, within a bound, whatever else hangs."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.guest.configfs import entries, read_text

BOUND_S = 5.0
_FILES = ("enable", "info", "address", "nexus", "transport_status", "alua_tg_pt_gp", "alua_access_state",
          "alua_access_status", "res_holder", "res_pr_holder_tg_port", "res_pr_registered_i_pts")


def diagnose(root: Path) -> dict[str, Any]:
    """{"lio": {path: text}, "tasks": text}; sysrq w and t go to the kernel log. What does not answer is left out."""
    lio: dict[str, str] = {}
    tasks: list[str] = []
    parts: list[Callable[[], None]] = [lambda: _tasks(tasks), lambda: _disks(lio), lambda: _lio(root, lio), _sysrq]
    # A read below configfs can wait for a mutex that the hung task holds: each part in a thread of its own.
    threads = [threading.Thread(target=part, daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    end = time.monotonic() + BOUND_S
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {"lio": dict(list(lio.items())), "tasks": "\n".join(list(tasks))}


def _tasks(found: list[str]) -> None:
    for task in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            stat = (task / "stat").read_text(errors="replace")
            comm, state = stat[stat.find("(") + 1:stat.rfind(")")], stat[stat.rfind(")") + 2]
            if state != "D":
                continue
            with contextlib.suppress(OSError):
                waits = (task / "wchan").read_text()
            stack = ""
            with contextlib.suppress(OSError):
                stack = (task / "stack").read_text().rstrip()
            found.append(f"{comm} ({task.name}) waits uninterruptibly in {waits or '?'}\n{stack}".rstrip())


def _disks(found: dict[str, str]) -> None:
    base = Path("/sys/bus/scsi/devices")
    for address in (name for name in entries(base) if name[0].isdigit()):
        for name in ("state", "timeout", "queue_depth", "iorequest_cnt", "iodone_cnt", "ioerr_cnt"):
            with contextlib.suppress(OSError):
                found[f"scsi {address}/{name}"] = read_text(base / address / name)
        for disk in entries(base / address / "block"):
            with contextlib.suppress(OSError):
                found[f"scsi {address}/in_flight ({disk})"] = read_text(base / address / "block" / disk / "inflight")


def _lio(root: Path, found: dict[str, str]) -> None:
    for folder, _, names in os.walk(root):
        where = os.path.relpath(folder, root)
        found.setdefault(where + "/", "")
        for name in sorted(set(names) & set(_FILES)):
            with contextlib.suppress(OSError):
                found[f"{where}/{name}"] = read_text(Path(folder) / name)


def _sysrq() -> None:
    for key in "wt":
        with contextlib.suppress(OSError), open("/proc/sysrq-trigger", "w") as file:
            file.write(key)
