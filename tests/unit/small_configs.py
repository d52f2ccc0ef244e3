"""A search over options without a kernel tree: each option stands for itself, and its set says how it behaves."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lab.bisect.basis import Basis, Parts
from lab.bisect.conduct import Conductor
from lab.bisect.config_search import ConfigInquiry
from lab.bisect.config_subject import ConfigSubject
from lab.bisect.configs import Configs
from lab.bisect.inquiry import Verdict
from lab.bisect.journal import Journal, begin, load
from lab.errors import BuildFailed
from lab.kernels.config import options_of
from lab.kernels.kernel import Kernel
from lab.report.result import Result
from tests.unit.bisect_repository import result

OPTIONS = tuple(f"O{n}" for n in range(12))
BASIS = {"the tree /tree": "git-1", "the compiler": "gcc 12", "the configuration bad.config": "bad"}


@dataclass(frozen=True)
class Merged:
    """A configuration's file."""

    path: Path


class Plain:
    """Configurations between one with nothing and one with all `OPTIONS`; `forced` turns one on with another."""

    differences = OPTIONS

    def __init__(self, directory: Path, forced: Mapping[str, str]) -> None:
        self.directory, self.forced, self.made = directory, forced, set[Path]()
        self.good, self.bad = self.merged(frozenset()), self.merged(frozenset(OPTIONS))

    def merged(self, options: frozenset[str]) -> Merged:
        have = options | {self.forced[o] for o in options if o in self.forced}
        path = self.directory / f"{'-'.join(sorted(have)) or 'none'}.config"
        if path not in self.made:
            self.made.add(path)
            path.write_text("".join(f"CONFIG_{option}=y\n" for option in sorted(have)))
        return Merged(path)

    def survivors(self, options: frozenset[str]) -> frozenset[str]:
        return options

    def groups(self) -> list[frozenset[str]]:
        return [frozenset((option,)) for option in OPTIONS]

    def described(self, option: str) -> str:
        return f"CONFIG_{option}: off -> y"


@dataclass
class Lab:
    """Runs of a set with all `culprits` are bad at this `rate`; those of the sets in `states` are as that says, in turn
    (bisect_repository.result); a set with `broken[0]` and without `broken[1]` does not build."""

    where: Path
    culprits: tuple[str, ...]
    rate: float = 1.0
    broken: tuple[str, ...] = ()
    states: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (with, without) -> states
    forced: Mapping[str, str] = field(default_factory=dict)
    stop_after: int = 10**9
    asked: Mapping[str, Any] = field(default_factory=dict)
    basis: list[Parts] = field(default_factory=lambda: [BASIS])  # what is found there, build by build; the last stays
    built: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    turns: dict[str, int] = field(default_factory=dict)
    inquiry: ConfigInquiry = field(init=False)
    journal: Journal = field(init=False)

    def build(self, config: Path) -> Kernel:
        have = options_of(config)
        if len(self.built) >= self.stop_after:
            raise KeyboardInterrupt
        self.built.append(config.stem)
        if self.broken and self.broken[0] in have and self.broken[1] not in have:
            raise BuildFailed("drivers/md/dm.c:1: error: no such thing")
        return Kernel("", config.stem, "6.12", config, None, config, config.stem)

    def tester(self, kernel: Kernel, runs: int, label: str) -> list[Result]:
        return [result(self.state(kernel.image)) for _ in range(runs)]

    def state(self, config: Path) -> str:
        have = options_of(config)
        for (present, absent), states in self.states.items():
            if present in have and absent not in have:
                turn = self.turns[config.stem] = self.turns.get(config.stem, -1) + 1
                listed = states.split(",")
                return listed[min(turn, len(listed) - 1)]
        return "bad" if all(c in have for c in self.culprits) and self.rng.random() < self.rate else "good"

    def now(self) -> Parts:
        return self.basis.pop(0) if len(self.basis) > 1 else self.basis[0]

    def run(self, journal: Path | None = None) -> Verdict:
        configs = cast(Configs, Plain(self.where, self.forced))
        subject = ConfigSubject(Path("/tree"), configs, ("good.config", "bad.config"), self.build,
                                Basis(BASIS, self.now))
        self.inquiry = ConfigInquiry(subject, **self.asked)
        self.journal = load(journal) if journal else begin(self.where / "results", {})
        return Conductor(self.inquiry, lambda ids: self.tester, self.journal, self.said.append, subject.name).run()

    def found(self, journal: Path | None = None) -> set[str]:
        """The options of the answer."""
        self.run(journal)
        assert self.inquiry.smallest is not None
        return set(self.inquiry.smallest.options)

    @property
    def unsure(self) -> set[str]:
        assert self.inquiry.smallest is not None
        return set(self.inquiry.smallest.unsure)
