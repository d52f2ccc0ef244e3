"""What is to be run: jobs for each kernel, scenario run and repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.cli import host, places, words
from lab.cli.host import Ready, say
from lab.console.decode import Decoder
from lab.kernels.apt import NotFetched
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.kernels.symbols import symbols_of
from lab.report.result import Outcome
from lab.run.decoding import Decoding
from lab.run.intake import KernelGone
from lab.run.job import Batch, Job
from lab.run.plan import Environment, KernelFacts, RunPlan
from lab.scenario import needs
from lab.scenario.load import ScenarioRun


@dataclass(frozen=True)
class Manner:
    """How runs are made, whatever is run."""

    seed: int = 1
    fresh_boot: bool = False
    dump_core: bool = False
    decode: bool = False  # fetch what is needed for it; what is at hand is used anyway
    repeat: int = 1  # how often each run is made
    vary_seed: bool = False  # the n-th repeat has seed + n - 1
    flavor: str = ""  # in which kernels are built that are given as source
    coverage: bool = False

    @property
    def numbers(self) -> range:
        """Of the repeats. All runs are made once before any is made again."""
        return range(1, self.repeat + 1)

    def seed_of(self, number: int) -> int:
        """One seed for all repeats, so that what differs is the kernel's doing, unless it is to vary."""
        return self.seed + (number - 1 if self.vary_seed else 0)


def vm_jobs(chosen: list[ScenarioRun], kernels: Sequence[str | Kernel], manner: Manner) -> list[Job]:
    """A job for each kernel, repeat and run, in the order in which they were asked for. LabError, UsageError."""
    planner = _Planner(chosen, manner)
    return [job for wanted in dict.fromkeys(kernels) for job in planner.jobs(wanted)]


def vm_batches(chosen: list[ScenarioRun], kernels: Sequence[str | Kernel], manner: Manner) -> list[Batch]:
    """The same for kernels that are made ready while others run: one that cannot be had does not stop the others."""
    planner = _Planner(chosen, manner)
    return [Batch(len(chosen) * manner.repeat, lambda w=wanted: planner.jobs(w),  # type: ignore[misc]
                  lambda outcome, why, w=wanted: planner.refused(w, outcome, why))  # type: ignore[misc]
            for wanted in dict.fromkeys(kernels)]


class _Planner:
    """Makes kernels ready and plans their runs. A kernel that came before, also by another word, gives no jobs; two
    kernels of one name get different ones."""

    def __init__(self, chosen: list[ScenarioRun], manner: Manner) -> None:
        self._chosen, self._manner = chosen, manner
        self._store = Store.default()
        self._known: dict[tuple[str, str], str] = {}  # identity and kernel parameters -> name
        self._refused: dict[str, str] = {}  # word -> name

    def jobs(self, wanted: str | Kernel) -> list[Job]:
        """The jobs of one kernel. LabError, UsageError; KernelGone when it is not to be had any more."""
        try:
            one = host.ready(words.kernel_of(wanted, self._manner.flavor, self._store), self._store)
        except NotFetched as error:
            raise KernelGone(str(error)) if error.gone else error from None
        what, name = (one.kernel.identity, one.kernel.cmdline), one.kernel.name
        if what in self._known:
            say(f"{words.text_of(wanted)} is the same kernel as {self._known[what]}; it is run once")
            return []
        if not self._known:
            say(f"accelerator: {one.engine.accelerator.why}")
        if name in self._known.values():
            one = replace(one, kernel=replace(one.kernel, name=f"{name}-{one.kernel.identity[:6]}"))
        self._known[what] = one.kernel.name
        return self._planned(one)

    def refused(self, wanted: str | Kernel, outcome: Outcome, why: str) -> list[Job]:
        """The jobs of a kernel that there is not, each with the reason."""
        word = words.text_of(wanted)
        facts = KernelFacts(self._name_of_refused(word), "unknown", "", word)
        around = host.environment("none", 1.0)
        return [Job(self._plan(r, number, facts, around), None, refused=(outcome, why))
                for number in self._manner.numbers for r in self._chosen]

    def _name_of_refused(self, word: str) -> str:
        """A suite of its own for each word."""
        if word not in self._refused:
            name, taken = words.file_name(word), {*self._known.values(), *self._refused.values()}
            self._refused[word] = f"{name}-{hashlib.sha256(word.encode()).hexdigest()[:6]}" if name in taken else name
        return self._refused[word]

    def _planned(self, one: Ready) -> list[Job]:
        shape, decoding = one.engine.shape, _decoding(one, self._store, self._manner)
        around = host.environment(shape.accelerator, shape.slowdown)
        lacking = {r.id: tuple(_lacking(one, r)) for r in self._chosen}
        return [Job(replace(self._plan(r, number, one.facts, around), memory_mib=shape.memory_mib), one.engine,
                    lacking[r.id], decoding)
                for number in self._manner.numbers for r in self._chosen]

    def _plan(self, run: ScenarioRun, number: int, kernel: KernelFacts, around: Environment) -> RunPlan:
        manner = self._manner
        return RunPlan(id=run.id, word=word_of(run), scenario=run.scenario, values=run.values, path=str(run.path),
                       digest=run.digest, kernel=kernel, environment=around, seed=manner.seed_of(number),
                       fresh_boot=manner.fresh_boot, dump_core=manner.dump_core, coverage=manner.coverage,
                       number=number)


def _decoding(one: Ready, store: Store, manner: Manner) -> Decoding | None:
    """What decodes this kernel's reports, when there is debug information of it or `manner` wants it fetched."""
    symbols = symbols_of(one.kernel, store, say, fetch=manner.decode)
    if symbols is None:
        if manner.decode:
            say(f"{one.kernel.name} has no vmlinux with debug information; its reports stay as the kernel prints them")
        return None
    return Decoding(Decoder(symbols.vmlinux, symbols.modules, release=symbols.release, version=symbols.version))


def word_of(chosen: ScenarioRun) -> str:
    """What chooses this run again on a command line."""
    inside = places.SCENARIOS in chosen.path.resolve().parents
    return chosen.id if inside else str(chosen.path)


def _lacking(one: Ready, chosen: ScenarioRun) -> list[str]:
    """Why a scenario cannot be run on a kernel, all reasons, from the kernel's files."""
    return [*one.kernel.missing_modules(needs.modules(chosen.scenario)),
            *one.kernel.missing_config(needs.config(chosen.scenario))]
