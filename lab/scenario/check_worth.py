"""Whether a scenario can fail, and whether what its steps expect can be seen at all."""

from __future__ import annotations

from collections.abc import Iterator

from lab.explain import Fault
from lab.problems import listed
from lab.scenario.expect import Expect
from lab.scenario.io_steps import Fio
from lab.scenario.parts import Parts, Placed
from lab.scenario.steps import TIMEOUT_LIMIT_S, WORDS, Step

# A step of these words asserts something by itself. Any other merely has to be carried out.
ASSERTING = ("verify", "scsi", "wait_for", "run", "attribute", "walk", "suite", "stress")
_OF_A_COMMAND = ("scsi", "write", "verify", "join", "read")
OF_A_GROUP = ("took", "kernel")  # facts of a parallel or repeat as a whole
# Which words can observe a fact; a fact that is not here can be observed with every word.
OBSERVED_BY = {
    **dict.fromkeys(("status", "sense", "information", "host_status", "residual"), _OF_A_COMMAND),
    **dict.fromkeys(("data", "fill"), ("scsi", "join")),
    "fields": ("scsi", "account", "join"),
    **dict.fromkeys(("text", "match"), ("configfs", "sysfs", "run", "stress", "fio", "wait_for", "join")),
    "exit": ("run", "fio", "module", "join"),
}


def check(parts: Parts) -> Iterator[Fault]:
    """All faults of expectations and times."""
    for placed in parts.placed:
        if placed.step.expect is not None:
            yield from _observable(placed, placed.step.expect, ("expect",))
        yield from _times(placed)
        yield from _of_suite(placed)
    if parts.knows("expect", *WORDS) and not _can_fail(parts):
        yield Fault(("steps",), "nothing here can fail, so the scenario says nothing: add a verify, a scsi step, a "
                                "fio with verify, a wait_for or an expect")


def _of_suite(placed: Placed) -> Iterator[Fault]:
    """The cases of a suite are cases of the report: once each, at their step or where it is joined."""
    groups = [word for word in placed.inside if word != "background"]
    if placed.step.suite is not None and groups:
        yield Fault((*placed.path, "suite"), f"a suite cannot be inside {groups[0]}: its cases are told one by one; "
                                             "make it a step of its own, or start it in the background", key=True)


def _can_fail(parts: Parts) -> bool:
    required = parts.expect is not None and bool(parts.expect.kernel.require)
    return required or any(_asserts(placed.step) for placed in parts.placed)


def _asserts(step: Step) -> bool:
    """What only lets messages pass asserts nothing."""
    expect = step.expect
    if expect is not None and (expect.observed or (expect.kernel is not None and expect.kernel.require)):
        return True
    if step.account is not None and step.account.action == "end":
        return True
    if step.repeat is not None and step.repeat.fails_below is not None:
        return True  # all steps of its last round must succeed
    return step.word in ASSERTING or (step.fio is not None and _fio_verifies(step.fio))


def _fio_verifies(fio: Fio) -> bool:
    return fio.options.get("verify", 0) not in (0, "0", "null", False)


def _observable(placed: Placed, expect: Expect, path: tuple[str | int, ...]) -> Iterator[Fault]:
    word = placed.step.word
    for fact in expect.facts:
        if placed.step.inner and word != "background" and fact not in OF_A_GROUP:
            yield Fault((*placed.path, *path, fact), f"a {word} step has no {fact}: each step inside it has an expect "
                                                     "of its own", key=True)
            continue
        words = OBSERVED_BY.get(fact)
        if words is not None and word not in words:
            yield Fault((*placed.path, *path, fact), f"a {word} step has no {fact} to look at; only "
                                                     f"{listed(words, 'and')} have", key=True)
    for index, choice in enumerate(expect.any_of or []):
        yield from _observable(placed, choice, (*path, "any_of", index))


def _times(placed: Placed) -> Iterator[Fault]:
    step, timeout = placed.step, placed.step.timeout
    took = step.expect.took if step.expect is not None else None
    if took is not None and took.at_least is not None and took.at_least >= timeout:
        yield Fault((*placed.path, "expect", "took"),
                    f"at_least must be shorter than the step's timeout of {timeout:g}s")
    if step.sleep is not None and step.sleep.time >= timeout:
        limit = "" if step.sleep.time < TIMEOUT_LIMIT_S else f", and no timeout is above {TIMEOUT_LIMIT_S:g}s"
        yield Fault((*placed.path, "sleep", "time"),
                    f"the sleep must be shorter than the step's timeout of {timeout:g}s{limit}")
    if step.stress is not None and step.stress.time >= timeout:
        yield Fault((*placed.path, "stress", "time"),
                    f"the time must be shorter than the step's timeout of {timeout:g}s")
    runtime = step.fio.options.get("runtime") if step.fio is not None else None
    if isinstance(runtime, int) and not isinstance(runtime, bool) and runtime >= timeout:
        yield Fault((*placed.path, "fio", "options", "runtime"),
                    f"fio's runtime of {runtime}s must be shorter than the step's timeout of {timeout:g}s")
