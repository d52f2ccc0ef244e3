"""The runs that reach changed places, and what nothing reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.coverage.atlas import Atlas, Reached
from lab.coverage.place import Place
from lab.coverage.reach import ranges


@dataclass(frozen=True)
class Covered:
    """One place, the runs that stand for it, and what is to be said of it."""

    place: Place
    runs: tuple[str, ...]
    missed: frozenset[int]  # of an exact place: changed lines that nothing reaches
    said: str


@dataclass(frozen=True)
class Selection:
    """`runs`: fastest first."""

    runs: tuple[Reached, ...]
    covered: tuple[Covered, ...]

    @property
    def unreached(self) -> list[Covered]:
        return [c for c in self.covered if not c.runs or c.missed]


def select(places: Sequence[Place], atlas: Atlas) -> Selection:
    """For each place all runs that reach it; where nothing does, but its function is called, those that call it."""
    covered = tuple(_cover(place, atlas) for place in places)
    wanted = {run for one in covered for run in one.runs}
    runs = sorted((run for run in atlas.runs if run.id in wanted), key=lambda run: (run.seconds, run.id))
    return Selection(tuple(runs), covered)


def _cover(place: Place, atlas: Atlas) -> Covered:
    runs = atlas.reaching(place.file, place.lines)
    hit = frozenset[int]().union(*(run.lines[place.file] & place.lines for run in runs))
    missed = place.lines - hit if place.exact else frozenset[int]()
    if runs or not place.exact:
        return Covered(place, _ids(runs), missed, _say(place, runs, missed))
    callers = atlas.reaching(place.file, _function(place, atlas))
    return Covered(place, _ids(callers), missed, _say_only_called(place, callers))


def _function(place: Place, atlas: Atlas) -> frozenset[int]:
    source = atlas.sources[place.file]
    return frozenset(n for f in source.functions if f.name == place.function
                     for n in source.code if f.first <= n <= f.last)


def _ids(runs: Sequence[Reached]) -> tuple[str, ...]:
    return tuple(run.id for run in runs)


def _say(place: Place, runs: Sequence[Reached], missed: frozenset[int]) -> str:
    if not runs:
        return f"nothing reaches {place.title}" + (f": {place.why}" if place.why else "")
    said = f"{place.title}: {_number(runs)}" + (f"; {place.why}" if place.why else "")
    return said + (f"; nothing reaches its changed line{_lines(missed)}" if missed else "")


def _say_only_called(place: Place, callers: Sequence[Reached]) -> str:
    if not callers:
        return f"nothing reaches {place.title}"
    return (f"nothing reaches the changed line{_lines(place.lines)} of {place.title}; "
            f"{_number(callers)} the function")


def _number(runs: Sequence[Reached]) -> str:
    return f"{len(runs)} run reaches" if len(runs) == 1 else f"{len(runs)} runs reach"


def _lines(lines: frozenset[int]) -> str:
    spans = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges(lines))
    return ("s " if len(lines) > 1 else " ") + spans


def fewest(selection: Selection) -> tuple[Reached, ...]:
    """A small set that reaches all that the whole selection does (greedy: most new lines for its seconds), fastest
    first."""
    left = {(c.place.file, line) for c in selection.covered for line in c.place.lines if c.place.exact}
    left |= {(c.place.title, 0) for c in selection.covered if c.runs}
    chosen: list[Reached] = []
    while True:
        gains = [(run, _gain(run, selection) & left) for run in selection.runs if run not in chosen]
        gains = [(run, gain) for run, gain in gains if gain]
        if not gains:
            return tuple(sorted(chosen, key=lambda run: (run.seconds, run.id)))
        best, gain = max(gains, key=lambda pair: (len(pair[1]) / max(pair[0].seconds, 0.1), -pair[0].seconds))
        chosen.append(best)
        left -= gain


def _gain(run: Reached, selection: Selection) -> set[tuple[str, int]]:
    found = set()
    for one in selection.covered:
        if run.id in one.runs:
            found.add((one.place.title, 0))
            found |= {(one.place.file, n) for n in run.lines.get(one.place.file, frozenset()) & one.place.lines}
    return found
