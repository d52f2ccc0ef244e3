"""Which worker does what next: boots of some kernels beside runs of others, the longest runs first."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lab.run.job import Job

_LOOK_S = 0.1
_GUEST_MIB = 512  # an ordinary guest


def weight_of(job: Job) -> int:
    """The memory of its guest, in ordinary guests."""
    return max(1, job.plan.memory_mib // _GUEST_MIB) if job.needs_guest else 0


@dataclass(frozen=True)
class Task:
    """What a worker is to do: a run, or (`prepare`) a kernel's checkpoint, of which `job` is any run."""

    job: Job
    prepare: bool = False


@dataclass
class _Line:
    """The jobs of one kernel that wait, the next one last."""

    jobs: list[Job] = field(default_factory=list)
    state: str = "cold"  # then preparing, ready


class Schedule:
    """Shared by the workers of a session; jobs may be added while they work, until `close`.

    A kernel that is not ready is prepared when nothing else can be done, and beside runs by all workers but one: so
    results come early and no worker waits for a boot. `estimate`: seconds that a job takes; equal ones go in the order
    in which they were added. `room`: how many ordinary guests fit into memory, None for any number; one always fits.
    """

    def __init__(self, width: int, estimate: Callable[[Job], float], room: int | None = None) -> None:
        self._width, self._estimate, self._room = width, estimate, room
        self._free: deque[Job] = deque()  # need no guest
        self._lines: dict[str, _Line] = {}
        self._rank: dict[int, tuple[float, int]] = {}
        self._used = self._preparing = self._added = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, jobs: Iterable[Job]) -> None:
        """More jobs. Those that are to boot for themselves make no checkpoint."""
        with self._changed:
            for job in jobs:
                self._added += 1
                if not job.needs_guest:
                    self._free.append(job)
                    continue
                line = self._lines.setdefault(job.plan.kernel.name, _Line())
                line.state = "ready" if job.plan.fresh_boot else line.state
                self._rank[id(job)] = self._estimate(job), -self._added
                line.jobs.append(job)
            for line in self._lines.values():
                line.jobs.sort(key=lambda j: self._rank[id(j)])
            self._changed.notify_all()

    def close(self) -> None:
        """No more jobs will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def take(self, stop: Callable[[], bool]) -> Task | None:
        """The next task, waited for; None when there is nothing more to do. Once `stop` is true, only jobs, in any
        order: they will not be carried out."""
        with self._changed:
            while True:
                if (task := self._next(stopping=stop())) is not None:
                    self._used += weight_of(task.job)
                    self._preparing += task.prepare
                    return task
                if self._closed and not self._free and not any(line.jobs for line in self._lines.values()):
                    return None
                self._changed.wait(_LOOK_S)

    def done(self, task: Task) -> None:
        """The task has ended; a kernel that was prepared is ready, whatever came of it."""
        with self._changed:
            self._used -= weight_of(task.job)
            if task.prepare:
                self._preparing -= 1
                self._lines[task.job.plan.kernel.name].state = "ready"
            self._changed.notify_all()

    def give_up(self, kernel: str) -> list[Job]:
        """Take out all jobs of a kernel, in their order."""
        with self._changed:
            line = self._lines[kernel]
            left, line.jobs = line.jobs[::-1], []
            return left

    def _next(self, *, stopping: bool) -> Task | None:
        if self._free:
            return Task(self._free.popleft())
        waiting = [line for line in self._lines.values() if line.jobs]
        if stopping:
            return Task(waiting[0].jobs.pop()) if waiting else None
        ready = [line for line in waiting if line.state == "ready" and self._fits(line.jobs[-1])]
        cold = next((line for line in waiting if line.state == "cold" and self._fits(line.jobs[-1])), None)
        if cold is not None and (not ready or self._preparing < self._width - 1):
            cold.state = "preparing"
            return Task(cold.jobs[-1], prepare=True)
        if not ready:
            return None
        return Task(max(ready, key=lambda line: self._rank[id(line.jobs[-1])]).jobs.pop())

    def _fits(self, job: Job) -> bool:
        return self._room is None or self._used == 0 or self._used + weight_of(job) <= self._room
