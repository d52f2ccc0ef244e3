"""Ten lines about a hang: which task waits where, on which lock or command, since when. Pure: facts in, lines out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.console.frames import frame_of, function_of, telling
from lab.console.line import parse_line
from lab.run import sysrq

MAX_LINES = 10
_COMMANDS, _CPUS = 3, 2  # lines for them, at most
_SHOWN_FRAMES = 4
_INNERMOST = 8
# What functions at the top of a stack wait for; the first that matches one of the innermost frames.
_WAITS = (
    ("a mutex", re.compile(r"_*mutex_lock|__ww_mutex")),
    ("a semaphore", re.compile(r"_*down(?:_|$)|rwsem_down|rwbase")),
    ("a tag of the queue", re.compile(r"blk_mq_get_tag|sbitmap_queue|scsi_mq_get_budget")),
    ("the queue's freeze", re.compile(r"blk_mq_freeze|blk_queue_enter|bio_queue_enter")),
    ("I/O", re.compile(r"io_schedule|submit_bio_wait|blk_execute_rq|bit_wait_io|folio_wait|blkdev_|dio_")),
    ("a completion", re.compile(r"wait_for_completion|(?:do_|__)?wait_for_common")),
    ("RCU", re.compile(r"synchronize_rcu|rcu_barrier|synchronize_srcu")),
)
_FOR_A_LOCK = ("for a mutex", "for a semaphore")
_REQUEST = re.compile(r"\.op=(?P<op>\w+).*?\.state=(?P<state>\w+)")
_COMMAND = re.compile(r"\.cmd=(?P<cdb>[^,]+?), \.retries=(?P<retries>\d+).*?\.timeout=(?P<timeout>\d+(?:\.\d+)?), "
                      r"allocated (?P<age>\d+(?:\.\d+)?) s ago")


@dataclass(frozen=True)
class Waiter:
    """A task that sleeps uninterruptibly. `frames` innermost first; `last_ran_s`: seconds since it last ran, where that
    is known. A wait that looks up now and then, as submit_bio_wait's, has lasted longer."""

    name: str
    pid: int
    frames: tuple[str, ...]
    last_ran_s: float | None = None

    @classmethod
    def told(cls, task: dict[str, Any]) -> Waiter:
        """From the agent's answer (wire.py, "A task")."""
        frames = [frame for line in task.get("stack", []) if (frame := frame_of(line))]
        return cls(task["name"], task["pid"], tuple(frames) or (str(task.get("wchan") or "?"),), task.get("last_ran_s"))


@dataclass(frozen=True)
class Scene:
    """All that was found out about a guest that hangs. `said`: its console since it was asked; `before`: what its own
    detectors may have reported until then."""

    agent_alive: bool
    waiters: list[Waiter]
    block: dict[str, str]
    said: str
    registers: str
    before: str = ""


def summarise(scene: Scene) -> list[str]:
    """At most MAX_LINES lines."""
    lines = _messages(scene.said)
    reported = [*_messages(scene.before), *lines]
    waiters = scene.waiters or [Waiter(*task) for task in sysrq.blocked_tasks(lines)]
    commands = list(_commands(scene.block))[:_COMMANDS]
    head = "the guest's agent still answers" if scene.agent_alive else "the guest's agent does not answer"
    number = f"{len(waiters)} task{'s wait' if len(waiters) != 1 else ' waits'} uninterruptibly"
    # Where nothing waits, something runs.
    cpus = [] if scene.agent_alive and waiters else list(sysrq.cpus(scene.registers, reported))[:_CPUS]
    told = [_waiting(waiter, reported) for waiter in _distinct(waiters)]
    return [f"{head}; {number}", *cpus, *told[:MAX_LINES - 1 - len(cpus) - len(commands)], *commands]


def _messages(console: str) -> list[str]:
    return [parse_line(0, raw.encode()).text for raw in console.splitlines()]


def _distinct(waiters: Iterable[Waiter]) -> Iterator[Waiter]:
    """One of those that wait at the same place, the one that waits longest."""
    seen = set()
    for waiter in sorted(waiters, key=lambda w: -(w.last_ran_s or 0.0)):
        if waiter.frames not in seen:
            seen.add(waiter.frames)
            yield waiter


def _waiting(waiter: Waiter, lines: list[str]) -> str:
    functions = [function_of(frame) for frame in waiter.frames]
    # What waits in the scheduler's own functions is in sysrq's stacks only, not in /proc/PID/stack.
    inner = next((frames for _, pid, frames in sysrq.blocked_tasks(lines) if pid == waiter.pid), waiter.frames)
    what = next((f"for {name}" for name, pattern in _WAITS
                 if any(pattern.match(function_of(frame)) for frame in inner[:_INNERMOST])), "")
    since = f"(last ran {waiter.last_ran_s:g} s ago)" if waiter.last_ran_s is not None else \
        sysrq.blocked_for(waiter.pid, lines)
    # Lockdep lists what a task waits for last, but only where that is a lock.
    lock = sysrq.lock_of(waiter.pid, lines) if what in _FOR_A_LOCK else ""
    owner = sysrq.owner_of(waiter.pid, lines)
    where = telling(waiter.frames, _SHOWN_FRAMES) or functions[:_SHOWN_FRAMES]
    words = [f"{waiter.name} ({waiter.pid}) waits", what, f"({lock})" if lock else "", f"({owner})" if owner else "",
             f"in {' < '.join(where)}", since]
    return " ".join(word for word in words if word)


def _commands(block: dict[str, str]) -> Iterator[str]:
    """Requests in flight, the oldest first (block/blk-mq-debugfs.c, drivers/scsi/scsi_debugfs.c)."""
    found: list[tuple[float, str]] = []
    for name, text in block.items():
        for line in text.splitlines() if name.endswith("/busy") else ():
            found += _request(name.split("/")[0], line)
    return (text for _, text in sorted(found, key=lambda f: -f[0]))


def _request(disk: str, line: str) -> Iterator[tuple[float, str]]:
    """(age in seconds, text) of one line of `busy`."""
    if command := _COMMAND.search(line):
        patience = f"timeout {float(command['timeout']):g} s, {command['retries']} retries"
        yield float(command["age"]), f"{disk}: {command['cdb']}, in flight for {command['age']} s ({patience})"
    elif request := _REQUEST.search(line):
        yield 0.0, f"{disk}: {request['op']}, {request['state']}"
