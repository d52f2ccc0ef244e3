"""Simulated searches against `git bisect` with a fixed number of repeats: runs, candidates built, and how often right.

    python bench/search.py [SEARCHES] [CANDIDATES]      default 400 searches of 200 candidates for each row
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/unit"))

from search_histories import Simulated, fixed_repeats, merged, repeats

from lab.bisect.history import History

CONFIDENCE = 0.99
ROW = "{:8} {:>5} | {:>7} {:>6} {:>6} {:>5} | {:>7} {:>6} {:>6} | {:>9} {:>6} | {:>5}"


@dataclass
class Sum:
    """Of many searches."""

    right: int = 0
    runs: int = 0
    steps: int = 0
    ends: int = 0


def main(searches: int, size: int) -> None:
    print(f"{searches} searches over {size} candidates for each row, confidence {CONFIDENCE}.\n"
          "told: git bisect, each step repeated often enough for a rate that is known; estimated: the same for\n"
          "the share of failures that the bad end showed. ends: runs of both ends before. ratio: our runs / told.\n")
    print(ROW.format("", "", "ours", "", "", "", "told", "", "", "estimated", "", ""))
    print(ROW.format("history", "rate", "runs", "built", "right", "ends", "runs", "built", "right", "runs", "right",
                     "ratio"))
    for shape in ("linear", "merged"):
        for rate in (1.0, 0.9, 0.5, 0.2, 0.05):
            print(row(shape, rate, searches, size), flush=True)


def row(shape: str, rate: float, searches: int, size: int) -> str:
    rng = random.Random(f"{shape} {rate}")
    ours, told, guessed = Sum(), Sum(), Sum()
    for _ in range(searches):
        history = merged(size, rng) if shape == "merged" else History.linear([f"c{n}" for n in range(size)])
        culprit = rng.randrange(size)
        case = Simulated(history, culprit, rate, rng)
        seen = case.ends(CONFIDENCE)
        add(ours, case, case.search(CONFIDENCE, seen).positions == (culprit,))
        for rival, known in ((told, rate), (guessed, seen.bad / seen.runs)):
            case = Simulated(history, culprit, rate, rng)
            add(rival, case, fixed_repeats(case, repeats(known, math.log2(size), CONFIDENCE)) == culprit)
    sums = (ours.runs, ours.steps, ours.ends, told.runs, told.steps, guessed.runs)
    means = [f"{value / searches:.1f}" for value in sums]
    share = [f"{s.right / searches:.3f}" for s in (ours, told, guessed)]
    return ROW.format(shape, rate, means[0], means[1], share[0], means[2], means[3], means[4], share[1], means[5],
                      share[2], f"{ours.runs / told.runs:.2f}")


def add(total: Sum, case: Simulated, right: bool) -> None:
    total.right += right
    total.runs, total.steps, total.ends = total.runs + case.runs, total.steps + case.steps, total.ends + case.end_runs


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["400", "200"][len(sys.argv) - 1:])))
