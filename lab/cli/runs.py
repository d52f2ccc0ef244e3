"""`lab run`, `lab judge` and `lab prepare`."""

from __future__ import annotations

import contextlib
import os
import signal
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import host, places
from lab.cli.host import say
from lab.cli.jobs import Manner, vm_jobs
from lab.cli.progress import Screen
from lab.errors import LabError, UsageError
from lab.kernels.resolve import default_spec
from lab.kernels.store import Store
from lab.problems import Problems
from lab.report import junit
from lab.report.result import Outcome, Result, exit_status
from lab.report.table import table
from lab.report.text import known_entry
from lab.run.known import KnownBug, apply_known, load_known
from lab.run.session import Job, Session, new_directory
from lab.run.verdict import verdict
from lab.scenario.library import load_library, select
from lab.scenario.load import ScenarioRun

Words = Annotated[list[str] | None, typer.Argument(
    metavar="SCENARIO|TAG|FILE", help="Names, tags, run ids or files of scenarios; none: all of the library.")]
Kernels = Annotated[list[str] | None, typer.Option(
    "-k", "--kernel", metavar="KERNEL",
    help="A name of kernels/*.yaml, debian:6.12, a built tree, a bzImage. Repeatable.")]
Results = Annotated[Path, typer.Option("--results", help="Where session folders are made.")]


Known = Annotated[Path, typer.Option("--known", metavar="FILE", help="Known bugs; docs/known-bugs.md.")]
NoKnown = Annotated[bool, typer.Option("--no-known", help="No bug is known: every failure is one.")]
StrictKnown = Annotated[bool, typer.Option("--strict-known",
                                           help="A pass in spite of a known bug is a failure.")]


@dataclass(frozen=True)
class _Bugs:
    """What is known, and whether a pass in spite of it is a failure."""

    known: list[KnownBug]
    strict: bool


def run(
    words: Words = None,
    kernels: Kernels = None,
    results: Results = places.RESULTS,
    jobs: Annotated[int | None, typer.Option("-j", min=1, help="Guests side by side; default: what cores and "
                                                               "memory allow.")] = None,
    fresh_boot: Annotated[bool, typer.Option("--fresh-boot", help="Boot for every scenario.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Drives all that is random in a scenario.")] = 1,
    dump_core: Annotated[bool, typer.Option("--dump-core", help="Keep the memory of a guest that hangs or dies, for "
                                                                "crash or drgn: artifacts/vmcore of its run.")] = False,
    decode: Annotated[bool, typer.Option("--decode", help="Source lines for kernel failures: fetch the debug "
                                                          "information of a stock kernel (about 1 GB). A tree's own is "
                                                          "used anyway.")] = False,
    machine: Annotated[str | None, typer.Option(metavar="ssh://[USER@]HOST[:PORT]",
                                                help="Run on this machine instead of VMs.")] = None,
    known: Known = places.KNOWN_BUGS,
    no_known: NoKnown = False,
    strict_known: StrictKnown = False,
) -> None:
    """Run scenarios on kernels, and say what happened. Exit: 0 passed, 1 a kernel failed, 2 usage, 3 lab, 130 stop."""
    chosen = selected(words or [])
    bugs = _Bugs([] if no_known else known_bugs(known), strict_known)
    manner = Manner(seed=seed, fresh_boot=fresh_boot, dump_core=dump_core, decode=decode)
    raise typer.Exit(_run(chosen, kernels or [], results, jobs, manner, machine, bugs))


def selected(words: list[str]) -> list[ScenarioRun]:
    """The runs that words choose from the library; a file outside of it may be named by its path."""
    places.need_checkout()
    library = load_library(places.SCENARIOS)
    if library.problems and not words:
        raise Problems(library.problems)
    return select(library, words)


