"""`suite`: other projects' test suites on a LUN. The suite lists its cases; those that are chosen are run."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from lab.guest.observation import Observation
from lab.guest.registry import driver
from lab.guest.session import Session
from lab.guest.suite import Told
from lab.guest.suite_list import SUITES


@driver("suite")
def run_suite(session: Session, deadline: float, *, suite: str, lun: str, tests: list[str], without: list[str],
              expected: str | None = None, deviations: list[dict[str, Any]] | None = None,
              **given: Any) -> Observation:
    """Run the chosen cases; ok when each of them ended. Whether they ended well is for the host to say."""
    del expected, deviations
    its = SUITES[suite]
    names = its.names(given, deadline)
    chosen = [n for n in names if _meant(tests or ["*"], n) and not _meant(without, n)]
    unmatched = [word for word in (*tests, *without) if not any(_meant([word], n) for n in names)]
    seen: Observation = {"all": names, "chosen": chosen, "unmatched": unmatched, "cases": []}
    if unmatched or not chosen:
        return {"ok": False, "problem": f"{suite} has no such case", **seen}
    told = _told(session, lun, deadline, given)
    cases = list(its.run(chosen, told))
    seen["cases"] = [case.observation() for case in cases]
    lost = [case.name for case in cases if case.ends in ("hung", "crashed")]
    if lost:
        seen["problem"] = f"{suite} did not come to its end: {lost[0]} was the last case that began"
    return {"ok": not lost, **seen}


def _told(session: Session, lun: str, deadline: float, given: dict[str, Any]) -> Told:
    """Where it runs. The LUN that its cases write, where they like, holds from now on what they left."""
    destination: str | None = given.get("destination")
    written = session.ledger(destination or lun)
    written.forget(0, written.blocks - 1)
    work = session.work / "suite"
    work.mkdir(parents=True, exist_ok=True)
    return Told(session.disk(lun), session.ledger(lun), work, deadline, session.stopping,
                session.disk(destination) if destination else None, given)


def _meant(words: Iterable[str], name: str) -> bool:
    """As lab.scenario.suite_steps.means: a case, or a group in which it is."""
    return any(fnmatchcase(name, word) or fnmatchcase(name, f"{word}[./]*") for word in words)
