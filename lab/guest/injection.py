"""Faults by name: how each is switched on, how it is undone, and what this kernel lacks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lab.guest.lio import Backstore
from lab.guest.observation import Refused

Undo = Callable[[], None]


@dataclass(frozen=True)
class Order:
    """One `inject`: its backstore (None: the fault is in none), and the keys that it was given."""

    fault: str
    options: dict[str, Any]
    backstore: Backstore | None = None

    @property
    def where(self) -> Backstore:
        if self.backstore is None:
            raise Refused(f"{self.fault} needs a backstore")
        return self.backstore


@dataclass(frozen=True)
class Fault:
    """`inject` switches it on and gives what undoes it; `lacks` says why it cannot be had here, or None.

    With `adds` it can be injected while it is on, which adds to it; the last undo then undoes all.
    """

    inject: Callable[[Order], Undo]
    lacks: Callable[[Order], str | None]
    adds: bool = False


FAULTS: dict[str, Fault] = {}


def fault(*names: str, lacks: Callable[[Order], str | None] = lambda order: None, adds: bool = False) -> \
        Callable[[Callable[[Order], Undo]], Callable[[Order], Undo]]:
    """Register what switches these faults on."""
    def register(function: Callable[[Order], Undo]) -> Callable[[Order], Undo]:
        for name in names:
            FAULTS[name] = Fault(function, lacks, adds)
        return function
    return register


def lacking(scenario: dict[str, Any], backstores: dict[str, Backstore]) -> list[str]:
    """Why faults that the scenario injects anywhere cannot be had in this kernel; each reason once."""
    reasons = []
    for options in wherever(scenario.get("steps"), "inject"):
        given = {key: value for key, value in options.items() if value not in (None, {})}
        name, on = given.pop("fault"), given.pop("on", None)
        if on is None or on in backstores:
            reasons.append(FAULTS[name].lacks(Order(name, given, backstores.get(on or ""))))
    return list(dict.fromkeys(reason for reason in reasons if reason))


def wherever(steps: Any, word: str) -> Iterator[Any]:
    """What stands at this word in steps as they came, also in those inside others."""
    if isinstance(steps, list):
        for step in steps:
            yield from wherever(step, word)
    elif isinstance(steps, dict):
        for key, value in steps.items():
            if key != word:
                yield from wherever(value, word)
            elif value is not None:
                yield value
