"""What QEMU can tell of a guest that hangs or has died, over QMP; all bounded in time."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.machine.growing import said_since, size_of
from lab.machine.qmp import Qmp, QmpFailed
from lab.wire import SYSRQ_KEYS

Watch = Callable[[], None]
_MONITOR = {"registers.txt": ("info registers -a",), "status.txt": ("info status", "info cpus", "info network"),
            "irq.txt": ("info irq", "info pic", "info lapic")}
_CPU = re.compile(r"CPU#(?P<cpu>\d+).*?RSP=(?P<rsp>[0-9a-f]+).*?RIP=(?P<rip>[0-9a-f]+)", re.DOTALL)
_COMMAND_S = 5.0
_DUMP_S = 120.0
_STACK_WORDS = 96
_ANSWERS_BYTES = 16 << 20
_QUIET_S, _LOUD_S = 1.0, 8.0  # a report is over when the console was still for so long; how long one may take
_NMI_WORDS_S = 10.0  # for the kernel to print what the NMI finds, also on a busy host; ends with the guest


def ask_by_keyboard(qmp: Qmp, console: Path, watch: Watch) -> str:
    """Press Alt-SysRq-w, l, d and t, for a kernel whose agent is dead; one sentence about what came of it. `watch` is
    called while it waits, and may raise to end it."""
    before = size_of(console)
    try:
        for key in SYSRQ_KEYS:
            keys = [{"type": "qcode", "data": code} for code in ("alt", "sysrq", key)]
            qmp.execute("send-key", {"keys": keys}, deadline_s=_COMMAND_S)
            _until_quiet(console, watch)
    except QmpFailed as error:
        return f"no keys could be sent: {error}"
    answers = said_since(console, before, _ANSWERS_BYTES).count(b"sysrq: ")
    return f"the kernel answered {answers} of the keyboard's sysrq keys" if answers else \
        "the kernel did not answer the keyboard's sysrq"


def collect(qmp: Qmp, watch: Watch) -> dict[str, str]:
    """File name -> text: registers of all CPUs, and the code and stack where each is. What QEMU refuses is said."""
    found = {}
    for name, commands in _MONITOR.items():
        watch()
        found[name] = "".join(_monitor(qmp, command) for command in commands)
    watch()
    return {**found, "stacks.txt": _stacks(qmp, found["registers.txt"])}


def dump_core(qmp: Qmp, path: Path) -> str:
    """Write the guest's memory as an ELF core that crash and drgn open; one sentence about what came of it."""
    try:
        # paging=false: physical memory, with the kernel's own VMCOREINFO note where fw_cfg carried it out.
        qmp.execute("dump-guest-memory", {"paging": False, "protocol": f"file:{path}"}, deadline_s=_DUMP_S)
    except QmpFailed as error:
        path.unlink(missing_ok=True)
        return f"no core was written: {error}"
    with contextlib.suppress(LabError):  # half a gigabyte that is mostly zeros; else it stays as large as it is
        process.run([process.find("fallocate", "util-linux"), "--dig-holes", path], timeout_s=_DUMP_S, check=False)
    return f"the guest's memory is in {path}"


def interrupt(qmp: Qmp, ended: Callable[[], bool]) -> str:
    """An NMI, for the words of a kernel that hears nothing else; one sentence about what came of it."""
    try:
        qmp.execute("inject-nmi", deadline_s=_COMMAND_S)
    except QmpFailed as error:
        return f"no NMI could be sent: {error}"
    end = time.monotonic() + _NMI_WORDS_S
    while time.monotonic() < end and not ended():
        time.sleep(0.05)
    return "an NMI was sent; what the kernel said is at the end of the console"


def _monitor(qmp: Qmp, command: str) -> str:
    try:
        answer = qmp.execute("human-monitor-command", {"command-line": command}, deadline_s=_COMMAND_S)
    except QmpFailed as error:
        return f"{command}: not to be had: {error}\n"
    return str(answer).replace("\r\n", "\n")


def _stacks(qmp: Qmp, registers: str) -> str:
    """The next instructions and the stack's top of every CPU in `info registers -a`."""
    parts = []
    for cpu in _CPU.finditer(registers):
        commands = f"cpu {cpu['cpu']}", f"x/12i 0x{cpu['rip']}", f"x/{_STACK_WORDS}gx 0x{cpu['rsp']}"
        parts.append(f"== CPU {cpu['cpu']}\n" + "".join(_monitor(qmp, command) for command in commands))
    return "\n".join(parts)


def _until_quiet(console: Path, watch: Watch) -> None:
    """Wait until the console has not grown for a moment."""
    end, seen, since = time.monotonic() + _LOUD_S, size_of(console), time.monotonic()
    while time.monotonic() < min(end, since + _QUIET_S):
        watch()
        time.sleep(0.05)
        if (size := size_of(console)) != seen:
            seen, since = size, time.monotonic()
