"""How long a bisection over stock kernels takes, with an empty store and again, and where the time goes.

    python bench/package_bisect.py [--good 6.12.117] [--bad 6.12.43] [--scenario unmap-out-of-range] [--store DIR]

It looks for what fixed a bug, by halving, over every stock kernel between the ends; each kernel is run once by the
real command. Cold: an empty store. Warm: the same again. Fetch is apt's work (lists and package), unpack dpkg's and
depmod's, boot the image, the module disk and the boot to the checkpoint, run one `lab run` in a fork.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lab.bisect.asked import Asked  # noqa: E402
from lab.bisect.package_choice import package_subject  # noqa: E402
from lab.bisect.packages import PackageSubject  # noqa: E402
from lab.cli.host import ready  # noqa: E402
from lab.errors import LabError  # noqa: E402
from lab.kernels.store import Store  # noqa: E402

PHASES = ("fetch", "unpack", "boot", "run", "changelog")
_RUN_DEADLINE_S = 600
_LEAST = 15


@dataclass
class Clock:
    """Seconds by phase."""

    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))

    @contextmanager
    def of(self, phase: str) -> Iterator[None]:
        """Count the block's time."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.spent[phase] += time.monotonic() - begin


def is_red(subject: PackageSubject, position: int | None, scenario: str, clock: Clock) -> bool:
    """Whether the candidate fails the scenario; LabError when that could not be told."""
    said: dict[str, float] = {}

    def say(line: str) -> None:
        said.setdefault(line.split()[0], time.monotonic())

    begin = time.monotonic()
    kernel = subject.kernel(position, say)
    end = time.monotonic()
    unpacking = said.get("unpacking", end)
    clock.spent["fetch"] += unpacking - begin
    clock.spent["unpack"] += end - unpacking
    with clock.of("boot"):
        ready(kernel, subject.store, say=lambda _: None).engine.prepare()
    with clock.of("run"), tempfile.TemporaryDirectory() as results:
        done = subprocess.run([sys.executable, "-m", "lab", "run", scenario, "-k", kernel.spec, "-j", "1", "--no-known",
                               "--results", results], capture_output=True, text=True, timeout=_RUN_DEADLINE_S, cwd=ROOT,
                              env={**os.environ, "LAB_STORE": str(subject.store.root)}, check=False)
    if done.returncode not in (0, 1):
        raise LabError(f"{kernel.name} gave no answer: {done.stderr[-300:]}")
    print(f"  {subject.title(position):45} {'red' if done.returncode else 'green':5} "
          + " ".join(f"{name} {seconds:.0f}" for name, seconds in clock.spent.items()), file=sys.stderr, flush=True)
    return done.returncode == 1


def bisect(good: str, bad: str, scenario: str, store: Store) -> dict[str, object]:
    """One bisection for a fix: its answer, the kernels it ran, and where the time went."""
    clock, begin = Clock(), time.monotonic()
    with clock.of("fetch"):
        subject = package_subject(good, bad, store, find_fix=True)
    count = len(subject.history)
    if not is_red(subject, None, scenario, clock) or is_red(subject, count - 1, scenario, clock):
        raise LabError("the old end has to be red and the new one green")
    low, high, tested = -1, count - 1, 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_red(subject, middle, scenario, clock) else (low, middle)
        tested += 1
    with clock.of("changelog"):
        text = subject.epilogue([high], Asked(good=good, bad=bad, find_fix=True, scenarios=(scenario,)))
    print(text, file=sys.stderr)
    return {"seconds": round(time.monotonic() - begin, 1), "kernels": count + 1, "tested": tested,
            "answer": subject.history.names[high], "phases": {k: round(v, 1) for k, v in clock.spent.items()}}


def shares(measured: dict[str, object]) -> str:
    phases: dict[str, float] = measured["phases"]  # type: ignore[assignment]
    whole = sum(phases.values())
    return "  ".join(f"{name} {seconds:6.1f} s ({seconds / whole:4.0%})" for name, seconds in phases.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", default="6.12.117")
    parser.add_argument("--bad", default="6.12.43")
    parser.add_argument("--scenario", default="unmap-out-of-range")
    parser.add_argument("--store", type=Path, help="an empty directory; default: one in the temporary directory")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(dir=options.store) as directory:
            store = Store(Path(directory))
            cold = bisect(options.good, options.bad, options.scenario, store)
            warm = bisect(options.good, options.bad, options.scenario, store)
    except LabError as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    count, tested = int(str(cold["kernels"])), int(str(cold["tested"]))
    ratio = float(str(cold["seconds"])) / float(str(warm["seconds"]))
    for name, measured in (("cold", cold), ("warm", warm)):
        print(f"{name}: {measured['seconds']} s for {tested} of {count} kernels, first fixed {measured['answer']}")
        print(f"      {shares(measured)}")
    print(f"ratio cold/warm {ratio:.1f}; all kernels instead of {tested}: {count / tested:.1f} times as many "
          f"(log2 of {count} is {math.log2(count):.1f})")
    print(json.dumps({"program": "package_bisect", "ratio": round(ratio, 2), "cold": cold, "warm": warm}))
    if cold["answer"] != warm["answer"] or count < _LEAST:
        print(f"not measured: two answers, or fewer than {_LEAST} kernels", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
