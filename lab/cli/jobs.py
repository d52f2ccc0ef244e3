"""What is to be run: a job for each kernel and scenario run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.cli import host, places
from lab.cli.host import Ready, say
from lab.console.decode import Decoder
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.kernels.symbols import symbols_of
from lab.run.decoding import Decoding
from lab.run.plan import RunPlan
from lab.run.session import Job
from lab.scenario import needs
from lab.scenario.load import ScenarioRun


@dataclass(frozen=True)
class Manner:
    """How runs are made, whatever is run."""

    seed: int = 1
    fresh_boot: bool = False
    dump_core: bool = False
    decode: bool = False  # fetch what is needed for it; what is at hand is used anyway


def vm_jobs(chosen: list[ScenarioRun], kernels: Sequence[str | Kernel], manner: Manner) -> list[Job]:
    """A job for each kernel and run, in the order in which they were asked for. LabError, UsageError."""
    store = Store.default()
    readied = _distinct([host.ready(wanted, store) for wanted in dict.fromkeys(kernels)])
    say(f"accelerator: {readied[0].engine.accelerator.why}")
    return [
        Job(RunPlan(id=r.id, word=word_of(r), scenario=r.scenario, values=r.values, path=str(r.path), digest=r.digest,
                    kernel=one.facts, environment=host.environment(shape.accelerator, shape.slowdown), seed=manner.seed,
                    fresh_boot=manner.fresh_boot, dump_core=manner.dump_core,
                    memory_mib=shape.memory_mib),
            one.engine, tuple(_lacking(one, r)), decoding)
        for one in readied for shape, decoding in ((one.engine.shape, _decoding(one, store, manner)),) for r in chosen
    ]


def _decoding(one: Ready, store: Store, manner: Manner) -> Decoding | None:
    """What decodes this kernel's reports, when there is debug information of it or `manner` wants it fetched."""
    symbols = symbols_of(one.kernel, store, say, fetch=manner.decode)
    if symbols is None:
        if manner.decode:
            say(f"{one.kernel.name} has no vmlinux with debug information; its reports stay as the kernel prints them")
        return None
    return Decoding(Decoder(symbols.vmlinux, symbols.modules, release=symbols.release, version=symbols.version))


def _distinct(readied: list[Ready]) -> list[Ready]:
    """Each kernel once, also when two words mean the same; two kernels of one name get different ones."""
    by_identity = {one.kernel.identity: one for one in readied}
    if len(by_identity) < len(readied):
        say("some of the kernels are the same one; each is run once")
    names = Counter(one.kernel.name for one in by_identity.values())
    return [one if names[one.kernel.name] == 1 else
            replace(one, kernel=replace(one.kernel, name=f"{one.kernel.name}-{one.kernel.identity[:6]}"))
            for one in by_identity.values()]


def word_of(chosen: ScenarioRun) -> str:
    """What chooses this run again on a command line."""
    inside = places.SCENARIOS in chosen.path.resolve().parents
    return chosen.id if inside else str(chosen.path)


def _lacking(one: Ready, chosen: ScenarioRun) -> list[str]:
    """Why a scenario cannot be run on a kernel, all reasons, from the kernel's files."""
    return [*one.kernel.missing_modules(needs.modules(chosen.scenario)),
            *one.kernel.missing_config(needs.config(chosen.scenario))]
