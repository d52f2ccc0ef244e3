"""Carries out planned runs with progress on stderr, stoppable, and gives their results: for every command that runs."""

from __future__ import annotations

import contextlib
import os
import signal
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.cli import host
from lab.cli.host import say
from lab.cli.progress import Screen
from lab.kernels.store import Store
from lab.report.result import Result
from lab.run.durations import Durations
from lab.run.job import Batch
from lab.run.known import KnownBug
from lab.run.session import Session


@dataclass(frozen=True)
class Done:
    """What came of a session: every result, in the order in which runs were asked for."""

    results: list[Result]
    interrupted: bool

    @property
    def by_kernel(self) -> dict[str, list[Result]]:
        """Kernel name -> its results, repeats of a run one after the other."""
        found: dict[str, list[Result]] = {}
        for result in self.results:
            found.setdefault(result.properties["kernel.name"], []).append(result)
        return found


def execute(batches: Sequence[Batch], directory: Path, *, width: int | None = None, bugs: Sequence[KnownBug] = (),
            ) -> Done:
    """Run all of `batches` (`batch_of(jobs)` for jobs that are made), with their files below `directory`.

    `width`: guests side by side; by default what cores and memory allow. Ctrl-C gives what is known until then.
    """
    session = Session(directory, width or host.default_width(), bugs, _durations(),
                      None if width else host.room())
    finished = []
    with stoppable(session), Screen(sum(b.expected for b in batches), session.width) as screen:
        for progress in session.run_batches(batches):
            screen.show(progress, session.total)
            if progress.result is not None:
                finished.append(progress.result)
    return Done(_in_order(finished, session), session.interrupted)


def _durations() -> Durations:
    return Durations.load(Store.default().root / "durations.json")


def _in_order(finished: list[Result], session: Session) -> list[Result]:
    """Results by kernel and run as they were asked for, the repeats of a run together."""
    kernels, runs = ({name: n for n, name in reversed(list(enumerate(names)))} for names in
                     ([p.kernel.name for p in session.planned], [p.id for p in session.planned]))
    return sorted(finished, key=lambda r: (kernels[r.properties["kernel.name"]], runs[r.id], r.number))


@contextlib.contextmanager
def stoppable(session: Session) -> Iterator[None]:
    """SIGINT and SIGTERM stop the session with what is known; a second one ends the lab at once (every QEMU dies
    with it: PR_SET_PDEATHSIG)."""

    def on_signal(number: int, _frame: types.FrameType | None) -> None:
        if session.stop.is_set():
            os._exit(128 + number)
        session.interrupt()
        say("stopping: what is known is written down; once more ends at once")

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
