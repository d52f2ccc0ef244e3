"""A scenario as data: what a YAML file says after matrix expansion, complete and checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.scenario.base import FORMS, Argument, Name, Scalar, Strict
from lab.scenario.expect import ScenarioExpect
from lab.scenario.objects import Backstore, Requires, Target
from lab.scenario.steps import Step

SCENARIO_NAME = r"^[a-z0-9][a-z0-9-]*$"
FORMS[SCENARIO_NAME] = "a name of small letters, digits and -"


class Scenario(Strict):
    """One experiment. One file; with a matrix, one run for each combination of its values."""

    scenario: str = Field(pattern=SCENARIO_NAME, max_length=80, description="its name, unique in the library")
    summary: str = Field(min_length=10, max_length=400, description="one sentence: what must be true")
    tags: list[Name] = Field(default_factory=list, description="words to select it by")
    matrix: dict[Name, Annotated[list[Scalar], Field(min_length=1)]] = Field(
        default_factory=dict, description="every combination of these values is a run; {NAME} stands for the value")
    requires: Requires = Field(default_factory=Requires, description="what a kernel must have")
    backstores: dict[Name, Backstore] = Field(default_factory=dict, description="by name")
    targets: list[Target] = Field(
        default_factory=list, description="left out: one target with all backstores as LUN 0, 1, ...; []: none")
    steps: list[Step] = Field(min_length=1, description="what happens, one after the other")
    expect: ScenarioExpect = Field(default_factory=ScenarioExpect, description="what must be true of the whole")
    cmdline: list[Annotated[Argument, Field(min_length=1)]] = Field(
        default_factory=list, description="kernel parameters; such a scenario boots afresh")
