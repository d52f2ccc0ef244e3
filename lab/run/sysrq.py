"""What the kernel says when sysrq or its own detectors ask it: tasks, their locks, where the CPUs are. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.console.frames import frame_of, function_of, telling

_TASK = re.compile(r"task:(?P<name>.{1,32}?)\s+state:(?P<state>\w)\s.*?\bpid:\s*(?P<pid>\d+)")
_HUNG = re.compile(r"INFO: task .{1,32}:(?P<pid>\d+) (?:is )?blocked .*?more than (?P<seconds>\d+) seconds")
_OWNER = re.compile(
    r"INFO: task .{1,32}:(?P<pid>\d+)(?: <\w+>)? (?:is )?blocked on an? "
    r"(?P<owner>[\w-]{1,20} likely (?:last )?(?:owned|held) by .{1,80})")
_HOLDS = re.compile(r"\d+ locks? held by (?P<name>.{1,32})/(?P<pid>\d+)")
_LOCK = re.compile(r" ?#\d+: \S+ \((?P<lock>.+?)\)\{")
_CPU = re.compile(r"CPU#(?P<cpu>\d+).*?RIP=(?P<rip>[0-9a-f]+) RFL=(?P<flags>[0-9a-f]+).*?HLT=(?P<halted>\d)", re.DOTALL)
_BACKTRACE = re.compile(r"NMI backtrace for cpu (?P<cpu>\d+)|CPU: (?P<other>\d+) (?:UID: \d+ )?PID: ")
_RIP = re.compile(r"RIP: 00(?!33)[0-9a-f]{2}:(?P<frame>\S+\+0x\S+)")
_SHOWN_FRAMES, _MOST_FRAMES = 4, 32
_IDLE = re.compile(r"(?:default|pv_native_safe|native_safe|acpi|mwait|intel|poll)_?\w*(?:idle|halt)|arch_cpu_idle")
_INTERRUPTS = 1 << 9  # IF of EFLAGS


def blocked_tasks(lines: list[str]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """(name, pid, frames innermost first) of those that sysrq-w listed (kernel/sched/core.c, sched_show_task)."""
    name, pid, frames = "", 0, list[str]()
    for line in [*lines, "task:end state:R pid: 0"]:
        if task := _TASK.match(line):
            if pid:
                yield name, pid, tuple(frames)
            name, frames = task["name"], []
            pid = int(task["pid"]) if task["state"] == "D" else 0
        elif pid and (frame := frame_of(line)):
            frames.append(frame)


def blocked_for(pid: int, lines: list[str]) -> str:
    """What the hung-task detector knows of a task: `for more than 45 s`, or nothing."""
    found = [m["seconds"] for line in lines if (m := _HUNG.match(line)) and int(m["pid"]) == pid]
    return f"for more than {found[-1]} s" if found else ""


def lock_of(pid: int, lines: list[str]) -> str:
    """The name of the lock that a task waits for, which lockdep lists last among what it holds, or nothing."""
    name, mine = "", False
    for line in lines:
        if held := _HOLDS.match(line):
            mine = int(held["pid"]) == pid
        elif mine and (lock := _LOCK.match(line)):
            name = lock["lock"]
        elif not line.strip():
            mine = False
    return name


def owner_of(pid: int, lines: list[str]) -> str:
    """`mutex likely owned by task fio:612`, which hung-task reports say from 6.16 on, or nothing."""
    return next((m["owner"].rstrip(".") for line in lines if (m := _OWNER.match(line)) and int(m["pid"]) == pid), "")


def cpus(registers: str, lines: list[str]) -> Iterator[str]:
    """Where each CPU is: by the kernel's last backtrace of it if there is one, else by QEMU's `info registers -a`."""
    stacks = _backtraces(lines)
    for match in _CPU.finditer(registers):
        number, halted = int(match["cpu"]), match["halted"] == "1"
        off = "" if int(match["flags"], 16) & _INTERRUPTS else ", with interrupts off"
        stack = stacks.get(number, [])
        functions = telling(stack, _SHOWN_FRAMES) or [function_of(frame) for frame in stack[:1]]
        where = " < ".join(functions) or f"RIP {match['rip']}"
        idle = (halted and not off) or any(_IDLE.match(frame) for frame in stack[:1])
        yield f"CPU {number} is {'idle' if idle else 'at ' + where + off}"


def _backtraces(lines: list[str]) -> dict[int, list[str]]:
    """CPU -> the frames where it was caught, innermost first: what the NMI itself has put on its stack is left out."""
    stacks: dict[int, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if begin := _BACKTRACE.search(line):
            current = stacks[int(begin["cpu"] or begin["other"])] = []
        elif rip := _RIP.match(line):
            current += [rip["frame"]] if not current else []
        elif line.strip() == "</NMI>":
            current[1:] = []
        elif (frame := frame_of(line)) and len(current) < _MOST_FRAMES:
            current.append(frame)
    return stacks
