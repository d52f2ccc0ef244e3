"""What went wrong in a session, each different thing once: what it is, how often and where it was seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.report.result import Outcome, Reason, Result

_SHOWN = (Outcome.FAIL, Outcome.ERROR, Outcome.XPASS, Outcome.XFAIL, Outcome.SKIP)  # the worst first


@dataclass
class Trouble:
    """One failure (by fingerprint), error or reason to skip, with every result that has it."""

    outcome: Outcome
    text: str
    fingerprint: str = ""
    results: list[Result] = field(default_factory=list)

    @property
    def first(self) -> Result:
        return self.results[0]

    @property
    def kernels(self) -> dict[str, int]:
        """Kernel name -> how often it was seen there."""
        found: dict[str, int] = {}
        for result in self.results:
            name = result.properties["kernel.name"]
            found[name] = found.get(name, 0) + 1
        return found

    @property
    def runs(self) -> list[str]:
        """The ids of the runs that had it."""
        return list(dict.fromkeys(r.id for r in self.results))


def troubles(results: Iterable[Result]) -> list[Trouble]:
    """Failures first, reasons to skip last; among themselves in the order of the results."""
    found: dict[tuple[Outcome, str], Trouble] = {}
    for result in results:
        for outcome, key, text, fingerprint in _of(result):
            found.setdefault((outcome, key), Trouble(outcome, text, fingerprint)).results.append(result)
    return sorted(found.values(), key=lambda t: _SHOWN.index(t.outcome))


def _of(result: Result) -> list[tuple[Outcome, str, str, str]]:
    """(outcome, what makes it the same one, text, fingerprint) of all that is to be told of a result."""
    if result.outcome in (Outcome.XFAIL, Outcome.XPASS):
        return [(result.outcome, known.bug, known.text, "") for known in result.known]
    if result.outcome is Outcome.SKIP:
        return [(Outcome.SKIP, r.text, r.text, "") for r in result.reasons]
    cause = first_of(result)
    if cause is None:
        return []
    return [(cause.outcome, cause.fingerprint or cause.text, cause.text, cause.fingerprint)]


def first_of(result: Result) -> Reason | None:
    """The first failure that is not a known bug, else the first of the lab's errors; None for a pass."""
    new = [r for r in result.reasons if not r.bug]
    return next((r for r in new if r.outcome is Outcome.FAIL), new[0] if new else None)
