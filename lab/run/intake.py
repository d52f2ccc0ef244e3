"""Kernels come in: fetched, built and planned one after the other, beside the runs of those that are there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from lab.errors import LabError
from lab.report.result import Outcome
from lab.run.job import Batch, Job

NOT_RUN = "interrupted before it ran"


class KernelGone(LabError):
    """A kernel that was to be had once and is not any more: nobody's fault, so its runs are skipped."""


class Intake:
    """Hands the jobs of every batch to `add`, in order, exactly once. A kernel that cannot be had does not stop the
    others: its jobs are refused with the reason."""

    def __init__(self, batches: Sequence[Batch], add: Callable[[Sequence[Job]], None]) -> None:
        self._left, self._add = list(batches), add
        self._lock = threading.Lock()
        self.expected = sum(batch.expected for batch in batches)  # jobs in all
        self.ended = not self._left

    def feed(self, stop: Callable[[], bool]) -> None:
        """Go over the batches. Ends early when it was abandoned meanwhile."""
        while self._left:
            batch = self._left[0]
            jobs = batch.instead(Outcome.SKIP, NOT_RUN) if stop() else _made(batch)
            with self._lock:
                if not self._left or self._left[0] is not batch:
                    return
                self._take(batch, jobs)

    def abandon(self) -> None:
        """Wait no longer for what is being made: all that is left was not run."""
        with self._lock:
            while self._left:
                self._take(self._left[0], self._left[0].instead(Outcome.SKIP, NOT_RUN))

    def _take(self, batch: Batch, jobs: Sequence[Job]) -> None:
        self._left.pop(0)
        self.expected += len(jobs) - batch.expected
        self._add(jobs)
        self.ended = not self._left


def _made(batch: Batch) -> Sequence[Job]:
    try:
        return batch.make()
    except KernelGone as error:
        return batch.instead(Outcome.SKIP, str(error))
    except LabError as error:
        return batch.instead(Outcome.ERROR, str(error))
    except OSError as error:
        return batch.instead(Outcome.ERROR, f"{error.strerror or error}: {error.filename or 'a file of the lab'}")
    except Exception as error:  # a bug of the lab must not take the other kernels with it
        return batch.instead(Outcome.ERROR, f"the lab has a bug: {type(error).__name__}: {error}")
