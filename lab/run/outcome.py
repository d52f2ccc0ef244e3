"""Results for a plan: what every result says of its circumstances, and results of runs that did not take place."""

from __future__ import annotations

import re

from lab.report.result import Outcome, Reason, Result
from lab.run.plan import KernelFacts, RunPlan

_PACKAGE = re.compile(r"(?:debian-)?([0-9]+\.[0-9]+(?:\.[0-9]+)?)(~rc[0-9]+)?")
_RELEASE = re.compile(r"([0-9]+\.[0-9]+(?:\.[0-9]+)?)(-rc[0-9]+)?")


def upstream_version(kernel: KernelFacts) -> str:
    """The version of kernel.org that a kernel is built from, such as 6.1.192 or 6.12.0-rc3; empty when unknown.

    A Debian kernel's release (6.1.0-56-amd64) does not say it, the version of its package does.
    """
    if (package := _PACKAGE.match(kernel.package or kernel.name)) is not None:  # older plans have it in the name only
        return package[1] + (package[2] or "").replace("~", "-")
    found = _RELEASE.match(kernel.release)
    return "" if found is None else found[1] + (found[2] or "")


def properties(plan: RunPlan, origin: str) -> dict[str, str]:
    """What a result depends on, by name: for JUnit, and for comparing two runs."""
    return {
        "kernel.version": upstream_version(plan.kernel),
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
                  properties=properties(plan, ""), number=plan.number)
