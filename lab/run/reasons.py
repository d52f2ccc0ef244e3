"""Every reason for which a run is not a pass, the first cause first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lab.report.result import Check, Outcome, Reason, StepResult
from lab.run.evidence import Evidence
from lab.run.fingerprints import identity
from lab.run.kernel_reasons import Faults, taint_reason, unexplained_taint
from lab.run.record import End
from lab.scenario.expect import KernelMessage

Timed = tuple[float, Reason]
"""A reason and its position in time: -1 before the steps, N in step N, N.5 at its end, more for what comes after."""


def reasons(evidence: Evidence, steps: list[StepResult], faults: Faults) -> list[Reason]:
    """All of them: FAILs in the order of time, then ERRORs. Kernel failures after the first cause are consequences."""
    skip, end = evidence.record.first("skip"), evidence.record.end
    found: list[Timed] = list(faults.reasons())
    if skip is not None and end is not None and end.reason == "skipped":
        why = [Reason(Outcome.SKIP, str(text)) for text in skip.data.get("reasons") or ["no reason given"]]
        return _in_order(found) + why
    found += _of_setup(evidence)
    found += [(s.index + 0.5, reason) for s in steps if s.failed for reason in of_step(s)]
    found += _of_required(evidence, steps)
    found += _Ending(evidence, steps, faults, explained=bool(found)).reasons()
    found += _of_teardown(evidence, len(steps), faults)
    return _in_order(found)


def _in_order(found: list[Timed]) -> list[Reason]:
    ordered = [r for _, r in sorted(found, key=lambda timed: (timed[1].outcome is not Outcome.FAIL, timed[0]))]
    return [replace(r, consequence=True) if n and r.kind == "kernel" else r for n, r in enumerate(ordered)]


def failed(kind: str, text: str, *about: str, detail: str = "") -> Reason:
    """A FAIL of a kind; `about` is what makes it the same failure another time."""
    return Reason(Outcome.FAIL, text, detail, kind, identity(kind, *about))


def _of_setup(evidence: Evidence) -> Iterator[Timed]:
    setup = evidence.record.first("setup-end")
    if setup is not None and setup.data.get("ok") is not True:
        problem = str(setup.data.get("problem", "no reason given"))
        yield -0.5, failed("set-up", f"the set-up failed: {problem}", problem)


def of_step(step: StepResult) -> Iterator[Reason]:
    """One for all facts that are not as expected together, and one for each case of a suite."""
    where, wrong = f"step {step.index + 1} ({step.title})", [c for c in step.checks if not c.ok]
    for check in wrong:
        if check.kind == "case":
            yield failed("case", f"{where}: {check.what}: {check.observed}", check.what, check.observed)
        elif check.kind == "lab":
            yield Reason(Outcome.ERROR, f"{where}: {check.observed}")
    facts = [c for c in wrong if not c.kind]
    if facts:
        yield _of_facts(step, facts)


def _of_facts(step: StepResult, wrong: list[Check]) -> Reason:
    text = "; ".join(f"expected {c.what} {c.expected}, observed {c.observed}" for c in wrong)
    # A bare exit status is no measurement: 3 is another failure than 4.
    word = {"exit status": "exit "}
    about = [part for c in wrong for part in (c.what, word.get(c.what, "") + c.expected,
                                              word.get(c.what, "") + c.observed)]
    return failed("step", f"step {step.index + 1} ({step.title}): {text}", step.title, *about)


def _of_required(evidence: Evidence, steps: list[StepResult]) -> Iterator[Timed]:
    """Messages that must come, in a run that came to its end; those of a step where the step did."""
    scenario, end = evidence.plan.scenario, evidence.record.end
    whole = scenario.expect.kernel.require if end is not None and end.reason == "finished" else []
    for message in _unsaid(evidence, whole, None):
        yield len(steps) + 1.7, failed("require", f"the kernel did not print {_wanted(message)}", message.match)
    for result, step in zip(steps, scenario.steps, strict=True):
        if result.seconds is not None and step.expect is not None and step.expect.kernel is not None:
            for message in _unsaid(evidence, step.expect.kernel.require, result.index):
                text = f"step {result.index + 1} ({result.title}): the kernel did not print {_wanted(message)}"
                yield result.index + 0.6, failed("require", text, result.title, message.match)


def _wanted(message: KernelMessage) -> str:
    return f"{message.match!r}, which is required: {message.reason}"


def _unsaid(evidence: Evidence, wanted: list[KernelMessage], step: int | None) -> list[KernelMessage]:
    said = evidence.said([m.match for m in wanted], step) if wanted else set()
    return [m for m in wanted if m.match not in said]


@dataclass(frozen=True)
class _Ending:
    """How the run ended, where that is not what a finished run looks like. `explained`: by an earlier reason."""

    evidence: Evidence
    steps: list[StepResult]
    faults: Faults
    explained: bool

    def reasons(self) -> Iterator[Timed]:
        end = self.evidence.record.end
        if end is None:
            yield _error("the lab ended before this run did: there is no end.json")
        elif end.reason == "finished":
            yield from self._finished(end)
        elif end.reason == "boot-failed":
            yield -0.9, failed("boot", end.detail, "the kernel does not boot", detail=self.evidence.tail())
        elif end.reason == "deadline":
            yield self._late(end)
        elif end.reason == "guest-lost":
            yield from self._lost(end)
        else:
            yield _error(end.detail or end.reason)

    def _finished(self, end: End) -> Iterator[Timed]:
        missing = [s for s in self.steps if not s.failed and (not s.ran or s.seconds is None)]
        if missing and not self.explained:
            yield _error(f"step {missing[0].index + 1} ({missing[0].title}) left no result")
        if end.machine not in ("", "running") and not self.faults.failures:
            yield _error(f"the guest was gone when the run had ended (QEMU: {end.machine})", self.evidence.tail())
        yield from self._unrecorded()

    def _unrecorded(self) -> Iterator[Timed]:
        """A console that lacks marks which the agent wrote is silent for another reason than that all is well."""
        leaks, last = self.evidence.record.first("leak-check"), self.evidence.record.first("end-mark")
        if leaks is not None and leaks.data.get("marked") is False:
            yield _error("the guest could not write its marks into the kernel log, so the console's silence proves "
                         "nothing: a kernel needs CONFIG_PRINTK, the guest a /dev/kmsg that it may write to")
        if last is None or last.data.get("written") is not True:
            return
        seen = self.evidence.marks()
        lost = [f"step {s.index + 1} ({s.title})" for s in self.steps
                if s.seconds is not None and not {s.index} <= seen.begun & seen.ended]
        lost += [] if seen.last else ["the run's end"]
        if lost:
            yield _error("the console did not record this run, so its silence proves nothing: there is no mark of "
                         + ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else ""))

    def _late(self, end: End) -> Timed:
        alive = {True: "the guest's agent still answers, so the kernel is alive but this did not return",
                 False: "the guest does not answer any more", None: "unknown whether the guest still answers"}
        more = f" (extended by {end.extended_s:.0f} s: the host was busy, or the guest still moved)" \
            if end.extended_s >= 1 else ""
        still = f"; nothing moved for {end.moved_s:.0f} s" if end.moved_s is not None else ""
        index, what, about = self._in_flight()
        detail = "\n".join(filter(None, (self.evidence.waiting(), self.evidence.tail())))
        return index + 0.7, failed("deadline", f"{what} {end.detail}{more}{still}; {alive[end.agent_alive]}", about,
                                   detail=detail)

    def _lost(self, end: End) -> Iterator[Timed]:
        if self.faults.failures:  # the kernel said why: that is the reason
            return
        index, what, _ = self._in_flight()
        how = f"(QEMU: {end.machine or 'unknown'}; {end.detail})"
        if (fatal := self.faults.fatal_but_allowed) is not None:
            rest = [f"step {s.index + 1}" for s in self.steps if s.index > index]
            never = f", so {rest[0]} and what follows it were not carried out" if rest and index >= 0 else ""
            yield _error(f"{what} did not end: the scenario lets pass that the kernel died of {fatal.title!r}{never}; "
                         f"nothing after it was checked {how}", self.evidence.tail())
        else:
            yield _error(f"the guest was lost during {what} and its kernel did not say why {how}",
                         self.evidence.tail())

    def _in_flight(self) -> tuple[float, str, str]:
        """Position in time, the words of a report, and what stays the same another time."""
        current = next((s for s in self.steps if s.ran and s.seconds is None), None)
        if current is not None:
            return current.index, f"step {current.index + 1} ({current.title})", current.title
        if not any(s.ran for s in self.steps) and self.evidence.record.first("setup-end") is None:
            return -1, "the set-up", "the set-up"
        return len(self.steps), "the teardown", "the teardown"


def _error(text: str, detail: str = "") -> Timed:
    return 0.0, Reason(Outcome.ERROR, text, detail)


def _of_teardown(evidence: Evidence, steps: int, faults: Faults) -> Iterator[Timed]:
    record = evidence.record
    teardown, leaks = record.first("teardown-end"), record.first("leak-check")
    if teardown is not None and teardown.data.get("ok") is not True:
        for problem in teardown.data.get("problems", ["?"]):
            yield steps + 0.5, failed("teardown", f"the teardown failed: {problem}", str(problem))
    if leaks is not None:
        for left in leaks.data.get("left", []):
            yield steps + 1.5, failed("leak", f"left behind after the teardown: {left}", str(left))
        flags, _ = unexplained_taint(leaks.data.get("tainted"), faults, evidence)
        if flags:
            yield steps + 1.6, taint_reason(flags)
    if record.end is not None and record.end.reason == "finished" and (teardown is None or leaks is None):
        yield _error("the teardown or the leak check left no result")
