"""Results for a plan: what every result says of its circumstances, and results of runs that did not take place."""

from __future__ import annotations

from lab.report.result import Outcome, Reason, Result
from lab.run.plan import RunPlan


def properties(plan: RunPlan, origin: str) -> dict[str, str]:
    """What a result depends on, by name: for JUnit, and for comparing two runs."""
    return {
        "kernel.name": plan.kernel.name, "kernel.release": plan.kernel.release,
        "kernel.hash": plan.kernel.identity, "kernel.spec": plan.kernel.spec,
        "scenario.hash": plan.digest, "scenario.file": plan.path, "seed": str(plan.seed),
        "accelerator": plan.environment.accelerator, "qemu": plan.environment.qemu,
        "virtme-ng": plan.environment.virtme_ng, "lab": plan.environment.lab, "machine": plan.environment.machine,
        "guest": origin,
    }


def not_run(plan: RunPlan, outcome: Outcome, reasons: list[str], directory: str) -> Result:
    """The result of a run for which no machine was started: skipped, interrupted, or an error before it began."""
    return Result(id=plan.id, scenario=plan.scenario.scenario, outcome=outcome,
                  reasons=[Reason(outcome, r) for r in reasons], steps=[], faults=[], notes=[], seconds=0.0, origin="",
                  repeat=plan.repeat_command(), directory=directory, values=plan.values,
                  properties=properties(plan, ""))
