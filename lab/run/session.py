"""Many runs: side by side on a few guests, each result kept as soon as it is there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from lab.console import scan
from lab.console.finding import Effect
from lab.errors import LabError
from lab.machine.vm import BootFailed
from lab.report.result import Outcome, Reason, Result, worst
from lab.run import runner
from lab.run.durations import Durations
from lab.run.intake import NOT_RUN, Intake
from lab.run.job import Batch, Job, batch_of
from lab.run.known import KnownBug, apply_known
from lab.run.outcome import not_run
from lab.run.plan import RunPlan
from lab.run.record import Recorder
from lab.run.schedule import Schedule
from lab.run.verdict import verdict
from lab.run.watch import Interrupted

__all__ = ["Job", "Progress", "Session", "folder_name", "new_directory"]

_DEAD = "not run: this kernel does not boot, as another result of it says"
_JOIN_S = 30.0  # for a worker to end its guest after an interrupt
_FETCH_END_S = 1.0  # for a kernel that is being made ready after an interrupt; then it is left to die with the lab


@dataclass(frozen=True)
class Progress:
    """One step of a session, for whoever draws it: a run began, or ended with a result."""

    plan: RunPlan
    result: Result | None


@dataclass
class Session:
    """Runs jobs with `width` workers and yields progress; `stop` ends it early, with what is known. `bugs`: what is
    expected to fail. `room`: how many ordinary guests fit into memory, None for any number."""

    directory: Path
    width: int
    bugs: Sequence[KnownBug] = ()
    durations: Durations | None = None
    room: int | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    interrupted: bool = False
    total: int = 0  # results that will come, as far as that is known
    planned: list[RunPlan] = field(default_factory=list)  # so far, in the order that was asked for
    _boot_notes: dict[str, list[str]] = field(default_factory=dict)

    def interrupt(self) -> None:
        """Stop early: runs in flight are recorded as interrupted, the others as not run."""
        self.interrupted = True
        self.stop.set()

    def run(self, jobs: Sequence[Job]) -> Iterator[Progress]:
        """`run_batches` of jobs that are already made."""
        return self.run_batches([batch_of(jobs)])

    def run_batches(self, batches: Sequence[Batch]) -> Iterator[Progress]:
        """Progress as it comes, from the caller's thread. Every job ends in exactly one result; kernels are made ready
        one after the other while the runs of others go on."""
        schedule, done = Schedule(self.width, self._estimate, self.room), queue.SimpleQueue[Progress]()
        intake = Intake(batches, lambda jobs: self._plan(jobs, schedule))
        self.total = intake.expected
        threads = [threading.Thread(target=self._work, args=(schedule, done.put), name=f"guest-{n}", daemon=True)
                   for n in range(max(1, min(self.width, self.total)))]
        feeder = threading.Thread(target=intake.feed, args=(self.stop.is_set,), name="kernels", daemon=True)
        for thread in (feeder, *threads):
            thread.start()
        try:
            yield from self._progress(done, intake)
        finally:
            self.stop.set()
            schedule.close()
            for thread in threads:
                thread.join(_JOIN_S)
            if self.durations is not None:
                self.durations.save()

    def _plan(self, jobs: Sequence[Job], schedule: Schedule) -> None:
        self.planned += [job.plan for job in jobs]
        schedule.add(jobs)

    def _progress(self, done: queue.SimpleQueue[Progress], intake: Intake) -> Iterator[Progress]:
        finished, stopped_at = 0, 0.0
        while not intake.ended or finished < intake.expected:
            if self.stop.is_set() and not intake.ended:
                stopped_at = stopped_at or time.monotonic()
                if time.monotonic() > stopped_at + _FETCH_END_S:
                    intake.abandon()
            self.total = intake.expected
            with contextlib.suppress(queue.Empty):
                progress = done.get(timeout=0.1)  # short, so that a signal's handler runs soon
                finished += progress.result is not None
                self._note(progress)
                yield progress
        self.total = intake.expected

    def _note(self, progress: Progress) -> None:
        if self.durations is not None and progress.result is not None:
            self.durations.note(progress.plan, progress.result)

    def _estimate(self, job: Job) -> float:
        """One worker alone goes by the order that was asked for: there is nothing to gain."""
        return self.durations.estimate(job.plan) if self.durations is not None and self.width > 1 else 0.0

    def _work(self, schedule: Schedule, put: Callable[[Progress], None]) -> None:
        while (task := schedule.take(self.stop.is_set)) is not None:
            try:
                if task.prepare:
                    self._prepare(task.job, schedule, put)
                else:
                    self._carry_out(task.job, put)
            finally:
                schedule.done(task)

    def _carry_out(self, job: Job, put: Callable[[Progress], None]) -> None:
        if job.refused is not None:
            outcome, why = job.refused
            put(Progress(job.plan, not_run(job.plan, outcome, [why], "")))
        elif self.stop.is_set():
            put(Progress(job.plan, not_run(job.plan, Outcome.SKIP, [NOT_RUN], "")))
        else:
            put(Progress(job.plan, None))
            put(Progress(job.plan, self._one(job)))

    def _prepare(self, job: Job, schedule: Schedule, put: Callable[[Progress], None]) -> None:
        """Make the checkpoint of a kernel. One that does not boot is said by its first run, not by every scenario."""
        name, guests = job.plan.kernel.name, job.guests
        assert guests is not None
        try:
            guests.prepare(self._watch)
            self._boot_notes[name] = _said_at_boot(guests.boot_console())
        except BootFailed:
            self._only_first(schedule.give_up(name), put, _DEAD)
        except Exception:  # whatever it is, each run meets it again, and reports it
            pass
        if self.stop.is_set():
            self._only_first(schedule.give_up(name), put, NOT_RUN)

    def _only_first(self, jobs: list[Job], put: Callable[[Progress], None], why: str) -> None:
        """The first run meets again what its kernel's boot met, and records it; the others were not run."""
        for first in jobs[:1]:
            put(Progress(first.plan, None))
            put(Progress(first.plan, self._one(first)))
        for other in jobs[1:]:
            put(Progress(other.plan, not_run(other.plan, Outcome.SKIP, [why], "")))

    def _one(self, job: Job) -> Result:
        plan, guests = job.plan, job.guests
        directory = self.directory / plan.kernel.name / folder_name(plan.case)
        try:
            directory.mkdir(parents=True)
            plan.save(directory)
            if guests is None or job.skip:
                _record_skip(directory, job.skip)
            else:
                runner.run(plan, guests, directory, self.stop.is_set, self._boot_notes.get(plan.kernel.name, []))
            result = apply_known(verdict(directory), self.bugs)
            result.save(directory)
            return _decoded(result, job, directory)
        except OSError as error:
            reason = f"{error.strerror or error} in {directory}; what was measured there may be incomplete"
            return not_run(plan, Outcome.ERROR, [reason], str(directory))
        except LabError as error:
            return not_run(plan, Outcome.ERROR, [str(error)], str(directory))
        except Exception as error:  # a bug of the lab must not take the other results with it
            return _salvaged(plan, f"the lab has a bug: {type(error).__name__}: {error}", directory)

    def _watch(self) -> None:
        if self.stop.is_set():
            raise Interrupted("interrupted while the kernel booted")


