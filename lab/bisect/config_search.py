"""`lab bisect --config`: which options of a configuration make a scenario fail, by building and running kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.bisect.belief import Rate, silence
from lab.bisect.config_journal import ConfigJournal, Question
from lab.bisect.configs import Configs
from lab.bisect.endpoints import Endpoints
from lab.bisect.options import Seen, minimise
from lab.bisect.search import Contradiction
from lab.bisect.subject import CannotTest, Tester
from lab.errors import BuildFailed
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.report.result import Outcome, Result

_FIRST_RUNS = 4


@dataclass(frozen=True)
class ConfigAnswer:
    """The smallest set of options: `options` as "CONFIG_X: off -> y"; `unsure` are those that could not be left out."""

    options: tuple[str, ...]
    unsure: tuple[str, ...]
    differences: int
    tests: int  # configurations that were looked at
    config: Path  # the good configuration with these options: it fails
    fingerprint: str

    def __str__(self) -> str:
        lines = [f"{len(self.options)} of {self.differences} options make the difference:", *self.options]
        lines += [f"whether {option.split(':')[0]} is needed cannot be told: without it there is no kernel to test, or "
                  "one that fails in another way" for option in self.unsure]
        return "\n".join(lines)


def bisect_config(tree: Path, good: Path, bad: Path, build: Callable[[Path], Kernel], tester: Tester, store: Store,
                  say: Callable[[str], None], journal: Path, *, confidence: float = 0.99) -> ConfigAnswer:
    """Find the smallest set of options of `bad` that, put into `good`, makes the tester's scenarios fail like `bad`.

    `build` makes a kernel from a configuration file (BuildFailed: that set is left aside). What was seen is in
    `journal` and is not run again. Contradiction when the ends do not differ, UsageError for configurations that do
    not.
    """
    configs = Configs(tree, good, bad, store, say)
    notes = ConfigJournal(journal, f"{configs.good.path.stem} {configs.bad.path.stem}")
    trial = _Trial(configs, build, tester, say, notes, confidence)
    trial.ends()
    found = minimise(configs.groups(), trial.test, survivors=configs.survivors)
    return ConfigAnswer(tuple(configs.described(o) for o in configs.differences if o in found.options),
                        tuple(configs.described(o) for o in configs.differences if o in found.unsure),
                        len(configs.differences), len(notes.seen), configs.merged(found.options).path,
                        notes.question.fingerprint if notes.question else "")


@dataclass
class _Trial:
    """Builds, runs and judges configurations; equal ones once."""

    configs: Configs
    build: Callable[[Path], Kernel]
    tester: Tester
    say: Callable[[str], None]
    notes: ConfigJournal
    confidence: float
    rate: Rate | None = None

    def ends(self) -> None:
        """Run both ends as often as is needed. Contradiction when they do not differ, BuildFailed for one of them."""
        known, ends = list(self.notes.ends), Endpoints(0, self.confidence)
        while ask := ends.next():
            name = "good" if ask.position is None else "bad"
            if known:
                name, failed, passed = known.pop(0)
            else:
                end = self.configs.good if ask.position is None else self.configs.bad
                results = self.tester(self.build(end.path), ask.runs, f"{name}-end")
                failed, passed = self._end_counts(name, results)
            ends.saw(None if name == "good" else 0, bad=failed, good=passed)
        self.rate = ends.rate

    def test(self, options: frozenset[str]) -> Seen:
        """GOOD, BAD or UNRESOLVED, from the journal where an equal configuration was seen."""
        path = self.configs.merged(options).path
        if path == self.configs.good.path:
            return Seen.GOOD
        if path == self.configs.bad.path:
            return Seen.BAD
        if path.stem not in self.notes.seen:
            self.say(f"trying {len(options)} of {len(self.configs.differences)} options: {_listed(options)}")
            seen, why = self._tried(path)
            self.notes.saw(path.stem, seen, options, why)
            self.say(f"{seen.value}{f': {why}' if why else ''}")
        return self.notes.seen[path.stem]

    def _tried(self, config: Path) -> tuple[Seen, str]:
        try:
            kernel = self.build(config)
        except (BuildFailed, CannotTest) as error:
            return Seen.UNRESOLVED, str(error)
        done, wanted = 0, self._runs()
        while done < wanted:
            runs = min(wanted - done, max(_FIRST_RUNS, done))
            seen, why = judged(self.tester(kernel, runs, f"config-{config.stem}"), self.notes.question)
            if seen is not Seen.GOOD:
                return seen, why
            done += runs
        return Seen.GOOD, ""

    def _runs(self) -> int:
        """Runs without failure after which a set is good; all sets that will be tried share the doubt."""
        assert self.rate is not None
        share = (1 - self.confidence) / (4 + 2 * math.log2(len(self.configs.differences) + 1))
        runs = 1
        while silence(self.rate.bad, self.rate.runs - self.rate.bad, runs) > share:
            runs += 1
        return runs

    def _end_counts(self, name: str, results: Sequence[Result]) -> tuple[int, int]:
        """(bad, good) runs of an end; the first failure of the bad one is what is searched."""
        question = self.notes.question
        if name == "bad" and not question:
            question = next((Question(r.id, f) for r in results if (f := _fingerprint(r))), None)
        name_of_run = question.id if question else next((r.id for r in results), "")
        seen = [(judged([result], question), result) for result in results if result.id == name_of_run]
        unresolved = next((why for (what, why), _ in seen if what is Seen.UNRESOLVED), None if seen else "nothing ran")
        failed, passed = (sum(what is wanted for (what, _), _ in seen) for wanted in (Seen.BAD, Seen.GOOD))
        if unresolved and not failed:
            raise Contradiction(f"the configuration that is called {name} gives no answer: {unresolved}")
        self.notes.end(name, failed, passed, question)
        return failed, passed


def judged(results: Sequence[Result], question: Question | None) -> tuple[Seen, str]:
    """BAD: a run has the failure that is searched. UNRESOLVED, with why: it was not tested, or fails in another way."""
    results = [r for r in results if question is None or r.id == question.id]
    if question and any(_fingerprint(result) == question.fingerprint for result in results):
        return Seen.BAD, ""
    for result in results:
        if result.outcome not in (Outcome.PASS, Outcome.XPASS):
            return Seen.UNRESOLVED, f"{result.outcome.value}: {result.summary}"
    return (Seen.GOOD, "") if results else (Seen.UNRESOLVED, "nothing ran")


def _fingerprint(result: Result) -> str:
    """Of the first failure, also of one that is a known bug; empty where nothing failed."""
    return next((r.fingerprint for r in result.reasons if r.outcome in (Outcome.FAIL, Outcome.XFAIL)), "")


def _listed(options: frozenset[str]) -> str:
    names = sorted(options)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
