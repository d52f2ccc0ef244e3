"""Begins a bisection, goes on with one, runs its answer once more: here the search meets git, VMs and the terminal."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import filelock

from lab.bisect import journal as journals
from lab.bisect.asked import COMMAND, Asked
from lab.bisect.conduct import Conductor
from lab.bisect.criterion import counts, why_untested
from lab.bisect.inquiry import EndsWrong, Inquiry
from lab.bisect.journal import Journal
from lab.bisect.search import Contradiction
from lab.bisect.trial import Trial, seen_of
from lab.cli import bisect_commits, bisect_config, bisect_packages
from lab.cli.bisect_scenarios import as_begun, digests
from lab.cli.bisect_subjects import Plug
from lab.cli.host import say
from lab.cli.jobs import Manner
from lab.cli.options import selected, settled
from lab.cli.trials import Shelf, VmTester
from lab.errors import LabError, UsageError
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.report.result import Result
from lab.scenario.load import ScenarioRun

_RUNS = "runs"  # below the bisection's folder


def begin(asked: Asked, results: Path, *, width: int | None) -> int:
    """A new bisection; the exit status. UsageError before anything is built."""
    asked.check()
    asked = replace(asked, scenarios=tuple(settled(asked.scenarios)))
    chosen = selected(list(asked.scenarios))
    with _plug(asked) as plug:
        journal = journals.begin(results, plug.asked.as_json(), digests(chosen))
        say(f"the bisection is written down in {journal.directory}")
        return _conduct(plug, chosen, journal, width)


def go_on(journal: Journal, *, width: int | None) -> int:
    """Take a bisection up where it was broken off; the exit status."""
    asked = Asked.of(journal.parameters)
    chosen = as_begun(asked, journal)
    with _plug(asked) as plug:
        plug.check(journal.trials)
        return _conduct(plug, chosen, journal, width)


def once_more(journal: Journal, *, reverted: bool, width: int | None) -> int:
    """Run the answer again, or the newest commit without it. 0: as the bisection says, 1: not so, 3: no answer."""
    asked = Asked.of(journal.parameters)
    chosen = as_begun(asked, journal)
    with _plug(asked) as plug:
        plug.check(journal.trials)
        inquiry = _inquiry(plug)
        Conductor(inquiry, lambda _: _runs_nothing, journal, lambda _: None, plug.name).replay()
        if inquiry.next() is not None:
            raise UsageError(f"{journal.directory} is not done; type: {_resume(journal)}")
        verdict = inquiry.verdict()
        if len(verdict.positions) != 1:
            raise UsageError(f"{journal.directory} has no single answer to run again")
        position = verdict.positions[0]
        kernel = (plug.reverted if reverted else plug.subject.kernel)(position, say)
        title = f"{plug.title_reverted(position)}" if reverted else plug.subject.title(position)
        tester = _testers(plug.asked, chosen, journal, width, Shelf(0))
        status = _run_again(inquiry, tester, kernel, title, fails=reverted == plug.asked.find_fix)
        plug.done()
        return status


def _run_again(inquiry: Inquiry, tester: VmTester, kernel: Kernel, title: str, *, fails: bool) -> int:
    """`fails`: what is to be expected of this kernel."""
    assert inquiry.question is not None
    runs = inquiry.enough()
    results = tester.narrowed(inquiry.question.ids)(kernel, runs, "again")
    trial = Trial(0, "again", None, title, title, runs, seen_of(results, [r.directory for r in results]))
    seen = counts(inquiry.question, trial)
    if not seen.answered:
        raise LabError(f"{title} gives no answer: {why_untested(inquiry.question, trial)}")
    name = inquiry.question.fingerprint or "a failure"
    does = f"shows {name} in {seen.bad} of {seen.answered} runs" if seen.bad else \
        f"does not show {name} in {seen.answered} runs"
    right = bool(seen.bad) == fails
    print(f"{title} {does}: {'as the bisection says' if right else 'the bisection says otherwise'}")
    return 0 if right else 1


def _conduct(plug: Plug, chosen: list[ScenarioRun], journal: Journal, width: int | None) -> int:
    with _alone(journal.directory):
        shelf, inquiry = Shelf(), _inquiry(plug)
        tester = _testers(plug.asked, chosen, journal, width, shelf)
        conductor = Conductor(inquiry, tester.narrowed, journal, say, plug.name,
                              plug.believed(inquiry, journal))
        report = plug.report(journal.directory, inquiry, journal.trials, None, plug.texts(inquiry, journal),
                             plug.asked)
        with _resumable(journal):
            try:
                report = replace(report, verdict=conductor.run())
            except (EndsWrong, Contradiction) as error:
                report = replace(report, error=str(error))
        report.write()
        print(report.text(), end="", flush=True)
        say(f"the report: {journal.directory}/report.md")
        shelf.shrink(0)
        plug.done()  # last: to remove a checkout of a whole kernel can take a minute
        return report.exit_code


def _inquiry(plug: Plug) -> Inquiry:
    asked = plug.asked
    return plug.inquiry(plug.subject, asked.confidence, asked.find_fix, asked.any_failure, asked.fingerprint,
                        patience=asked.patience, hidden_parents=plug.hidden_parents, left_out=plug.left_out)


def _testers(asked: Asked, chosen: list[ScenarioRun], journal: Journal, width: int | None, shelf: Shelf) -> VmTester:
    return VmTester(chosen, journal.directory / _RUNS, width, Manner(seed=asked.seed), shelf)


def _runs_nothing(kernel: Kernel, runs: int, label: str) -> list[Result]:
    raise AssertionError("a replay runs nothing")


def _resume(journal: Journal) -> str:
    return shlex.join([COMMAND, "bisect", "--resume", str(journal.directory)])


@contextlib.contextmanager
def _resumable(journal: Journal) -> Iterator[None]:
    """Whatever breaks a bisection off: how to go on is the last thing that is said."""
    try:
        yield
    except (KeyboardInterrupt, LabError, OSError):
        say(f"what is known is in {journal.directory}; go on with: {_resume(journal)}")
        raise


@contextlib.contextmanager
def _plug(asked: Asked) -> Iterator[Plug]:
    kind = bisect_config if asked.config else bisect_packages if asked.packages else bisect_commits
    with kind.plug(asked, Store.default(), say) as plug:
        yield plug


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two labs on one journal would write each other's steps."""
    lock = filelock.FileLock(directory / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(f"{directory} is under way in another lab; wait for it") from None
    try:
        yield
    finally:
        lock.release()
