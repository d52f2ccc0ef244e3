"""Holds what a `stress` saw against what it must be: right data always, and no failure where nothing disturbs."""

from __future__ import annotations

from typing import Any

from lab.report.result import Check
from lab.scenario.steps import Step


def judge_stress(step: Step, observed: dict[str, Any]) -> list[Check]:
    """The checks of a stress; none for any other step."""
    if step.stress is None:
        return []
    if observed.get("ok") is not True:
        return [Check("result", "success", str(observed.get("problem") or "failure without a reason"), False)]
    bad, failed = observed.get("first_bad") or [], observed.get("failed") or []
    done = observed.get("counts") or {}
    checks = [Check("data", "what was written", _block(bad[0]) if bad else "what was written", not bad),
              Check("operations", "at least one", ", ".join(f"{n} {k}" for k, n in sorted(done.items())) or "none",
                    any(done.values()))]
    if not step.stress.disturbed:
        checks.append(Check("failed operations", "none", str(failed[0]) if failed else "none", not failed))
    return checks


def _block(bad: dict[str, Any]) -> str:
    return f"{bad.get('lun')}, block {bad.get('lba')}: {bad.get('found')}"
