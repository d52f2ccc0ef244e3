"""How long the host kept a guest from running, although it wanted to: what makes a slow guest no hung one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path


class Starvation:
    """Watches the threads of one process, a QEMU with its virtual CPUs; without a process there is nothing to see."""

    def __init__(self, pid: int | None = None) -> None:
        self._tasks = Path(f"/proc/{pid}/task") if pid is not None else None

    def waited(self) -> dict[str, float]:
        """Thread id -> seconds that it has waited for a CPU so far (Documentation/scheduler/sched-stats.rst: the
        second number of schedstat, in ns). Empty for a process that is gone and for a host that does not count."""
        found = {}
        if self._tasks is not None:
            with contextlib.suppress(OSError):
                for task in self._tasks.iterdir():
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        found[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
        return found

    def since(self, before: Mapping[str, float]) -> float:
        """Seconds that the worst-off thread has waited since `before`, what `waited` said then."""
        return max((now - before.get(thread, 0.0) for thread, now in self.waited().items()), default=0.0)
