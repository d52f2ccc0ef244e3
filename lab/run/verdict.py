"""The verdict on a run: a pure function of its directory. Any run can be judged again later."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from lab.console import scan
from lab.console.finding import Effect, Finding
from lab.report.result import Check, KernelFault, Outcome, Reason, Result, StepResult, worst
from lab.run.judge import judge
from lab.run.outcome import properties
from lab.run.plan import RunPlan, load_plan
from lab.run.record import End, Record, load_record
from lab.run.titles import step_title
from lab.scenario.steps import Step

_TAIL_LINES, _TASK_LINES = 25, 20


def verdict(directory: Path) -> Result:
    """Judge one run directory. Raises OSError or ValueError only when plan.json itself cannot be read."""
    plan, record = load_plan(directory), load_record(directory)
    console = directory / "console.log"
    findings = scan.scan_file(console, plan.token) if console.exists() else []
    faults = [_fault(f, plan) for f in findings if f.effect is Effect.FAIL]
    steps = [_step(plan, record, index, console) for index in range(len(plan.scenario.steps))]
    reasons = _reasons(plan, record, steps, faults, findings, console)
    ready = record.first("ready")
    origin = str(ready.data.get("origin", "")) if ready else ""
    return Result(
        id=plan.id, scenario=plan.scenario.scenario, outcome=worst(r.outcome for r in reasons) if reasons
        else Outcome.PASS, reasons=sorted(reasons, key=lambda r: r.outcome is not Outcome.FAIL), steps=steps,
        faults=faults, notes=_notes(record, findings), seconds=record.end.seconds if record.end else 0.0,
        origin=origin, repeat=plan.repeat_command(), directory=str(directory), values=plan.values,
        properties=properties(plan, origin))


def _fault(finding: Finding, plan: RunPlan) -> KernelFault:
    allowed = plan.scenario.expect.kernel.allowed(finding.title, finding.text)
    return KernelFault(finding.kind, finding.title, finding.fingerprint, finding.step, allowed, finding.text)


def _step(plan: RunPlan, record: Record, index: int, console: Path) -> StepResult:
    step = plan.scenario.steps[index]
    title = step_title(index, step)
    begin, end = record.step("step-begin", index), record.step("step-end", index)
    if begin is None or end is None:
        return StepResult(index, title, begin is not None, None)
    checks = step_checks(plan, step, end.data.get("observed", {}))
    messages = scan.messages_of_step(console, plan.token, index, 40) if any(not c.ok for c in checks) else []
    return StepResult(index, title, True, round(end.t - begin.t, 3), checks, messages)


def step_checks(plan: RunPlan, step: Step, observed: dict[str, Any]) -> list[Check]:
    """The checks of one step of a plan, on what was observed."""
    return judge(_judged(plan, step), observed, plan.environment.slowdown)


def step_passed(plan: RunPlan, step: Step, observed: dict[str, Any]) -> bool:
    """Whether a run goes on after this step."""
    return all(check.ok for check in step_checks(plan, step, observed))


def _judged(plan: RunPlan, step: Step) -> Step:
    """The step whose `expect` counts: what was started in the background is judged where it is joined."""
    if step.join is None or step.expect is not None:
        return step
    return next(s.background.step for s in plan.scenario.steps
                if s.background is not None and s.background.name == step.join.name)


def _reasons(plan: RunPlan, record: Record, steps: list[StepResult], faults: list[KernelFault],
             findings: list[Finding], console: Path) -> list[Reason]:
    """Every reason for which this run is not a pass, the first cause first."""
    reasons = _of_faults([f for f in faults if f.allowed is None], steps)
    skip = record.first("skip")
    if skip is not None and record.end is not None and record.end.reason == "skipped":
        return reasons + [Reason(Outcome.SKIP, str(text)) for text in skip.data.get("reasons") or ["no reason given"]]
    reasons += _of_setup(record)
    reasons += [Reason(Outcome.FAIL, f"step {s.index + 1} ({s.title}): " + "; ".join(
        f"expected {c.what} {c.expected}, observed {c.observed}" for c in s.checks if not c.ok))
        for s in steps if s.failed]
    reasons += _of_required(plan, console)
    reasons += _of_end(plan, record, steps, explained=bool(reasons), console=console)
    reasons += _of_teardown(record, allowed=any(f.allowed for f in faults), explained=bool(reasons))
    return reasons


def _of_faults(faults: list[KernelFault], steps: list[StepResult]) -> list[Reason]:
    """One reason for each different fault: a hung task is reported again and again."""
    times = Counter(f.fingerprint for f in faults)
    first = {f.fingerprint: f for f in reversed(faults)}
    return [_of_fault(first[fingerprint], times[fingerprint], steps) for fingerprint in times]


def _of_fault(fault: KernelFault, times: int, steps: list[StepResult]) -> Reason:
    again = f" ({times} times)" if times > 1 else ""
    where = f" in step {fault.step + 1} ({steps[fault.step].title})" if fault.step is not None \
        and fault.step < len(steps) else ""
    return Reason(Outcome.FAIL, f"kernel {fault.kind}{where}: {fault.title}{again}", fault.text)


def _of_setup(record: Record) -> list[Reason]:
    setup = record.first("setup-end")
    if setup is None or setup.data.get("ok") is True:
        return []
    return [Reason(Outcome.FAIL, f"the set-up failed: {setup.data.get('problem', 'no reason given')}")]


def _of_required(plan: RunPlan, console: Path) -> list[Reason]:
    wanted = plan.scenario.expect.kernel.require
    if not wanted:
        return []
    said = scan.kernel_said(console, [m.match for m in wanted]) if console.exists() else set()
    return [Reason(Outcome.FAIL, f"the kernel did not print {m.match!r}, which is required: {m.reason}")
            for m in wanted if m.match not in said]


def _of_end(plan: RunPlan, record: Record, steps: list[StepResult], *, explained: bool, console: Path) -> list[Reason]:
    """How the run ended, where that is not what a finished run looks like."""
    end = record.end
    if end is None:
        return [Reason(Outcome.ERROR, "the lab ended before this run did: there is no end.json")]
    tail = _tail(console)
    if end.reason == "finished":
        missing = [s for s in steps if not s.failed and (not s.ran or s.seconds is None)]
        if missing and not explained:
            return [Reason(Outcome.ERROR, f"step {missing[0].index + 1} ({missing[0].title}) left no result")]
        return []
    if end.reason == "boot-failed":
        return [Reason(Outcome.FAIL, end.detail, tail)]
    if end.reason == "deadline":
        alive = {True: "the guest's agent still answers, so the kernel is alive but this did not return",
                 False: "the guest does not answer any more", None: "unknown whether the guest still answers"}
        return [Reason(Outcome.FAIL, f"{_in_flight(steps)} {end.detail}; {alive[end.agent_alive]}",
                       _waiting(console.parent) or tail)]
    if end.reason == "guest-lost":
        return _lost(end, steps, explained=explained, tail=tail)
    return [Reason(Outcome.ERROR, end.detail or end.reason)]


def _waiting(directory: Path) -> str:
    """The first tasks that the guest's agent found waiting, and where, when it was asked."""
    try:
        lines = (directory / "artifacts" / "tasks.txt").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[:_TASK_LINES])


