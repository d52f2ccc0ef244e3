"""Runs scenarios on one candidate of a bisection, several times over, and takes away what its guests needed."""

from __future__ import annotations

import contextlib
import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.cli import host
from lab.cli.jobs import Manner, vm_jobs
from lab.cli.progress import Screen
from lab.cli.execute import stoppable
from lab.kernels.kernel import Kernel
from lab.machine import checkpoint
from lab.machine.vm import Engine
from lab.report.result import Result
from lab.run.session import Job, Session
from lab.scenario.load import ScenarioRun

_KEPT = 3  # checkpoints of candidates: the newest ones may be asked for again


@dataclass
class Shelf:
    """Checkpoints and module disks that this bisection made: only the last few stay."""

    kept: int = _KEPT
    _made: dict[Path, list[tuple[Path, int]]] = field(default_factory=dict)

    @contextlib.contextmanager
    def using(self, engine: Engine) -> Iterator[None]:
        """What is not there before the block and is there after it, is ours."""
        place, had = engine.checkpoint_path, engine.checkpoint_path.exists()
        try:
            yield
        finally:
            if self._made.pop(place, None) is not None or (not had and place.exists()):
                self._made[place] = [(path, _last_use(path)) for path in (place, engine.parts.module_disk) if path]
            self.shrink(self.kept)

    def shrink(self, kept: int) -> None:
        """Remove all but the `kept` newest, and nothing that another lab has used since."""
        while len(self._made) > kept:
            for path, last_use in self._made.pop(next(iter(self._made))):
                if _last_use(path) == last_use:
                    checkpoint.discard(path) if path.is_dir() else path.unlink(missing_ok=True)


def _last_use(path: Path) -> int:
    """The store's own mark of use, see prune.py; 0 when it is gone."""
    return path.stat().st_mtime_ns if path.exists() else 0


@dataclass(frozen=True)
class VmTester:
    """Runs `chosen` in VMs; all files of a call lie in `directory`/label. KeyboardInterrupt when it is interrupted."""

    chosen: list[ScenarioRun]
    directory: Path
    width: int | None
    manner: Manner
    shelf: Shelf

    def narrowed(self, ids: tuple[str, ...] | None) -> VmTester:
        """The same, of these runs only."""
        return self if ids is None else replace(self, chosen=[run for run in self.chosen if run.id in ids])

    def __call__(self, kernel: Kernel, runs: int, label: str) -> list[Result]:
        """Every scenario `runs` times. Known bugs are not applied: a known bug may be the question."""
        planned = vm_jobs(self.chosen, [kernel], self.manner)
        width = self.width or host.default_width(max(job.plan.memory_mib for job in planned))
        engine = planned[0].guests
        assert isinstance(engine, Engine), "scenarios of a bisection run in VMs"
        with self.shelf.using(engine):
            return _run(_repeats(planned, runs), _free(self.directory / label), width)


def _repeats(planned: list[Job], runs: int) -> list[Job]:
    """Pass by pass; each repeat has a folder and a token of its own."""
    return [replace(job, plan=replace(job.plan, number=number, token=secrets.token_hex(8)))
            for number in range(1, runs + 1) for job in planned]


def _run(jobs: list[Job], folder: Path, width: int) -> list[Result]:
    """The results, in the order of the jobs."""
    session, found = Session(folder, width), {}
    with stoppable(session), Screen(len(jobs), min(width, len(jobs))) as screen:
        for progress in session.run(jobs):
            screen.show(progress)
            if progress.result is not None:
                found[progress.plan.case] = progress.result
    if session.interrupted:
        raise KeyboardInterrupt
    return [found[job.plan.case] for job in jobs]


def _free(folder: Path) -> Path:
    """A folder that is not there: what a bisection measured before it was killed stays as it is."""
    names = itertools.chain([folder], (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(2)))
    return next(path for path in names if not path.exists())
