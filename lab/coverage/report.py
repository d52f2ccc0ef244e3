"""Coverage in words: the table, what nothing reaches, and what each run adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.coverage.reach import FileReach, Reach, Share, ranges, share
from lab.coverage.unreachable import Reachable

_ID_WIDTH = 52
_LOOP = "loopback/tcm_loop.c"


@dataclass(frozen=True)
class RunReach:
    """One run: its id and word, how it ended, what it reached; None when its guest left no counters."""

    id: str
    word: str
    outcome: str
    seconds: float
    reach: Reach | None


@dataclass(frozen=True)
class Shares:
    """Lines, branches and functions."""

    lines: Share
    branches: Share
    functions: Share

    def __add__(self, other: Shares) -> Shares:
        return Shares(self.lines + other.lines, self.branches + other.branches, self.functions + other.functions)


def shares(file: FileReach) -> Shares:
    return Shares(share(file.lines.values()), share(file.branches.values()), share(f.reached for f in file.functions))


def total(reach: Reach) -> Shares:
    return sum(map(shares, reach.values()), Shares(Share(0, 0), Share(0, 0), Share(0, 0)))


def summary(everything: Reach, runs: Sequence[RunReach], can: Reachable | None = None) -> str:
    """The table: each file, all of them, what of that can be reached, and each run with what only it reaches."""
    rows = [(name.removeprefix("drivers/target/"), shares(file)) for name, file in sorted(everything.items())]
    lines = [f"{'drivers/target':<32}{'lines':>16}{'branches':>16}{'functions':>16}", "-" * 80]
    lines += [_row(name, of) for name, of in rows]
    lines += ["-" * 80, _row("all", total(everything)), *_can(can), "", *_runs(runs)]
    return "\n".join(lines)


def _can(can: Reachable | None) -> Iterator[str]:
    """The same without what no scenario can reach, and where that list is wrong."""
    if can is None:
        return
    yield _row("of what can be reached", total(can.reach))
    loop = can.reach.get(f"drivers/target/{_LOOP}")
    if loop is not None:
        yield _row(f"  {_LOOP}", shares(loop))
    yield from (f"listed as unreachable, and reached: {name}" for name in can.reached)
    yield from (f"listed as unreachable, and not in this kernel: {name}" for name in can.gone)


def _row(name: str, of: Shares) -> str:
    cells = "".join(f"{f'{s.reached}/{s.total}':>11}{s.percent:4.0f}%" if s.total else f"{'-':>16}"
                    for s in (of.lines, of.branches, of.functions))
    return f"{name:<32}{cells}"


def _runs(runs: Sequence[RunReach]) -> Iterator[str]:
    """Beside what a run reached: the lines that no other reached."""
    reached = {run.id: reached_lines(run.reach) for run in runs if run.reach is not None}
    by = Counter(place for places in reached.values() for place in places)
    yield f"{'run':<{_ID_WIDTH}}{'lines':>8}{'only it':>9}{'seconds':>10}"
    yield "-" * 80
    for run in runs:
        name = run.id if len(run.id) < _ID_WIDTH else f"{run.id[:_ID_WIDTH - 4]}..."
        if run.reach is None:
            why = "it was not run" if run.outcome == "skip" else f"{run.outcome}, and its guest left no counters"
            yield f"{name:<{_ID_WIDTH}}  none: {why}"
            continue
        alone = sum(by[place] == 1 for place in reached[run.id])
        yield f"{name:<{_ID_WIDTH}}{len(reached[run.id]):>8}{alone:>9}{run.seconds:>10.1f}"


def reached_lines(reach: Reach) -> set[tuple[str, int]]:
    """(file, line) of every line that was reached."""
    return {(name, line) for name, file in reach.items() for line, hit in file.lines.items() if hit}


def unreached(everything: Reach) -> str:
    """What nothing reaches: whole functions first, then lines and branches within those that are reached."""
    text: list[str] = []
    for name, file in sorted(everything.items()):
        never = [f for f in file.functions if not f.reached]
        gaps = list(_gaps(file))
        if never or gaps:
            of = share(f.reached for f in file.functions)
            text.append(f"{name}: {of.total - of.reached} of {of.total} functions are never called")
            text += [f"  {f.name}() lines {f.first}-{f.last}" for f in never]
            text += [f"  within {gap}" for gap in gaps]
    return "".join(f"{line}\n" for line in text)


def _gaps(file: FileReach) -> Iterator[str]:
    """Of each function that is called: its lines that are not, joined over what has no code between them."""
    for function in file.functions:
        if not function.reached:
            continue
        code = sorted(n for n in file.lines if function.first <= n <= function.last)
        position = {line: index for index, line in enumerate(code)}
        missed = ranges(position[line] for line in code if not file.lines[line])
        if missed:
            spans = [_span(code[first], code[last]) for first, last in missed]
            yield f"{function.name}(): {', '.join(spans)}"


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def as_data(runs: Sequence[RunReach]) -> list[Mapping[str, object]]:
    """For programs (scenarios.json): run, and for each file the ranges of lines, the functions and the branches."""
    return [{"id": r.id, "word": r.word, "outcome": r.outcome, "seconds": r.seconds,
             "files": None if r.reach is None else {name: entry for name, file in sorted(r.reach.items())
                                                    if (entry := _entry(file))}} for r in runs]


def _entry(file: FileReach) -> Mapping[str, object] | None:
    lines = ranges(line for line, hit in file.lines.items() if hit)
    if not lines:
        return None
    return {"lines": [list(pair) for pair in lines], "functions": [f.name for f in file.functions if f.reached],
            "branches": [list(place) for place, hit in sorted(file.branches.items()) if hit]}
