"""What QEMU can tell of a guest that hangs, over QMP; all bounded in time."""

from __future__ import annotations

import time

from lab.machine.qmp import Qmp, QmpFailed

_MONITOR = {"registers.txt": "info registers -a", "cpus.txt": "info cpus", "status.txt": "info status"}
_NMI_WORDS_S = 1.0  # for the kernel to print what the NMI finds


def collect(qmp: Qmp) -> dict[str, str]:
    """File name -> text: registers of all CPUs, then an NMI. What QEMU refuses is said in the text."""
    found = {}
    for name, command in _MONITOR.items():
        try:
            found[name] = str(qmp.execute("human-monitor-command", {"command-line": command}, deadline_s=5))
        except QmpFailed as error:
            found[name] = f"not to be had: {error}\n"
    try:
        qmp.execute("inject-nmi", deadline_s=5)
        time.sleep(_NMI_WORDS_S)
    except QmpFailed as error:
        found["nmi.txt"] = f"not sent: {error}\n"
    return found
