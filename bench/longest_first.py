"""What it gains that the longest runs begin first: the same runs in file order and longest first, guests side by side.

Usage: python bench/longest_first.py [-k KERNEL] [-j 2] [--rounds 2] [SCENARIO|TAG|FILE]... A first pass measures every
run; then each round times both orders, one after the other, and which goes first changes. Beside it stands what the
measured durations give for 2 to 16 guests when nothing disturbs them. Prints a table and, as its last line, one JSON
object. Exit: 0 measured, 1 not.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from lab.cli.jobs import Manner, vm_jobs  # noqa: E402
from lab.cli.options import selected  # noqa: E402
from lab.errors import LabError  # noqa: E402
from lab.kernels.resolve import default_spec  # noqa: E402
from lab.run.durations import Durations  # noqa: E402
from lab.run.job import Job  # noqa: E402
from lab.run.session import Session  # noqa: E402

_WIDTHS = (2, 4, 8, 16)


def timed(jobs: list[Job], width: int, durations: Durations | None) -> tuple[float, dict[str, float]]:
    """Wall-clock seconds of all jobs, and of each. Without durations they go in the order of the files."""
    with tempfile.TemporaryDirectory(prefix="longest-first-") as tmp:
        session, began = Session(Path(tmp), width, durations=durations), time.monotonic()
        took = {p.plan.id: p.result.seconds for p in session.run(jobs) if p.result is not None}
        return time.monotonic() - began, took


def makespan(seconds: Sequence[float], width: int) -> float:
    """When the last run ends if each begins as soon as a guest is free, in this order."""
    free = [0.0] * width
    for one in seconds:
        heapq.heappush(free, heapq.heappop(free) + one)
    return max(free)


def known(took: dict[str, float], jobs: list[Job]) -> Durations:
    """The durations of a pass, as a session remembers them; nothing is written."""
    seconds = {f"{j.plan.id} {j.plan.environment.accelerator} {j.plan.environment.slowdown:g}": took[j.plan.id]
              for j in jobs}
    return Durations(None, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description="Longest first against file order.")
    parser.add_argument("-k", dest="kernel", default=default_spec())
    parser.add_argument("-j", dest="width", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    jobs = vm_jobs(selected(asked.words), [asked.kernel], Manner())
    _, took = timed(jobs, asked.width, None)
    orders = {"file order": None, "longest first": known(took, jobs)}
    walls: dict[str, list[float]] = {name: [] for name in orders}
    for number in range(asked.rounds):
        for name in sorted(orders, reverse=bool(number % 2)):
            walls[name].append(timed(jobs, asked.width, orders[name])[0])
            print(f"round {number + 1}: {name:<14}{walls[name][-1]:8.1f} s", flush=True)
    ratio = statistics.median(a / b for a, b in zip(walls["file order"], walls["longest first"], strict=True))
    print(f"\n{len(jobs)} runs, {asked.width} side by side: file order takes {ratio:.2f} times as long, measured")
    seconds = list(took.values())
    in_files = [took[j.plan.id] for j in jobs]
    computed = {w: makespan(in_files, w) / makespan(sorted(seconds, reverse=True), w) for w in _WIDTHS}
    for width, gain in computed.items():
        print(f"{width:>2} side by side: {gain:.2f} times as long, computed from the durations of the runs")
    print(json.dumps({"runs": len(jobs), "width": asked.width, "ratio": round(ratio, 3), "walls_s": walls,
                      "computed": {w: round(gain, 3) for w, gain in computed.items()}}))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"longest_first: {error}", file=sys.stderr)
        sys.exit(1)
