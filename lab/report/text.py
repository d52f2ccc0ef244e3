"""A result in words that a person can act on: the text of a JUnit failure, and of the terminal."""

from __future__ import annotations

from lab.report.result import Outcome, Reason, Result, StepResult

_KERNEL_LINES = 60


def failure_text(result: Result, reason: Reason) -> str:
    """Reason, the step with expected and observed, the kernel's messages of that step, and how to repeat it."""
    of_steps = [_step(s) for s in result.steps if s.failed and reason.text.startswith(f"step {s.index + 1} (")]
    parts = of_steps or [reason.text]
    if reason.detail:
        lines = reason.detail.rstrip().splitlines()
        parts.append("\n".join(["evidence:", *(f"  {x}" for x in lines[:_KERNEL_LINES])]))
    if result.notes:
        parts.append("\n".join(["notes:", *(f"  {n}" for n in result.notes[:10])]))
    if result.directory:
        parts.append(f"files:  {result.directory}")
    parts.append(f"repeat: {result.repeat}")
    return "\n\n".join(parts)


def _step(step: StepResult) -> str:
    lines = [f"step {step.index + 1}: {step.title}"]
    for check in step.checks:
        if not check.ok:
            lines += [f"  {check.what}:", f"    expected: {check.expected}", f"    observed: {check.observed}"]
    if step.kernel_messages:
        lines += ["  the kernel's messages during this step:", *(f"    {m}" for m in step.kernel_messages)]
    return "\n".join(lines)


def counts(results: list[Result]) -> str:
    """`14 passed, 1 failed, 2 skipped`: one line; zero counts are left out, except the passed ones."""
    words = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.ERROR: "errors", Outcome.SKIP: "skipped"}
    numbers = {o: sum(1 for r in results if r.outcome is o) for o in words}
    return ", ".join(f"{n} {words[o]}" for o, n in numbers.items() if n or o is Outcome.PASS)
