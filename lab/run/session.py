"""Many runs: side by side on a few guests, each result kept as soon as it is there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import threading
from collections import defaultdict
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
from lab.run.decoding import Decoding
from lab.run.known import KnownBug, apply_known
from lab.run.outcome import not_run
from lab.run.plan import RunPlan
from lab.run.record import Recorder
from lab.run.runner import Guests
from lab.run.verdict import verdict
from lab.run.watch import Interrupted

_DEAD = "not run: this kernel does not boot, as another result of it says"
_JOIN_S = 30.0  # for a worker to end its guest after an interrupt


@dataclass(frozen=True)
class Job:
    """One planned run, where its guests come from, why it is skipped, if it is, and what decodes its failures."""

    plan: RunPlan
    guests: Guests | None
    skip: tuple[str, ...] = ()
    decoding: Decoding | None = None


@dataclass(frozen=True)
class Progress:
    """One step of a session, for whoever draws it: a run began, or ended with a result."""

    plan: RunPlan
    result: Result | None


@dataclass
class Session:
    """Runs jobs with `width` workers and yields progress; `stop` ends it early, with what is known. `bugs`: what is
    expected to fail."""

    directory: Path
    width: int
    bugs: Sequence[KnownBug] = ()
    stop: threading.Event = field(default_factory=threading.Event)
    interrupted: bool = False
    _gates: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    _dead: set[str] = field(default_factory=set)
    _boot_notes: dict[str, list[str]] = field(default_factory=dict)

    def interrupt(self) -> None:
        """Stop early: runs in flight are recorded as interrupted, the others as not run."""
        self.interrupted = True
        self.stop.set()

    def run(self, jobs: list[Job]) -> Iterator[Progress]:
        """Progress as it comes, from the caller's thread. Every job ends in exactly one result."""
        todo: queue.SimpleQueue[Job] = queue.SimpleQueue()
        for job in jobs:
            todo.put(job)
        done: queue.SimpleQueue[Progress] = queue.SimpleQueue()
        threads = [threading.Thread(target=self._work, args=(todo, done.put), name=f"guest-{n}", daemon=True)
                   for n in range(min(self.width, len(jobs)))]
        for thread in threads:
            thread.start()
        left = len(jobs)
        try:
            while left:
                with contextlib.suppress(queue.Empty):
                    progress = done.get(timeout=0.1)  # short, so that a signal's handler runs soon
                    left -= progress.result is not None
                    yield progress
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(_JOIN_S)

    def _work(self, todo: queue.SimpleQueue[Job], put: Callable[[Progress], None]) -> None:
        while True:
            try:
                job = todo.get_nowait()
            except queue.Empty:
                return
            if self.stop.is_set():
                put(Progress(job.plan, not_run(job.plan, Outcome.SKIP, ["interrupted before it ran"], "")))
            else:
                put(Progress(job.plan, None))
                put(Progress(job.plan, self._one(job)))

    def _one(self, job: Job) -> Result:
        plan, guests = job.plan, job.guests
        directory = self.directory / plan.kernel.name / folder_name(plan.id)
        try:
            if guests is not None and not job.skip and not self._boots(plan, guests):
                return not_run(plan, Outcome.SKIP, [_DEAD], "")
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

    def _boots(self, plan: RunPlan, guests: Guests) -> bool:
        """Let the first run of a kernel make its checkpoint. False when an earlier run has reported that the kernel
        does not boot: that is said once, not for every scenario."""
        name = plan.kernel.name
        with self._gates[name]:
            if name in self._dead:
                return False
            try:
                if not plan.fresh_boot:
                    guests.prepare(self._watch)
                    self._boot_notes.setdefault(name, _said_at_boot(guests.boot_console()))
            except BootFailed:
                self._dead.add(name)  # this run goes on, and reports it
            except LabError:
                pass  # it meets this run again, and is reported there
            return True


def _salvaged(plan: RunPlan, bug: str, directory: Path) -> Result:
    """A run that an error of the lab broke off: what was written down until then is judged all the same."""
    with contextlib.suppress(Exception):
        result = verdict(directory)
        reasons = [*result.reasons, Reason(Outcome.ERROR, bug)]
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
    plain = re.sub(r"[^A-Za-z0-9._=,\[\]+-]", "_", run_id)[:150]
    return plain if plain == run_id else f"{plain}-{hashlib.sha256(run_id.encode()).hexdigest()[:8]}"


def new_directory(results: Path) -> Path:
    """A folder of its own for this session, with `latest` pointing at it. LabError when it cannot be made."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        stem = datetime.now().strftime("%Y%m%d-%H%M%S")
        for attempt in range(1000):
            path = results / (stem if attempt == 0 else f"{stem}-{attempt + 1}")
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                _point_latest(results, path)
                return path
    except OSError as error:
        raise LabError(f"cannot write results to {results}: {error.strerror}; give another folder with --results") \
            from error
    raise LabError(f"{results} has too many sessions of this second; type the command again")


def _point_latest(results: Path, path: Path) -> None:
    temporary = results / f".latest-{os.getpid()}"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(path.name)
    temporary.replace(results / "latest")
