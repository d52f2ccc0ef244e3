"""Files of deviations (`NAME.expected`) become part of the scenarios that name them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab.document import examine
from lab.explain import validated
from lab.problems import Problem
from lab.scenario.base import FORMS
from lab.scenario.luns import luns, resolve
from lab.scenario.steps import Step
from lab.scenario.suite_steps import Deviation, ExpectedFile, Suite
from lab.scenario.types import Scenario


@dataclass
class Lists:
    """The files that the scenarios of one folder name, each read once; `raw` is what they hold."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)
    _read: dict[str, ExpectedFile | None] = field(default_factory=dict)
    raw: bytes = b""

    def attached(self, scenario: Scenario) -> Scenario:
        """The scenario with the deviations that hold for the backstores that its suites run on."""
        if all(_suite(step) is None for step in scenario.steps):
            return scenario
        return scenario.model_copy(update={"steps": [self._step(scenario, step) for step in scenario.steps]})

    def _step(self, scenario: Scenario, step: Step) -> Step:
        if step.background is not None:
            inner = self._step(scenario, step.background.step)
            return step.model_copy(update={"background": step.background.model_copy(update={"step": inner})})
        if step.suite is None:
            return step
        known = luns(list(scenario.targets), scenario.steps)
        name = resolve(step.suite.lun, known, list(scenario.targets), dict(scenario.backstores)).backstore
        kind = scenario.backstores[name].type
        holding = [d for d in [*step.suite.deviations, *self._listed(step.suite)] if not d.on or kind in d.on]
        return step.model_copy(update={"suite": step.suite.model_copy(update={"deviations": holding})})

    def _listed(self, suite: Suite) -> list[Deviation]:
        if suite.expected is None:
            return []
        if suite.expected not in self._read:
            self._read[suite.expected] = self._load(suite.expected)
        listed = self._read[suite.expected]
        return listed.deviations if listed is not None else []

    def _load(self, name: str) -> ExpectedFile | None:
        document = examine(self.folder / name)
        self.raw += document.raw
        listed, problems = validated(document, ExpectedFile, FORMS)
        self.problems += problems
        return listed


def _suite(step: Step) -> Suite | None:
    return step.background.step.suite if step.background is not None else step.suite
