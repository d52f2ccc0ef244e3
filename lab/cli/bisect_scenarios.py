"""The scenarios of a bisection, which have to stay as they were when it began."""

from __future__ import annotations

from collections.abc import Iterable

from lab.bisect.asked import Asked
from lab.bisect.journal import Journal
from lab.cli.options import selected
from lab.errors import UsageError
from lab.scenario.load import ScenarioRun


def digests(chosen: Iterable[ScenarioRun]) -> dict[str, str]:
    """For the journal: the id of each run, and the digest of its scenario's file."""
    return {run.id: run.digest for run in chosen}


def as_begun(asked: Asked, journal: Journal) -> list[ScenarioRun]:
    """The runs that the bisection began with. UsageError when one has changed since: its runs before and after would
    be answers to two questions. What the same words choose by now besides was never run, so it is left out."""
    chosen = selected(list(asked.scenarios))
    now = digests(chosen)
    for name, digest in journal.digests.items():
        if now.get(name) != digest:
            how = "has changed" if name in now else "is no longer there"
            raise UsageError(f"the scenario of {name} {how} since {journal.directory} began; begin a new bisection, or "
                             "put the scenario back as it was")
    return [run for run in chosen if run.id in journal.digests]