def _lost(end: End, steps: list[StepResult], *, explained: bool, tail: str) -> list[Reason]:
    if explained:  # the kernel said why: that is the reason
        return []
    return [Reason(Outcome.ERROR, f"the guest was lost during {_in_flight(steps)} and its kernel did not say why "
                                  f"(QEMU: {end.machine or 'unknown'}; {end.detail})", tail)]


def _in_flight(steps: list[StepResult]) -> str:
    current = next((s for s in steps if s.ran and s.seconds is None), None)
    if current:
        return f"step {current.index + 1} ({current.title})"
    return "the set-up" if not any(s.ran for s in steps) else "the teardown"


def _of_teardown(record: Record, *, allowed: bool, explained: bool) -> list[Reason]:
    reasons = []
    teardown, leaks = record.first("teardown-end"), record.first("leak-check")
    finished = record.end is not None and record.end.reason == "finished"
    if teardown is not None and teardown.data.get("ok") is not True:
        reasons += [Reason(Outcome.FAIL, f"the teardown failed: {p}") for p in teardown.data.get("problems", ["?"])]
    if leaks is not None:
        reasons += [Reason(Outcome.FAIL, f"left behind after the teardown: {x}") for x in leaks.data.get("left", [])]
        tainted = int(leaks.data.get("tainted", 0))
        if tainted and not allowed and not explained:
            reasons.append(Reason(Outcome.FAIL, f"the kernel was tainted by this run (bits {tainted:#x}) "
                                                "without a message that the lab knows"))
    if finished and (teardown is None or leaks is None):
        reasons.append(Reason(Outcome.ERROR, "the teardown or the leak check left no result"))
    return reasons


def _notes(record: Record, findings: list[Finding]) -> list[str]:
    notes = [str(e.data.get("text", "")) for e in record.events if e.kind == "note"]
    return notes + [f"kernel message ({f.kind}): {f.title}" for f in findings if f.effect is Effect.NOTE][:20]


def _tail(console: Path) -> str:
    """The end of the console, for a report. Reads the end of the file only: a guest may have flooded it."""
    try:
        with open(console, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 16384))
            lines = file.read().decode(errors="backslashreplace").splitlines()
    except OSError:
        return ""
    return "\n".join(line.rstrip() for line in lines[-_TAIL_LINES:])
