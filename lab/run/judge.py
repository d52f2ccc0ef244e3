"""Holds one step's observation against what the scenario expects of it. Pure: the same facts, the same checks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lab.report.result import Check
from lab.run import suites
from lab.run.judge_account import judge_account
from lab.run.judge_stress import judge_stress
from lab.run.judge_trees import judge_trees
from lab.run.titles import step_title
from lab.scenario.expect import Expect, Took
from lab.scenario.steps import Step
from lab.t10 import answers, sense, status

_SHOWN = 300  # characters of a text in a report


def judge(step: Step, observed: dict[str, Any], slowdown: float) -> list[Check]:
    """The checks of one step; never empty. `slowdown` stretches upper bounds of time, nothing else."""
    if step.parallel is not None or step.repeat is not None:
        return _of_group(step, observed, slowdown)
    own = judge_trees(step, observed) + judge_account(step, observed) + judge_stress(step, observed)
    own += suites.checks(step.suite, observed) if step.suite is not None else []
    if step.expect is None or not step.expect.observed:
        return own or [Check("result", "success", describe(observed), observed.get("ok") is True)]
    return own + _holds(step.expect, step, observed, slowdown)


def _holds(expect: Expect, step: Step, observed: dict[str, Any], slowdown: float) -> list[Check]:
    checks: list[Check] = []
    for name in expect.observed:
        wanted = getattr(expect, name)
        if name == "any_of":
            checks.append(_any_of(wanted, step, observed, slowdown))
        elif name == "took":
            checks += _took(wanted, observed, slowdown)
        elif name == "fields":
            checks += _fields(wanted, step, observed)
        else:
            checks.append(_ONE[name](wanted, observed))
    return checks


def _of_group(step: Step, observed: dict[str, Any], slowdown: float) -> list[Check]:
    """Every step inside a parallel or a repeat by its own expectation, and what is expected of the whole."""
    parts = _rounds(step, observed, slowdown) if step.repeat is not None else \
        _parts(step, "", observed.get("parts"), slowdown)
    took = step.expect.took if step.expect is not None else None
    return parts + (_took(took, observed, slowdown) if took is not None else [])


def _rounds(step: Step, observed: dict[str, Any], slowdown: float) -> list[Check]:
    """The checks that failed, with their round, and that no round is missing."""
    assert step.repeat is not None
    entries, times = observed.get("rounds") or [], step.repeat.times
    wrong = [check for entry in entries
             for check in _parts(step, f"round {entry['first']}, ", entry["parts"], slowdown) if not check.ok]
    done = sum(entry["last"] - entry["first"] + 1 for entry in entries)
    if wrong:
        return wrong
    if step.repeat.fails_below and (observed.get("whole") or done == times):
        return [_whole(step, step.repeat.fails_below, entries, observed)]
    return [Check("rounds", str(times), f"{done}; {describe(observed)}" if done < times else str(done), done == times)]


def _whole(step: Step, function: str, entries: list[Any], observed: dict[str, Any]) -> Check:
    """That a round was reached in which no allocation failed, and that it then succeeds."""
    what = f"a round in which no allocation below {function}() fails"
    if not observed.get("whole"):
        return Check(what, f"within {step.repeat.times if step.repeat else 0}", "none", False)
    failed = [describe(part) for part in entries[-1]["parts"] if part.get("ok") is not True]
    return Check(what, "success", failed[0] if failed else "success", not failed)


def _parts(step: Step, where: str, parts: Any, slowdown: float) -> list[Check]:
    """One after the other; after the first that failed in a round nothing more was done."""
    seen = parts if isinstance(parts, list) else []
    checks: list[Check] = []
    for number, (_, inner) in enumerate(step.inner):
        title = f"{where}{inner.name or (inner.word if inner.inner else step_title(number, inner))}: "
        if number < len(seen):
            checks += [replace(c, what=title + c.what) for c in judge(inner, seen[number], slowdown)]
        elif all(check.ok for check in checks):
            checks.append(Check(f"{title}result", "success", "it was not carried out", False))
    return checks


def _any_of(choices: list[Expect], step: Step, observed: dict[str, Any], slowdown: float) -> Check:
    tried = [_holds(choice, step, observed, slowdown) for choice in choices]
    wanted = " or ".join(" and ".join(f"{c.what} {c.expected}" for c in checks) for checks in tried)
    return Check("one of", wanted, describe(observed), any(all(c.ok for c in checks) for checks in tried))


def _ok(wanted: bool, observed: dict[str, Any]) -> Check:
    return Check("result", "success" if wanted else "failure", describe(observed), observed.get("ok") is wanted)


def _status(wanted: str, observed: dict[str, Any]) -> Check:
    got = observed.get("status")
    name = status.status_name(got) if isinstance(got, int) else None
    host = observed.get("host_status", 0)
    # A command that the host ended itself carries status 0, which is not the target's GOOD.
    return Check("status", wanted, describe(observed), name == wanted and not host)


def _sense(wanted: str, observed: dict[str, Any]) -> Check:
    pattern = sense.parse_sense(wanted)
    text = pattern.text or wanted
    return Check("sense", text, describe(observed), pattern.matches(_decoded(observed)))


def _sense_format(wanted: str, observed: dict[str, Any]) -> Check:
    decoded = _decoded(observed)
    got = decoded.form if decoded else describe(observed)
    return Check("sense format", wanted, got, got == wanted)


def _information(wanted: int, observed: dict[str, Any]) -> Check:
    decoded = _decoded(observed)
    got = decoded.information if decoded else None
    return Check("sense INFORMATION", str(wanted), "none" if got is None else str(got), got == wanted)


def _errno(wanted: str | list[str], observed: dict[str, Any]) -> Check:
    choices = [wanted] if isinstance(wanted, str) else wanted
    return Check("errno", " or ".join(choices), describe(observed), observed.get("errno") in choices)


def _host_status(wanted: str, observed: dict[str, Any]) -> Check:
    got = observed.get("host_status")
    name = status.host_status_name(got) if isinstance(got, int) else "none"
    return Check("host status", wanted, name, name == wanted)


def _plain(what: str, key: str) -> Any:
    def check(wanted: Any, observed: dict[str, Any]) -> Check:
        got = observed.get(key)
        return Check(what, str(wanted), describe(observed) if got is None else str(got), got == wanted)

    return check


def _data(wanted: str, observed: dict[str, Any]) -> Check:
    got = str(observed.get("data", ""))
    return Check("data", wanted[:_SHOWN], got[:max(len(wanted), 32)][:_SHOWN] or "none", got.startswith(wanted))


def _fill(wanted: int, observed: dict[str, Any]) -> Check:
    """The guest looks at the whole answer, of which only the beginning is sent."""
    if isinstance(observed.get("fill"), int):
        got = f"0x{observed['fill']:02x}"
    else:
        got = f"different bytes, first {str(observed['data'])[:32]}" if observed.get("data") else describe(observed)
    return Check("every byte of the answer", f"0x{wanted:02x}", got, observed.get("fill") == wanted)


def _text(wanted: str, observed: dict[str, Any]) -> Check:
    got = observed.get("text")
    ok = isinstance(got, str) and got.strip() == wanted.strip()
    return Check("text", repr(wanted.strip())[:_SHOWN],
                 repr(got.strip())[:_SHOWN] if isinstance(got, str) else describe(observed), ok)


def _match(wanted: str, observed: dict[str, Any]) -> Check:
    got = observed.get("text")
    ok = isinstance(got, str) and re.search(wanted, got, re.MULTILINE) is not None
    return Check("text", f"matches {wanted!r}", repr(got)[:_SHOWN] if isinstance(got, str) else describe(observed), ok)


_ONE = {"ok": _ok, "status": _status, "sense": _sense, "sense_format": _sense_format, "information": _information,
        "errno": _errno, "host_status": _host_status, "residual": _plain("residual", "residual"), "data": _data,
        "fill": _fill, "text": _text, "match": _match, "exit": _plain("exit status", "exit")}


def _fields(wanted: dict[str, Any], step: Step, observed: dict[str, Any]) -> list[Check]:
    """Decoded fields of the answer to a named SCSI command."""
    if step.account is not None:
        return _named(wanted, observed.get("counts") or {})
    scsi = _scsi_of(step)
    if scsi is None or scsi.command is None:
        return [Check("fields", str(wanted), "only the answer to a named SCSI command has fields", False)]
    try:
        got = answers.decode(scsi.command, scsi.arguments, bytes.fromhex(str(observed.get("data", ""))))
    except ValueError as error:
        return [Check("fields", str(wanted), f"the answer cannot be decoded: {error}; {describe(observed)}", False)]
    return _named(wanted, got)


def _named(wanted: dict[str, Any], got: dict[str, Any]) -> list[Check]:
    return [Check(f"field {name}", str(value), str(got[name]) if name in got else f"there is none among {sorted(got)}",
                  name in got and got[name] == value) for name, value in wanted.items()]


def _scsi_of(step: Step) -> Any:
    return step.background.step.scsi if step.background else step.scsi


def _took(wanted: Took, observed: dict[str, Any], slowdown: float) -> list[Check]:
    """Seconds for which the host kept the guest from running (`starved`) do not count against it."""
    seconds, starved = observed.get("seconds"), float(observed.get("starved", 0.0))
    measured = float(seconds) if isinstance(seconds, int | float) else None
    got = "not measured" if measured is None else f"{measured:.2f} s"
    checks = []
    if wanted.at_least is not None:
        ok = measured is not None and measured >= wanted.at_least
        checks.append(Check("time", f"at least {wanted.at_least:g} s", got, ok))
    if wanted.at_most is not None:
        limit = wanted.at_most * slowdown + starved
        checks.append(Check("time", f"at most {limit:g} s", got, measured is not None and measured <= limit))
    return checks


def _decoded(observed: dict[str, Any]) -> sense.Sense | None:
    return sense.decode(bytes.fromhex(str(observed.get("sense", ""))))


def describe(observed: dict[str, Any]) -> str:
    """What a step saw, in words: status, sense decoded, errno, counts of blocks, or simply success."""
    parts = []
    if isinstance(observed.get("status"), int):
        parts.append(status.status_name(observed["status"]))
    if decoded := _decoded(observed):
        parts.append(sense.describe(decoded))
    if observed.get("host_status"):
        parts.append(status.host_status_name(observed["host_status"]))
    if observed.get("errno"):
        parts.append(str(observed["errno"]))
    if isinstance(observed.get("exit"), int) and observed["exit"]:
        parts.append(str(observed.get("problem") or f"exit {observed['exit']}")[:_SHOWN])
    if observed.get("problem") and not parts:  # else it says the same in other words
        parts.append(str(observed["problem"])[:_SHOWN])
    for block in observed.get("first_bad", [])[:3]:
        parts.append(f"LBA {block.get('lba')}: {block.get('found')}")
    return "; ".join(parts) or ("success" if observed.get("ok") else "failure without a reason")
