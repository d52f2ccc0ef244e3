"""The steps of a scenario: one type for each word. A driver of the same name in lab.guest carries it out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field, field_validator, model_validator

from lab.document import KeyPath
from lab.scenario.base import FORMS, Argument, Name, Strict
from lab.scenario.expect import Expect
from lab.scenario.faults import Clear, Inject
from lab.scenario.file_steps import Configfs, Sysfs, WaitFor
from lab.scenario.io_steps import Fio, Read, Scsi, Verify, Write
from lab.scenario.object_steps import Account, BackstoreStep, LunStep, Module, Reset, TargetStep
from lab.scenario.stress_steps import Stress
from lab.scenario.suite_steps import Suite
from lab.scenario.tree_steps import Attribute, Walk
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


class Parallel(Strict):
    """Start all steps together and wait for all; each is judged by its own `expect`."""

    steps: list[Step] = Field(min_length=2, max_length=16, description="what runs side by side, once each")


FUNCTION = r"^[A-Za-z_]\w*$"
FORMS[FUNCTION] = "the name of a function of the kernel"


class Repeat(Strict):
    """Carry out steps several times, each round judged like the first. A failure names its round and ends the rounds.
    The step's `timeout` is for all rounds together."""

    times: int = Field(ge=1, le=1000, description="rounds")
    steps: list[Step] = Field(min_length=1, max_length=32, description="what a round is, one after the other")
    fails_below: str | None = Field(None, pattern=FUNCTION, description=(
        "a function of the kernel: in round N the Nth allocation fails that is made in it or in what it calls "
        "(failslab). The first round in which none is left to fail is the last, and all its steps must succeed; "
        "`times` must be more than these"))


class Step(Strict):
    """One step: exactly one word, and what is common to all."""

    write: Write | None = None
    read: Read | None = None
    verify: Verify | None = None
    fio: Fio | None = None
    scsi: Scsi | None = None
    inject: Inject | None = None
    clear: Clear | None = None
    reset: Reset | None = None
    lun: LunStep | None = None
    target: TargetStep | None = None
    backstore: BackstoreStep | None = None
    configfs: Configfs | None = None
    attribute: Attribute | None = None
    walk: Walk | None = None
    sysfs: Sysfs | None = None
    module: Module | None = None
    run: Run | None = None
    suite: Suite | None = None
    wait_for: WaitFor | None = None
    account: Account | None = None
    stress: Stress | None = None
    sleep: Sleep | None = None
    sysrq: Sysrq | None = None
    background: Background | None = None
    join: Join | None = None
    parallel: Parallel | None = None
    repeat: Repeat | None = None
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

    @property
    def inner(self) -> list[tuple[KeyPath, Step]]:
        """The steps that are part of this one, each with its path below this one's."""
        if self.background is not None:
            return [(("background", "step"), self.background.step)]
        group = self.parallel or self.repeat
        return [((self.word, "steps", i), step) for i, step in enumerate(group.steps)] if group is not None else []

    @model_validator(mode="after")
    def _one_word(self) -> Step:
        words = [w for w in WORDS if getattr(self, w) is not None]
        if len(words) != 1:
            raise ValueError(f"a step has exactly one word of: {', '.join(WORDS)}"
                             + (f"; this one has {' and '.join(words)}" if words else ""))
        return self


for _holder in (Background, Parallel, Repeat):
    _holder.model_rebuild()  # now that Step is there
COMMON = ("name", "expect", "timeout")
WORDS = tuple(n for n in Step.model_fields if n not in COMMON)


def walk(steps: Iterable[Step]) -> Iterator[Step]:
    """All steps, also those inside others, in the order of the file."""
    for step in steps:
        yield step
        yield from walk(inner for _, inner in step.inner)
