"""What is expected of the kernel's messages: expressions that say nothing, and places where they could not count."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.document import KeyPath
from lab.explain import Fault
from lab.scenario.expect import Expect, KernelExpect, KernelMessage
from lab.scenario.parts import Parts, Placed

# Titles of reports that have nothing in common: an expression that fits all of them fits anything.
_UNLIKE = ("task hung in submit_bio_wait", "KASAN: use-after-free Read in core_tmr_abort_task", "WARNING in f",
           "lockdep: possible circular locking dependency", "Kernel panic: Fatal exception", "BUG: bad things")


def check(parts: Parts) -> Iterator[Fault]:
    """All faults of `kernel` expectations."""
    if parts.expect is not None:
        yield from _messages(("expect", "kernel"), parts.expect.kernel)
    for placed in parts.placed:
        if placed.step.expect is not None:
            yield from _of_step(placed, placed.step.expect)


def _of_step(placed: Placed, expect: Expect) -> Iterator[Fault]:
    path: KeyPath = (*placed.path, "expect")
    for index, choice in enumerate(expect.any_of or []):
        if choice.kernel is not None:
            yield Fault((*path, "any_of", index, "kernel"), "messages of the kernel are no alternative of others: put "
                                                            "kernel beside any_of", key=True)
    if expect.kernel is None:
        return
    if set(placed.inside) - {"background"}:
        yield Fault((*path, "kernel"), f"what the kernel says is expected of the whole {placed.inside[0]} step, not of "
                                       "a step inside it", key=True)
    elif placed.inside and expect.kernel.require:
        yield Fault((*path, "kernel", "require"), "a message that must come during a background step is required at "
                                                  "its join or for the whole scenario", key=True)
    yield from _messages((*path, "kernel"), expect.kernel)


def _messages(path: KeyPath, kernel: KernelExpect) -> Iterator[Fault]:
    for name, messages in (("allow", kernel.allow), ("require", kernel.require)):
        for index, message in enumerate(messages):
            yield from _telling((*path, name, index, "match"), message)
            if message.match in [m.match for m in messages[:index]]:
                yield Fault((*path, name, index, "match"), f"{message.match!r} stands in this list twice")


def _telling(path: KeyPath, message: KernelMessage) -> Iterator[Fault]:
    if all(re.search(message.match, text) for text in _UNLIKE):
        yield Fault(path, f"{message.match!r} fits any message of the kernel; name the one that is meant")
    if not message.reason.strip():
        yield Fault((*path[:-1], "reason"), "the reason is empty; say why, for whoever reads the report")