def _salvaged(plan: RunPlan, bug: str, directory: Path) -> Result:
    """A run that an error of the lab broke off: what was written down until then is judged all the same."""
    with contextlib.suppress(Exception):
        result = verdict(directory)
        # What the kernel did comes first; that files are missing follows from the bug.
        reasons = sorted([Reason(Outcome.ERROR, bug), *result.reasons], key=lambda r: r.outcome is not Outcome.FAIL)
        result = replace(result, reasons=reasons, outcome=worst(r.outcome for r in reasons))
        result.save(directory)
        return result
    return not_run(plan, Outcome.ERROR, [bug], str(directory))


def _decoded(result: Result, job: Job, directory: Path) -> Result:
    """The result with source lines; where there are none to be had, what was judged stays as it is."""
    if job.decoding is None:
        return result
    with contextlib.suppress(OSError, LabError):
        decoded = job.decoding.apply(result, directory)
        if decoded is not result:
            decoded.save(directory)
        return decoded
    return result


def _said_at_boot(console: Path | None) -> list[str]:
    """Failures that the kernel reported before any scenario: no scenario's fault, but not to be kept quiet."""
    found = scan.scan_file(console) if console is not None else []
    return [f"while it booted, the kernel reported: {f.kind}: {f.title}" for f in found if f.effect is Effect.FAIL]


def _record_skip(directory: Path, reasons: tuple[str, ...]) -> None:
    """The record of a run that this kernel cannot take, as its files say: no machine was started."""
    recorder = Recorder(directory)
    recorder.event("skip", reasons=list(reasons))
    recorder.end("skipped")


def folder_name(run_id: str) -> str:
    """A run's id as one component of a path: stable, and different for different ids."""
    plain = re.sub(r"[^A-Za-z0-9._=,\[\]+#-]", "_", run_id)[:150]
    return plain if plain == run_id else f"{plain}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def new_directory(results: Path, *, latest: bool = True) -> Path:
    """A folder of its own for this session. LabError when it cannot be made. `latest`: let the link of that name point
    at it; without, the caller does (`point_latest`) as soon as it is sure that the folder stays."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        stem = datetime.now().strftime("%Y%m%d-%H%M%S")
        for attempt in range(1000):
            path = results / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                if latest:
                    point_latest(path)
                return path
    except OSError as error:
        raise LabError(f"cannot write results to {results}: {error.strerror}; give another folder with --results") \
            from error
    raise LabError(f"{results} has too many sessions of this second; type the command again")


def point_latest(directory: Path) -> None:
    """Let `latest` beside a session's folder point at it, in one step."""
    temporary = directory.parent / f".latest-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(directory.name)
    temporary.replace(directory.parent / "latest")