def _run(chosen: list[ScenarioRun], kernels: list[str], results: Path, width: int | None, manner: Manner,
         machine: str | None, bugs: _Bugs) -> int:
    if machine is not None:
        from lab.cli.remote import remote_jobs  # paramiko takes a third of a second to import

        if kernels:
            raise UsageError("--machine runs on the kernel that the machine runs; leave -k out")
        planned, width = remote_jobs(machine, chosen, manner.seed), 1
    else:
        planned = vm_jobs(chosen, kernels or [default_spec()], manner)
        width = width or host.default_width(max(job.plan.memory_mib for job in planned))
    directory = new_directory(results)
    session = Session(directory, width, bugs.known)
    with _stoppable(session), Screen(len(planned), session.width) as screen:
        finished = _conduct(session, planned, screen)
    return _report(directory, planned, finished, interrupted=session.interrupted, strict_known=bugs.strict)


def _conduct(session: Session, planned: list[Job], screen: Screen) -> list[Result]:
    finished = []
    for progress in session.run(planned):
        screen.show(progress)
        if progress.result is not None:
            finished.append(progress.result)
    return finished


def known_bugs(path: Path) -> list[KnownBug]:
    """The bugs of a file; without the lab's own file none is known. Raises Problems for what is wrong in it."""
    return load_known(path) if path != places.KNOWN_BUGS or path.exists() else []


@contextlib.contextmanager
def _stoppable(session: Session) -> Iterator[None]:
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


def _report(directory: Path, planned: list[Job], finished: list[Result], *, interrupted: bool,
            strict_known: bool) -> int:
    """JUnit and the table; what is known is printed even when it cannot be written."""
    by_kernel: dict[str, list[Result]] = {}
    for result in _in_order(finished, planned):
        by_kernel.setdefault(result.properties["kernel.name"], []).append(result)
    print(table(by_kernel, directory))
    status = exit_status((r.outcome for r in finished), interrupted=interrupted, strict_known=strict_known)
    try:
        junit.write(directory / "junit.xml", [(name, _common(results), results)
                                              for name, results in by_kernel.items()], strict_known=strict_known)
    except OSError as error:
        say(f"cannot write {directory}/junit.xml: {error.strerror}; the table above is all that is left")
        return status or 3
    return status


def _in_order(finished: list[Result], planned: list[Job]) -> list[Result]:
    """Results in the order of the plan: kernels and scenarios as they were asked for."""
    place = {(job.plan.kernel.name, job.plan.id): n for n, job in enumerate(planned)}
    return sorted(finished, key=lambda r: place[r.properties["kernel.name"], r.id])


_OF_SUITE = ("kernel.name", "kernel.release", "kernel.version", "kernel.hash", "kernel.spec", "accelerator", "qemu",
             "virtme-ng", "lab", "machine", "seed")


def _common(results: list[Result]) -> dict[str, str]:
    return {name: results[0].properties[name] for name in _OF_SUITE}


def judge(
    directory: Annotated[Path, typer.Argument(help="A run's directory, below a session's.")],
    known: Known = places.KNOWN_BUGS,
    no_known: NoKnown = False,
    strict_known: StrictKnown = False,
) -> None:
    """Judge a saved run directory again; the verdict depends on its files and the known bugs. Exit as for `lab run`."""
    bugs = [] if no_known else known_bugs(known)
    try:
        result = apply_known(verdict(directory), bugs)
    except (OSError, ValueError) as error:
        raise LabError(f"{directory} is not a run directory that can be judged: {error}") from error
    print(table({result.properties["kernel.name"]: [result]}, directory))
    if result.outcome is Outcome.FAIL:
        print(f"\nas an entry of kernels/known-bugs.yaml, if it is known:\n{known_entry(result)}")
    raise typer.Exit(exit_status([result.outcome], interrupted=False, strict_known=strict_known))


def prepare(kernels: Kernels = None) -> None:
    """Make ready all that a run needs: kernel, guest image, checkpoint. `make setup` ends with this."""
    store = Store.default()
    for spec in kernels or [default_spec()]:
        one = host.ready(spec, store)
        one.engine.prepare()
        say(f"{one.kernel.name} is ready ({one.engine.accelerator.why})")
