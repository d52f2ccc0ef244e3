"""The verdict on a run: a pure function of its directory. Any run can be judged again later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.console.finding import Effect
from lab.report.result import Check, Outcome, Result, StepResult, worst
from lab.run import suites
from lab.run.evidence import Evidence, load_evidence
from lab.run.judge import judge
from lab.run.kernel_reasons import Faults, unexplained_taint
from lab.run.outcome import properties
from lab.run.plan import RunPlan
from lab.run.reasons import reasons
from lab.run.titles import step_title
from lab.scenario.steps import Step


def verdict(directory: Path) -> Result:
    """Judge one run directory. Raises OSError or ValueError only when plan.json itself cannot be read."""
    evidence = load_evidence(directory)
    plan, record = evidence.plan, evidence.record
    titles = [step_title(index, step) for index, step in enumerate(plan.scenario.steps)]
    steps = [_step(evidence, index, title) for index, title in enumerate(titles)]
    faults = Faults(evidence, titles)
    found = reasons(evidence, steps, faults)
    ready = record.last("ready")  # the guest that it ran on, where one had to be booted anew
    origin = str(ready.data.get("origin", "")) if ready else ""
    cause = next((r for r in found if r.outcome is Outcome.FAIL), None)
    return Result(
        id=plan.id, scenario=plan.scenario.scenario,
        outcome=worst(r.outcome for r in found) if found else Outcome.PASS, reasons=found, steps=steps,
        faults=faults.listed(cause), notes=_notes(evidence, steps, faults),
        seconds=record.end.seconds if record.end else 0.0, origin=origin, repeat=plan.repeat_command(),
        directory=str(directory), values=plan.values, properties=properties(plan, origin), worst=faults.worst,
        number=plan.number)


def _step(evidence: Evidence, index: int, title: str) -> StepResult:
    record, step = evidence.record, evidence.plan.scenario.steps[index]
    begin, end = record.step("step-begin", index), record.step("step-end", index)
    if begin is None or end is None:
        return StepResult(index, title, begin is not None, None)
    observed = end.data.get("observed", {})
    checks = step_checks(evidence.plan, step, observed)
    messages = evidence.messages(index) if any(not c.ok for c in checks) else []
    suite = _judged(evidence.plan, step).suite
    return StepResult(index, title, True, round(end.t - begin.t, 3), checks, messages,
                      suites.cases(suite, observed) if suite is not None else [])


def step_checks(plan: RunPlan, step: Step, observed: dict[str, Any]) -> list[Check]:
    """The checks of one step of a plan, on what was observed."""
    return judge(_judged(plan, step), observed, plan.environment.slowdown)


def step_passed(plan: RunPlan, step: Step, observed: dict[str, Any]) -> bool:
    """Whether a run goes on after this step."""
    return all(check.ok for check in step_checks(plan, step, observed))


def _judged(plan: RunPlan, step: Step) -> Step:
    """The step whose `expect` counts: what was started in the background is judged where it is joined."""
    if step.join is None or (step.expect is not None and step.expect.observed):
        return step
    return next(s.background.step for s in plan.scenario.steps
                if s.background is not None and s.background.name == step.join.name)


def _notes(evidence: Evidence, steps: list[StepResult], faults: Faults) -> list[str]:
    notes = [str(e.data.get("text", "")) for e in evidence.record.events if e.kind == "note"]
    leaks = evidence.record.first("leak-check")
    if leaks is not None:
        notes += unexplained_taint(leaks.data.get("tainted"), faults, evidence)[1]
    notes += [f"case {c.name}: {c.text}" for step in steps for c in step.cases if c.outcome is Outcome.XPASS]
    return notes + [f"kernel message ({f.kind}): {f.title}" for f in evidence.findings if f.effect is Effect.NOTE][:20]
