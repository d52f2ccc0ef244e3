"""Holds what was counted between the begin and the end of an `account` against itself: nothing is lost on the way."""

from __future__ import annotations

from typing import Any

from lab.report.result import Check
from lab.scenario.steps import Step


def judge_account(step: Step, observed: dict[str, Any]) -> list[Check]:
    """The checks of the end of an account; none for any other step, and for one that could not be taken."""
    counts = observed.get("counts")
    if step.account is None or step.account.action != "end" or not isinstance(counts, dict):
        return []
    return [_same("requests that have ended", counts.get("requests"), counts.get("completed")),
            _same("commands that LIO counted", counts.get("sent"), counts.get("commands"))]


def _same(what: str, wanted: object, got: object) -> Check:
    return Check(what, str(wanted), str(got), isinstance(got, int) and got == wanted)
