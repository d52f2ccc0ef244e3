"""Histories to search, and simulated runs of their candidates."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import dataclass

from lab.bisect.endpoints import Endpoints
from lab.bisect.history import History
from lab.bisect.search import Answer, Rate, Search


def merged(size: int, rng: random.Random) -> History:
    """Like a kernel's: topic branches that start anywhere, are merged, some into each other; one head at the end."""
    parents: list[tuple[int, ...]] = [()]
    heads = [0]
    while len(parents) + len(heads) - 1 < size:
        new, what = len(parents), rng.random()
        if what < 0.15:
            start = rng.randrange(-1, new)
            parents.append((start,) if start >= 0 else ())
            heads = [head for head in heads if head != start] + [new]
        elif what < 0.3 and len(heads) > 1:
            some = tuple(rng.sample(heads, 2))
            parents.append(some)
            heads = [head for head in heads if head not in some] + [new]
        else:
            head = rng.choice(heads)
            parents.append((head,))
            heads[heads.index(head)] = new
    while len(heads) > 1:
        parents.append((heads[0], heads.pop()))
        heads[0] = len(parents) - 1
    return History(tuple(f"c{n}" for n in range(len(parents))), tuple(parents))


@dataclass
class Simulated:
    """A failure that shows with probability `rate`: counts the runs, and the candidates that were built."""

    history: History
    culprit: int
    rate: float
    rng: random.Random
    find_fix: bool = False
    untestable: Collection[int] = ()
    runs: int = 0
    end_runs: int = 0
    steps: int = 0

    def fails(self, position: int | None) -> bool:
        inside = position is not None and self.history.contains(position, self.culprit)
        return inside != self.find_fix

    def sample(self, position: int | None, runs: int) -> int:
        """How many of the runs fail."""
        return sum(self.rng.random() < self.rate for _ in range(runs)) if self.fails(position) else 0

    def ends(self, confidence: float = 0.99) -> Rate:
        ends = Endpoints(len(self.history) - 1, confidence, self.find_fix, patience=10_000)
        while ask := ends.next():
            bad = self.sample(ask.position, ask.runs)
            self.end_runs += ask.runs
            ends.saw(ask.position, bad=bad, good=ask.runs - bad)
        return ends.rate

    def search(self, confidence: float = 0.99, rate: Rate | None = None) -> Answer:
        rate = rate or self.ends(confidence)
        search = Search(self.history, confidence=confidence, find_fix=self.find_fix, rate=rate)
        built: set[int] = set()
        while ask := search.next():
            if ask.position in self.untestable:
                search.cannot(ask.position)
                continue
            bad = self.sample(ask.position, ask.runs)
            search.saw(ask.position, bad=bad, good=ask.runs - bad)
            self.runs += ask.runs
            built.add(ask.position)
        self.steps = len(built)
        return search.answer()


def repeats(rate: float, steps: float, confidence: float) -> int:
    """How often the rival runs each candidate that does not fail, so that all its steps are right with `confidence`."""
    return 1 if rate >= 1 else max(1, math.ceil(math.log((1 - confidence) / steps) / math.log(1 - rate)))


def fixed_repeats(case: Simulated, times: int) -> int:
    """The rival: git bisect's choice, each candidate run until it fails, at most `times`; returns the culprit found."""
    history, left = case.history, case.history.containing[-1]
    while left & (left - 1):
        size = left.bit_count()
        options = [n for n in range(len(history)) if left >> n & 1]
        choice = min(options, key=lambda n: abs(2 * (history.containing[n] & left).bit_count() - size))
        case.steps += 1
        failed = False
        for _ in range(times):
            case.runs += 1
            if failed := bool(case.sample(choice, 1)):
                break
        left = left & history.containing[choice] if failed != case.find_fix else left & ~history.containing[choice]
    return left.bit_length() - 1
