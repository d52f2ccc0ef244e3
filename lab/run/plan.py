"""What is going to be run, written down before any machine starts: whatever is missing later is an error."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.console.finding import Finding
from lab.report.result import case_name
from lab.scenario.expect import KernelExpect
from lab.scenario.types import Scenario

FORMAT = 1


@dataclass(frozen=True)
class KernelFacts:
    """The kernel of a run, as facts that outlive its files. `identity` is a hash of its image and modules."""

    name: str
    release: str
    identity: str
    spec: str
    package: str = ""  # version of its Debian package, which its release does not tell: "6.1.192-2"
    hz: int | None = None  # its ticks per second (CONFIG_HZ), where known: stalls are reported in jiffies


@dataclass(frozen=True)
class Environment:
    """What else a result depends on."""

    accelerator: str
    slowdown: float
    qemu: str
    virtme_ng: str
    lab: str
    machine: str = "qemu"  # or ssh://user@host
    blktests: str = ""  # the checkout that its guests carry


@dataclass(frozen=True)
class RunPlan:
    """One scenario on one kernel. `token` marks its steps in the kernel log, `seed` drives all that is random. `number`
    tells repeats of a run apart; the first is 1."""

    id: str
    word: str  # what chooses it on the command line: its id, or its file when that is outside the library
    scenario: Scenario
    values: dict[str, str | int | float | bool]
    path: str
    digest: str
    kernel: KernelFacts
    environment: Environment
    seed: int
    fresh_boot: bool = False
    dump_core: bool = False
    coverage: bool = False  # keep what of drivers/target it ran
    memory_mib: int = 512  # of its guest
    number: int = 1
    token: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def case(self) -> str:
        """What this run is called among all of its kernel: its id, and the number of a repeat."""
        return case_name(self.id, self.number)

    def step_deadline_s(self, index: int) -> float:
        """Seconds that step `index` may take on this machine."""
        return float(self.scenario.steps[index].timeout * self.environment.slowdown)

    def allowed(self, finding: Finding) -> str | None:
        """Why this scenario lets a kernel report pass; None when it does not.

        A step lets pass what began in it or was reported in it, a background step what began while it was in flight.
        """
        places = [self.scenario.expect.kernel, *self._of_steps(finding)]
        return next((why for p in places if (why := p.allowed(finding.title, finding.text)) is not None), None)

    def allowed_anywhere(self, title: str) -> str | None:
        """Why this scenario as a whole lets something pass that belongs to no step, such as taint."""
        return self.scenario.expect.kernel.allowed(title, title)

    def required_messages(self) -> list[str]:
        """Regular expressions of all messages that the kernel must print, in the whole run or in a step."""
        steps = [s.expect.kernel for s in self.scenario.steps if s.expect is not None and s.expect.kernel is not None]
        return [message.match for kernel in (self.scenario.expect.kernel, *steps) for message in kernel.require]

    def _of_steps(self, finding: Finding) -> Iterator[KernelExpect]:
        for index, step in enumerate(self.scenario.steps):
            here, background = index in (finding.step, finding.reported), step.background
            if here and step.expect is not None and step.expect.kernel is not None:
                yield step.expect.kernel
            if background is not None and (here or background.name in finding.beside):
                inner = background.step.expect
                if inner is not None and inner.kernel is not None:
                    yield inner.kernel

    def repeat_command(self) -> str:
        """The one command that repeats this run."""
        where = "" if self.environment.machine == "qemu" else f" --machine {self.environment.machine}"
        kernel = f" -k {_quoted(self.kernel.spec)}" if self.environment.machine == "qemu" else ""
        fresh = " --fresh-boot" if self.fresh_boot else ""
        carried = f"BLKTESTS={_quoted(self.environment.blktests)} " if self.environment.blktests else ""
        return f"{carried}.venv/bin/lab run {_quoted(self.word)}{kernel}{where} --seed {self.seed}{fresh}"

    def save(self, directory: Path) -> None:
        """Write plan.json. OSError when the disk is full."""
        data = {"format": FORMAT, **asdict(self), "scenario": self.scenario.model_dump(mode="json", by_alias=True)}
        (directory / "plan.json").write_text(json.dumps(data, indent=1))


def load_plan(directory: Path) -> RunPlan:
    """Read plan.json back. ValueError when it is damaged or of another format, OSError when it is not there."""
    data: dict[str, Any] = json.loads((directory / "plan.json").read_text())
    if data.pop("format", None) != FORMAT:
        raise ValueError(f"{directory}/plan.json has another format than this lab's ({FORMAT})")
    scenario = Scenario.model_validate(data.pop("scenario"), strict=False)
    kernel, environment = KernelFacts(**data.pop("kernel")), Environment(**data.pop("environment"))
    return RunPlan(scenario=scenario, kernel=kernel, environment=environment, **data)


def _quoted(word: str) -> str:
    """Quoted for a shell only where that is needed: the command is read by people too."""
    plain = all(c.isalnum() or c in "-_./:+~@" for c in word)
    return word if plain and word else "'" + word.replace("'", "'\\''") + "'"
