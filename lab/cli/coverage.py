"""`lab coverage`: what of drivers/target the scenarios reach."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import options, places
from lab.cli.execute import execute
from lab.cli.host import say
from lab.cli.jobs import Manner, vm_jobs
from lab.cli.report import report
from lab.coverage import atlas, build, session
from lab.coverage.report import summary
from lab.coverage.unreachable import Entry, load_unreachable
from lab.errors import LabError
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import resolve
from lab.kernels.store import Store
from lab.machine.vm import BootFailed
from lab.report.result import Result
from lab.run.job import Job, batch_of
from lab.run.known import KnownBug
from lab.run.session import new_directory, point_latest


def coverage(
    kernel: Annotated[str, typer.Option("-k", "--kernel", metavar="KERNEL",
                                        help=f"A kernel with counters, of `{build.HOW}`.")],
    words: options.Words = None,
    jobs: Annotated[int | None, typer.Option("-j", min=1, help="Guests side by side; default: what cores and "
                                                               "memory allow.")] = None,
    results: options.Results = places.RESULTS,
    seed: Annotated[int, typer.Option(min=0, help="Drives all that is random in a scenario.")] = 1,
    each: Annotated[bool, typer.Option("--each", help="HTML and Cobertura of each run too, in "
                                                      "coverage/runs/.")] = False,
    known: options.Known = places.KNOWN_BUGS,
    no_known: options.NoKnown = False,
    strict_known: options.StrictKnown = False,
) -> None:
    """Run scenarios and say which lines, branches and functions of drivers/target they reach. Exit as for `lab run`."""
    chosen = options.selected(words or [])
    bugs = [] if no_known else options.known_bugs(known)
    listed = load_unreachable(places.UNREACHABLE) if places.UNREACHABLE.exists() else []
    store = Store.default()
    found = resolve(kernel, store, named=places.KERNELS, say=say)
    built = build.build_of(found)
    planned = vm_jobs(chosen, [found], Manner(seed=seed, coverage=True))
    directory = new_directory(results, latest=False)
    base = _baseline(planned[0], built, directory)
    point_latest(directory)
    finished, status = _conduct(directory, planned, jobs, bugs, strict_known=strict_known)
    if base is not None:
        _report(base, found, finished, planned, store, each=each, listed=listed)
    raise typer.Exit(status)


def _baseline(job: Job, built: build.Build, directory: Path) -> session.Baseline | None:
    """None for a kernel that does not boot: the runs say so."""
    if job.guests is None:
        return None
    folder = directory / session.FOLDER
    try:
        return session.baseline(job.guests, built, job.plan.kernel.name, folder, job.plan.environment.slowdown)
    except BootFailed:
        return None
    except LabError:
        shutil.rmtree(directory, ignore_errors=True)  # nothing ran: no session
        raise


def _conduct(directory: Path, planned: list[Job], width: int | None, bugs: list[KnownBug], *, strict_known: bool,
             ) -> tuple[list[Result], int]:
    """Run all jobs, print the table, write junit.xml: (results, exit status), as `lab run` does."""
    done = execute([batch_of(planned)], directory, width=width, bugs=bugs)
    return done.results, report(directory, done, strict_known=strict_known)


def _report(base: session.Baseline, kernel: Kernel, finished: list[Result], planned: list[Job], store: Store, *,
            each: bool, listed: list[Entry]) -> None:
    words = {job.plan.id: job.plan.word for job in planned}
    began = time.monotonic()
    say("reading the counters")
    found = session.analyse(base, sorted(finished, key=lambda r: r.id), words, kernel.name, say, each=each,
                            unreachable=listed)
    for name in found.stale:
        say(f"{name} was changed after {kernel.name} was built: its lines are shown as they are now")
    print(f"\n{summary(found.everything, found.runs, found.can)}")
    print(f"\npages: {base.folder}/index.html\nwhat nothing reaches: {base.folder}/unreached.txt")
    kept = atlas.save(atlas.atlas_of(kernel, base.build, found.everything, found.runs, stale=found.stale,
                                     includers=build.includers(base.build)), store)
    say(f"coverage took {time.monotonic() - began:.0f} s; `lab select` reads {kept}")
