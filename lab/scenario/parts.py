"""The valid parts of a document, so that one bad value does not hide what is wrong between the others."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lab.document import Key, KeyPath
from lab.explain import at, faults_of
from lab.problems import nearest
from lab.scenario.base import FORMS
from lab.scenario.expect import ScenarioExpect
from lab.scenario.objects import Backstore, Requires, Target
from lab.scenario.steps import WORDS, Step
from lab.scenario.types import Scenario
from lab.scenario.units import WRITTEN

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Placed:
    """A step, where it stands, and the words of the steps that it is inside of, the outermost first."""

    path: KeyPath
    step: Step
    inside: tuple[str, ...] = ()

    @property
    def beside(self) -> bool:
        """Whether it runs while others do."""
        return "background" in self.inside or "parallel" in self.inside


@dataclass(frozen=True)
class Parts:
    """What the cross checks see. None stands for a part that is there, but too broken to say anything of it."""

    backstores: dict[str, Backstore | None]
    targets: list[Target | None]
    steps: list[Step | None]
    expect: ScenarioExpect | None
    requires: Requires | None = None
    hidden: frozenset[str] = frozenset()  # words of broken steps, and "backstores", "targets", "expect" when broken

    @property
    def placed(self) -> Iterator[Placed]:
        """Every valid step, also those inside others, in the order of the file."""
        for index, step in enumerate(self.steps):
            if step is not None:
                yield from _placed(Placed(("steps", index), step))

    def knows(self, *words: str) -> bool:
        """Whether nothing of these is too broken to be looked at: else what seems missing may only be misspelt."""
        return self.hidden.isdisjoint(words)


def _placed(placed: Placed) -> Iterator[Placed]:
    yield placed
    for path, step in placed.step.inner:
        yield from _placed(Placed((*placed.path, *path), step, (*placed.inside, placed.step.word)))


def default_targets(backstores: list[str]) -> list[Target]:
    """The target of a scenario that lists none: all its backstores as LUN 0, 1, ..."""
    return [Target.model_validate({}).model_copy(update={"luns": dict(enumerate(backstores))})] if backstores else []


def of_scenario(scenario: Scenario) -> Parts:
    """The parts of a valid scenario."""
    return Parts(dict(scenario.backstores), list(scenario.targets), list(scenario.steps), scenario.expect,
                 scenario.requires)


def of_document(root: dict[Key, Any]) -> Parts:
    """What can be saved of a document that is not a valid scenario."""
    raw = root.get("backstores")
    backstores = {str(k): salvaged(Backstore, v) for k, v in raw.items()} if isinstance(raw, dict) else {}
    steps = root.get("steps")
    targets: list[Target | None] = list(default_targets(list(backstores)))
    if "targets" in root:
        given = root["targets"]
        targets = [salvaged(Target, t) for t in given] if isinstance(given, list) else [None]
    saved: list[Step | None] = [salvaged(Step, s) for s in steps] if isinstance(steps, list) else [None]
    expect = salvaged(ScenarioExpect, root.get("expect", {}))
    hidden = {word for raw, step in zip(steps, saved, strict=True) if step is None for word in _words(raw)} \
        if isinstance(steps, list) else set(WORDS)
    hidden |= {"targets"} if None in targets else set()
    hidden |= {"backstores"} if "backstores" in root and not isinstance(raw, dict) else set()
    hidden |= {"expect"} if expect is None else set()
    requires = salvaged(Requires, root.get("requires", {}))
    return Parts(backstores, targets, saved, expect, requires, frozenset(hidden))


def _words(raw: Any) -> Iterator[str]:
    """The words that a broken step may have meant."""
    if not isinstance(raw, dict):
        yield from WORDS
        return
    for key, value in raw.items():
        yield nearest(key, WORDS) or str(key)
        if isinstance(value, dict) and "step" in value:
            yield from _words(value["step"])
        if isinstance(value, dict) and isinstance(value.get("steps"), list):
            for inner in value["steps"]:
                yield from _words(inner)


def salvaged(model: type[Model], raw: Any) -> Model | None:
    """The model of `raw` without the keys that are wrong; None when too little is left."""
    value = copy.deepcopy(raw)
    for _ in range(4):  # what is left after a removal can be wrong in turn
        try:
            return model.model_validate(value, context=WRITTEN)
        except ValidationError as error:
            removed = [_removed(value, fault.path) for fault in faults_of(error, value, model, FORMS)]
            if not all(removed):
                return None
    return None


def _removed(value: Any, path: KeyPath) -> bool:
    """Take the innermost key of a path out of its mapping; False when there is none."""
    for length in range(len(path), 0, -1):
        try:
            holder = at(value, path[:length - 1])
        except (KeyError, IndexError, TypeError):
            return True  # gone already, with something around it
        if isinstance(holder, dict):
            holder.pop(path[length - 1], None)
            return True
    return False
