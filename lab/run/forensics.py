"""Asks a guest that hangs what it waits for, keeps every answer in the run directory, and sums them up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from lab.machine.growing import size_of, tail_of
from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout
from lab.run.hang import Scene, Waiter, summarise
from lab.run.record import Recorder

_CONSOLE_BYTES = 4 << 20  # of what sysrq and NMI made the kernel say
_BEFORE_BYTES = 256 << 10


class Hanging(Protocol):
    """What is needed of a guest that hangs."""

    link: Link

    def forensics(self, *, agent_alive: bool, core: Path | None, watch: Callable[[], None]) -> dict[str, str]: ...


def ask(guest: Hanging, recorder: Recorder, *, agent_alive: bool, deadline_s: float, core: Path | None,
        watch: Callable[[], None]) -> None:
    """artifacts/: tasks, LIO, block layer, memory from the agent; registers, stacks, the core from QEMU; summary.txt.

    Every question is bounded in time and none stops another; `watch` may raise to end them. OSError when the disk is
    full.
    """
    console = recorder.directory / "console.log"
    before = size_of(console)
    told = _diagnosis(guest.link, deadline_s) if agent_alive else {}
    _keep_diagnosis(recorder, told)
    from_qemu = guest.forensics(agent_alive=agent_alive, core=core, watch=watch)
    for name, text in from_qemu.items():
        recorder.artifact(name, text)
    grown = min(_CONSOLE_BYTES, size_of(console) - before)
    both = tail_of(console, grown + _BEFORE_BYTES)
    halves = both[:len(both) - grown], both[len(both) - grown:]
    early, said = (half.decode(errors="backslashreplace") for half in halves)
    scene = Scene(agent_alive, [Waiter.told(task) for task in told.get("tasks", [])], told.get("block", {}), said,
                  from_qemu.get("registers.txt", ""), early)
    recorder.artifact("summary.txt", "".join(f"{line}\n" for line in summarise(scene)))


def _diagnosis(link: Link, deadline_s: float) -> dict[str, Any]:
    with contextlib.suppress(LinkLost, LinkTimeout, AgentFailed):
        return _sound(link.request("diagnose", deadline_s=deadline_s))
    return {}


def _sound(told: dict[str, Any]) -> dict[str, Any]:
    """As much of the agent's answer as has the form that wire.py gives it: such a guest may have corrupted memory."""
    tasks = [t for t in told["tasks"] if isinstance(t, dict) and isinstance(t.get("name"), str)
             and isinstance(t.get("pid"), int)] if isinstance(told.get("tasks"), list) else []
    texts = {name: {str(k): str(v) for k, v in found.items()} for name in ("lio", "block", "memory")
             if isinstance(found := told.get(name), dict)}
    return {"tasks": [{**t, "stack": [str(x) for x in t.get("stack") or ()], "wchan": str(t.get("wchan") or ""),
                       "last_ran_s": _number(t.get("last_ran_s"))} for t in tasks], **texts}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _keep_diagnosis(recorder: Recorder, told: dict[str, Any]) -> None:
    for name in ("lio", "block", "memory"):
        if texts := told.get(name):
            recorder.artifact(f"{name}.txt", "".join(f"== {what}\n{text}\n" for what, text in sorted(texts.items())))
    if "tasks" in told:
        recorder.artifact("tasks.txt", "\n".join(_task(task) for task in told["tasks"]))


def _task(task: dict[str, Any]) -> str:
    since = f" (last ran {task['last_ran_s']:g} s ago)" if task.get("last_ran_s") is not None else ""
    stack = "".join(f"  {frame}\n" for frame in task.get("stack", []))
    return f"{task['name']} ({task['pid']}) waits uninterruptibly in {task.get('wchan') or '?'}{since}\n{stack}"
