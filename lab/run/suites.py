"""What the cases of another project's test suite came to, held against the scenario's list of deviations. Pure.

A guest's observation of a suite step: `all` names of cases that the suite has, `chosen` in the order of the run,
`unmatched` words of `tests` and `without`, `cases`: {"name", "ends": pass, fail, skip, hung or crashed, "why": a
line, "output": text, "seconds": number}.
"""

from __future__ import annotations

from typing import Any

from lab.report.result import Case, Check, Outcome
from lab.scenario.suite_steps import Deviation, Suite

_LISTED = 5  # names in a sentence
_AS_LISTED = {"pass": Outcome.PASS, "skip": Outcome.SKIP, "fail": Outcome.XFAIL}


def cases(suite: Suite, observed: dict[str, Any]) -> list[Case]:
    """Every case that was chosen, whether or not it left a result."""
    found = {str(c.get("name")): c for c in _list(observed, "cases") if isinstance(c, dict)}
    return [_case(suite, str(name), found.get(str(name))) for name in _list(observed, "chosen")]


def checks(suite: Suite, observed: dict[str, Any]) -> list[Check]:
    """One check for each case that is not a lab's error, and one for whether all of it could be judged."""
    judged = cases(suite, observed)
    problems = list(_problems(suite, observed, judged))
    found = [Check("suite", "a result of every case", problem, False, kind="lab") for problem in problems]
    for case in judged:
        if case.outcome is not Outcome.ERROR:
            found.append(Check(f"case {case.name}", "pass, or what the list says", case.text or "pass",
                               case.outcome is not Outcome.FAIL, kind="case"))
    return found


def _problems(suite: Suite, observed: dict[str, Any], judged: list[Case]) -> list[str]:
    """What makes the suite's result one that nothing can be said from."""
    names = [str(name) for name in _list(observed, "all")]
    if not names:
        return [f"{suite.suite} could not be run: {observed.get('problem') or 'it lists no cases'}"]
    unmatched = [str(word) for word in _list(observed, "unmatched")]
    unknown = [word for d in suite.deviations for word in d.cases
               if not any(Deviation.covers(d.model_copy(update={"cases": [word]}), name) for name in names)]
    lost = [case.name for case in judged if case.outcome is Outcome.ERROR]
    found = []
    if unmatched:
        found.append(f"{suite.suite} has no case {_few(unmatched)}")
    if unknown:
        found.append(f"the list of deviations speaks of {_few(unknown)}, and this {suite.suite} has no such case")
    if lost:
        found.append(f"{len(lost)} of {len(judged)} cases left no result ({_few(lost)})"
                     + (f": {observed['problem']}" if observed.get("problem") else ""))
    if not judged and not unmatched:
        found.append(f"no case of {suite.suite} is left to be run")
    return found


def _case(suite: Suite, name: str, seen: dict[str, Any] | None) -> Case:
    if seen is None:
        return Case(name, Outcome.ERROR, "it left no result")
    ends, why = str(seen.get("ends")), str(seen.get("why") or "")
    listed = next((d for d in suite.deviations if d.covers(name)), None)
    outcome, text = _outcome(ends, why, listed)
    seconds = seen.get("seconds")
    return Case(name, outcome, text, str(seen.get("output") or ""),
                float(seconds) if isinstance(seconds, int | float) else 0.0)


def _outcome(ends: str, why: str, listed: Deviation | None) -> tuple[Outcome, str]:
    because = f": {why}" if why else ""
    if ends == "crashed":
        return Outcome.ERROR, f"the suite itself ended in it{because}"
    if ends not in _AS_LISTED:
        return Outcome.FAIL, f"it did not end{because}"
    if listed is not None and ends in listed.endings:
        return _AS_LISTED[ends], "" if ends == "pass" else f"{listed.reason.strip()}{because}"
    if ends == "pass":
        return (Outcome.PASS, "") if listed is None else (
            Outcome.XPASS, f"passed, although the list says {' or '.join(listed.endings)}: {listed.reason.strip()}")
    return Outcome.FAIL, f"{'it skipped itself, which the list does not say' if ends == 'skip' else 'failed'}{because}"


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _list(observed: dict[str, Any], key: str) -> list[Any]:
    value = observed.get(key)
    return value if isinstance(value, list) else []
