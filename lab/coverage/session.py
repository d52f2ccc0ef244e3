"""The coverage of a session: a baseline of its kernel, then what each run and all together reached, in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.coverage import gcovr, report
from lab.coverage.build import HOW, Build, changed_since, keep_notes
from lab.coverage.reach import Reach, load
from lab.coverage.report import RunReach
from lab.coverage.unreachable import Entry, Reachable, reachable
from lab.errors import LabError
from lab.machine.link import Link
from lab.report.result import Result
from lab.run import counters

FOLDER = "coverage"
_SAY_EVERY = 10


class Guest(Protocol):
    link: Link


class Guests(Protocol):
    """As lab.run.runner.Guests."""

    def guest(self, workdir: Path, *, fresh_boot: bool, cmdline: tuple[str, ...],
              watch: Callable[[], None]) -> AbstractContextManager[Guest]: ...


@dataclass(frozen=True)
class Baseline:
    """What booting and loading the modules runs, and the notes that all counters of this kernel are read with."""

    build: Build
    folder: Path  # of the session's coverage
    counters: Mapping[str, Path]
    notes: Mapping[str, Path]


def baseline(guests: Guests, build: Build, kernel: str, folder: Path, slowdown: float) -> Baseline:
    """Start a guest and ask it before any scenario runs.

    LabError: the kernel does not count drivers/target, or what its counters mean is not known any more.
    """
    work = folder / "baseline"
    work.mkdir(parents=True)
    with guests.guest(work, fresh_boot=False, cmdline=(), watch=lambda: None) as guest:
        found = counters.answers(guest.link, slowdown)
    if not found:
        raise LabError(f"{kernel} does not count what drivers/target runs: no file of it was built for that; "
                       f"build the kernel with `{HOW}`")
    notes = keep_notes(found, build, folder / "notes")
    counters.write(found, work / "counters")
    return Baseline(build, folder, counters.read(work / "counters"), notes)


@dataclass(frozen=True)
class Coverage:
    """`everything`: all runs and the baseline. `can`: that without what is listed as unreachable."""

    everything: Reach
    can: Reachable
    runs: Sequence[RunReach]
    stale: Sequence[str]  # files whose source changed since the kernel was built


def analyse(base: Baseline, results: Sequence[Result], words: Mapping[str, str], kernel: str,
            say: Callable[[str], None], *, each: bool = False, unreachable: Sequence[Entry] = ()) -> Coverage:
    """Counters of all runs to the files of `base.folder`: runs/ID.json, index.html, cobertura.xml, summary.txt,
    unreached.txt, scenarios.json. `words`: run id -> what chooses it. LabError: gcov cannot read them."""
    (base.folder / "runs").mkdir(exist_ok=True)
    width = max(1, len(os.sched_getaffinity(0)))
    first = base.folder / "baseline.json"
    with ThreadPoolExecutor(width) as pool:
        measured = pool.submit(gcovr.measure, base.counters, base.notes, base.build, first, whole=True)
        parts: list[Path | None] = []
        for part in pool.map(lambda result: _one(base, result, say), results):
            parts.append(part)
            if len(parts) % _SAY_EVERY == 0:
                say(f"read the counters of {len(parts)} of {len(results)} runs")
    measured.result()
    runs = [RunReach(r.id, words[r.id], r.outcome.value, r.seconds, load(part) if part else None)
            for r, part in zip(results, parts, strict=True)]
    have = [part for part in parts if part is not None]
    say(f"merging the coverage of {len(have)} runs")
    everything = load(gcovr.render([first, *have], base.build, base.folder, f"drivers/target on {kernel}"))
    for part in have:
        if each:
            gcovr.render([part], base.build, part.with_suffix(""), part.stem)
        part.unlink()  # megabytes each; the counters themselves stay with their run
    stale = changed_since(base.build, base.notes, list(everything))
    can = reachable(everything, unreachable, lambda name: [] if name in stale else _text(base.build.tree / name))
    _write(base.folder, everything, can, runs)
    return Coverage(everything, can, runs, stale)


def _text(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []


def _one(base: Baseline, result: Result, say: Callable[[str], None]) -> Path | None:
    """gcovr's JSON of one run; None when it left none, or none that can be read, which is said."""
    if not result.directory:
        return None
    directory = Path(result.directory)
    files = counters.read(directory / "artifacts" / counters.FOLDER)
    if not files:
        return None
    out = base.folder / "runs" / f"{directory.name}.json"
    try:
        gcovr.measure(files, base.notes, base.build, out)
    except LabError as error:
        say(f"no coverage of {result.id}: {error}")
        return None
    return out


def _write(folder: Path, everything: Reach, can: Reachable, runs: Sequence[RunReach]) -> None:
    (folder / "summary.txt").write_text(report.summary(everything, runs, can) + "\n")
    (folder / "unreached.txt").write_text(report.unreached(can.reach))
    (folder / "scenarios.json").write_text(json.dumps(report.as_data(runs)))
