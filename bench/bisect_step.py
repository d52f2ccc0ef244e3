"""What a step of a bisection costs when a commit touches one file of drivers/target, and which part of it is the lab's.

For each round the file gets a new line; then what `lab bisect` does: name the tree, build, lay out, make the machine
ready, boot, checkpoint, run. Prints seconds of each part as medians, and `lab_share`, the share of the lab itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.cli import host
from lab.cli.execute import execute
from lab.cli.jobs import Manner, vm_jobs
from lab.cli.options import selected
from lab.kernels import headers, kbuild
from lab.kernels.build import Recipe, build_tree
from lab.kernels.kernel import Kernel
from lab.kernels.module_build import build_modules
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store
from lab.machine.vm import Engine
from lab.run.job import batch_of

FILE = "drivers/target/loopback/tcm_loop.c"


class Clock:
    """Seconds by part; what is timed inside of another part is taken off that one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        began, outer = time.monotonic(), self._open[-1] if self._open else None
        self._open.append(name)
        try:
            yield
        finally:
            spent = time.monotonic() - began
            self._open.pop()
            self.seconds[name] += spent
            if outer:
                self.seconds[outer] -= spent

    def timed(self, owner: type, method: str, name: str) -> None:
        """Time every call of a method as a part."""
        plain: Callable[..., Any] = getattr(owner, method)

        def call(*words: Any, **how: Any) -> Any:
            with self.part(name):
                return plain(*words, **how)

        setattr(owner, method, call)


def step(build: Callable[[], Kernel], words: list[str], clock: Clock, where: Path) -> None:
    """One step. AssertionError when its scenario does not pass: then it measured something else."""
    with clock.part("lab"):
        kernel = build()
        planned = vm_jobs(selected(words), [kernel], Manner())
        one = planned[0].guests
        assert isinstance(one, Engine)
        with clock.part("boot and checkpoint"):
            one.prepare()
        done = execute([batch_of(planned)], where, width=1)
    assert all(r.outcome.value == "pass" for r in done.results), [r.summary for r in done.results]
    ran = sum(r.seconds for r in done.results)  # from the fork to its end
    clock.seconds["lab"] -= ran
    clock.seconds["scenario"] += ran


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, help="kernel sources; default: a copy of source:6.12")
    parser.add_argument("--modules-of", help="debian:VERSION: build only drivers/target, for this kernel")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("scenarios", nargs="*", default=["read-capacity"])
    given = parser.parse_args()
    store, clock = Store.default(), Clock()
    clock.timed(kbuild.Kbuild, "configure", "make")
    clock.timed(kbuild.Kbuild, "make", "make")
    clock.timed(headers.Headers, "make", "make")
    with tempfile.TemporaryDirectory(prefix="bisect-step-", dir="/var/tmp") as temporary:
        tree = Path(temporary) / "linux"
        shutil.copytree(given.tree or source_tree("6.12", store, host.say), tree, symlinks=True)
        build = (lambda: build_modules(tree, given.modules_of, store, host.say)) if given.modules_of else \
            (lambda: build_tree(tree, Recipe(), store, host.say))
        build()  # cold: not a step
        rounds = []
        for number in range(given.rounds):
            (tree / FILE).write_text((tree / FILE).read_text() + f"/* {time.time_ns()} */\nint lab_{number}_dummy;\n")
            clock.seconds.clear()
            step(build, given.scenarios, clock, Path(temporary) / f"runs-{number}")
            rounds.append(dict(clock.seconds))
    parts = {name: round(statistics.median(r[name] for r in rounds), 2) for name in rounds[0]}
    whole = sum(parts.values())
    print(json.dumps({**parts, "seconds": round(whole, 2), "lab_share": round(parts["lab"] / whole, 3)}, indent=1))


if __name__ == "__main__":
    main()
