"""The steps of a scenario: one type for each word. A driver of the same name in lab.guest carries it out."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from lab.scenario.base import FORMS, Argument, Name, Strict
from lab.scenario.expect import Expect
from lab.scenario.file_steps import Configfs, Sysfs, WaitFor
from lab.scenario.io_steps import Fio, Scsi, Verify, Write
from lab.scenario.object_steps import Clear, Inject, LunStep, Module, Reset, TargetStep
from lab.scenario.units import Duration

TIMEOUT_LIMIT_S = 600.0
KEY = r"^[a-z0-9]$"
FORMS[KEY] = "one small letter or digit"


class Run(Strict):
    """Any program in the guest, without a shell. {LUN} in an argument stands for its /dev/sdX, {sg:LUN} for
    /dev/sgN."""

    argv: list[Argument] = Field(min_length=1, description="program and arguments")
    stdin: str = Field("", description="what it reads")


class Sleep(Strict):
    """Let time pass."""

    time: Duration = Field(description="for how long; prefer wait_for")


class Sysrq(Strict):
    """A letter to /proc/sysrq-trigger. In tests of the lab itself: c panics, l and w only report."""

    key: str = Field(pattern=KEY, description="the letter")


class Background(Strict):
    """Start a step and go on; `join` waits for it and judges it by its own `expect`."""

    name: Name = Field(description="what join calls it")
    step: Step = Field(description="the step that is started")


class Join(Strict):
    """Wait for a step in the background. With an `expect` here, that one counts instead of the step's own."""

    name: Name = Field(description="of the background step")


class Step(Strict):
    """One step: exactly one word, and what is common to all."""

    write: Write | None = None
    verify: Verify | None = None
    fio: Fio | None = None
    scsi: Scsi | None = None
    inject: Inject | None = None
    clear: Clear | None = None
    reset: Reset | None = None
    lun: LunStep | None = None
    target: TargetStep | None = None
    configfs: Configfs | None = None
    sysfs: Sysfs | None = None
    module: Module | None = None
    run: Run | None = None
    wait_for: WaitFor | None = None
    sleep: Sleep | None = None
    sysrq: Sysrq | None = None
    background: Background | None = None
    join: Join | None = None
    name: str | None = Field(None, min_length=1, max_length=200, description="what the report calls the step")
    expect: Expect | None = Field(None, description="default: the step succeeds")
    timeout: Duration = Field(60.0, description="scaled by how slow this host's guests are")

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, seconds: float) -> float:
        if not 0 < seconds <= TIMEOUT_LIMIT_S:
            raise ValueError("a timeout must be longer than 0s and at most 10min")
        return seconds

    @property
    def word(self) -> str:
        """The one word of this step."""
        return next(w for w in WORDS if getattr(self, w) is not None)

    @model_validator(mode="after")
    def _one_word(self) -> Step:
        words = [w for w in WORDS if getattr(self, w) is not None]
        if len(words) != 1:
            raise ValueError(f"a step has exactly one word of: {', '.join(WORDS)}"
                             + (f"; this one has {' and '.join(words)}" if words else ""))
        return self


Background.model_rebuild()  # now that Step is there
COMMON = ("name", "expect", "timeout")
WORDS = tuple(n for n in Step.model_fields if n not in COMMON)
