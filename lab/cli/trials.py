"""Runs scenarios on one candidate of a bisection, several times over, and takes away what its guests needed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.cli.execute import execute
from lab.cli.jobs import Manner, vm_jobs
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.machine import checkpoint
from lab.machine.modules import disk_path
from lab.machine.vm import Engine
from lab.report.result import Result
from lab.run.job import batch_of
from lab.scenario.load import ScenarioRun
from lab.usage import last_used

_KEPT = 3  # checkpoints of candidates: the newest ones may be asked for again


@dataclass
class Shelf:
    """Checkpoints and module disks that this bisection made: only the last few stay."""

    kept: int = _KEPT
    _made: dict[Path, list[tuple[Path, float]]] = field(default_factory=dict)  # of a checkpoint and its disk

    @contextlib.contextmanager
    def using(self, engine: Engine, *, had_disk: bool) -> Iterator[None]:
        """What was not there before and is there after the block, is ours. `had_disk`: whether the module disk was
        there before the engine, which needs it, was made."""
        place, had = engine.checkpoint_path, engine.checkpoint_path.exists()
        disk = None if had_disk else engine.parts.module_disk
        try:
            yield
        finally:
            before = self._made.pop(place, None)
            if before is not None or (not had and place.exists()):
                ours = dict.fromkeys([*(path for path, _ in before or ()), place, *([disk] if disk else ())])
                self._made[place] = [(path, last_used(path)) for path in ours]
            self.shrink(self.kept)

    def shrink(self, kept: int) -> None:
        """Remove all but the `kept` newest, and nothing that another lab has used since."""
        while len(self._made) > kept:
            for path, when in self._made.pop(next(iter(self._made))):
                if last_used(path) == when:
                    checkpoint.discard(path) if path.is_dir() else path.unlink(missing_ok=True)


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
        disk = disk_path(kernel.modules, kernel.identity, Store.default().images) if kernel.modules else None
        had_disk = disk is not None and disk.exists()
        planned = vm_jobs(self.chosen, [kernel], replace(self.manner, repeat=runs))
        engine = planned[0].guests
        assert isinstance(engine, Engine), "scenarios of a bisection run in VMs"
        with self.shelf.using(engine, had_disk=had_disk):
            done = execute([batch_of(planned)], _free(self.directory / label), width=self.width)
        if done.interrupted:
            raise KeyboardInterrupt
        return done.results


def _free(folder: Path) -> Path:
    """A folder that is not there: what a bisection measured before it was killed stays as it is."""
    names = itertools.chain([folder], (folder.with_name(f"{folder.name}-{n}") for n in itertools.count(2)))
    return next(path for path in names if not path.exists())
