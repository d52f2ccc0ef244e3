"""A result in words that a person can act on: the text of a JUnit failure, and of the terminal."""

from __future__ import annotations

import json

from lab.report.result import Outcome, Reason, Result, StepResult

_KERNEL_LINES = 60


def failure_text(result: Result, reason: Reason) -> str:
    """Reason, the step with expected and observed, the kernel's messages of that step, and how to repeat it."""
    of_steps = [_step(s) for s in result.steps if s.failed and reason.text.startswith(f"step {s.index + 1} (")]
    parts = of_steps or [reason.text]
    parts += [_evidence(evidence)] if (evidence := _decoded(result, reason) or reason.detail) else []
    parts += [_others(result, reason)] if reason.outcome is Outcome.FAIL else []
    if result.notes:
        parts.append("\n".join(["notes:", *(f"  {n}" for n in result.notes[:10])]))
    if result.directory:
        parts.append(f"files:  {result.directory}")
    parts.append(f"repeat: {result.repeat}")
    if reason.outcome is Outcome.FAIL and result.outcome is Outcome.FAIL:
        parts.append("as an entry of kernels/known-bugs.yaml, if it is known:\n" + known_entry(result))
    return "\n\n".join(parts)


def _evidence(text: str) -> str:
    return "\n".join(["evidence:", *(f"  {x}" for x in text.rstrip().splitlines()[:_KERNEL_LINES])])


def _decoded(result: Result, reason: Reason) -> str:
    """The kernel's report with file:line, where symbols were at hand; the raw one stays in result.json."""
    return next((f.decoded for f in result.faults if f.decoded and f.fingerprint == reason.fingerprint), "")


def _others(result: Result, reason: Reason) -> str:
    """The fingerprint, and how this failure and the others of the run hang together."""
    lines = [f"fingerprint: {reason.fingerprint}" + (f", the known bug {reason.bug}" if reason.bug else "")]
    cause = result.cause
    if cause is not None and cause is not reason and reason.consequence:
        lines.append(f"first cause: {cause.text}")
    if cause is reason:
        later = [r.text for r in result.reasons if r.consequence]
        lines += ["consequences:", *(f"  {text}" for text in later)] if later else []
        lines += [f"the worst of them: {result.worst}"] if later and result.worst not in reason.text else []
    return "\n".join(lines)


def known_entry(result: Result) -> str:
    """What kernels/known-bugs.yaml needs to know the failures of a run again; NAME is for a person to replace."""
    failures = [r for r in result.reasons if r.outcome is Outcome.FAIL and not r.bug]
    prints = list(dict.fromkeys(r.fingerprint for r in failures))
    kernel = result.properties.get("kernel.version") or result.properties.get("kernel.name", "")
    summary = " ".join((failures[0].text if failures else "").split())[:200]
    return "\n".join([
        "  - bug: NAME", f"    summary: {_quoted(summary)}", f"    scenario: {_quoted(result.scenario)}",
        f"    kernels: {_quoted(kernel)}", f"    fingerprint: [{', '.join(_quoted(x) for x in prints)}]",
        "    fixed: open"])


def _quoted(text: str) -> str:
    """A double-quoted scalar of YAML."""
    return json.dumps(text)


def known_text(result: Result) -> str:
    """What a known bug made of a result, in one line; empty where there is none."""
    bugs = "; ".join(k.text for k in result.known)
    if result.outcome is Outcome.XPASS:
        return f"passed in spite of the {bugs}"
    return f"{bugs} (was there too)" if bugs and result.outcome is not Outcome.XFAIL else bugs


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
    return _counted([r.outcome for r in results])


def case_counts(result: Result) -> str:
    """`118 cases: 80 passed, 38 skipped` of the test suites that a run ran; empty where it ran none."""
    outcomes = [case.outcome for case in result.cases]
    return f"{len(outcomes)} cases: {_counted(outcomes)}" if outcomes else ""


def _counted(outcomes: list[Outcome]) -> str:
    words = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.ERROR: "errors", Outcome.XFAIL: "known to fail",
             Outcome.XPASS: "passed in spite of a known bug", Outcome.SKIP: "skipped"}
    numbers = {o: outcomes.count(o) for o in words}
    return ", ".join(f"{n} {words[o]}" for o, n in numbers.items() if n or o is Outcome.PASS)


def kernel_notes(results: list[Result]) -> list[str]:
    """What was noted of the kernel itself: it stands at every run that took place."""
    noted = [r.notes for r in results if r.origin]
    return [note for note in noted[0] if all(note in notes for notes in noted)] if noted else []
