"""`lab bisect --config`: its journal and its judgement with kernels that only are configurations; a real kernel tree's
Kconfig where LAB_LINUX names a checkout."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.bisect import config_search
from lab.bisect.config_journal import ConfigJournal, Question
from lab.bisect.config_search import ConfigAnswer, bisect_config, judged
from lab.bisect.configs import Configs
from lab.bisect.options import Seen
from lab.bisect.search import Contradiction
from lab.errors import BuildFailed, LabError, UsageError
from lab.kernels.config import options_of
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store, silent
from lab.report.result import Outcome, Reason, Result

GOOD = "CONFIG_64BIT=y\nCONFIG_BLOCK=y\nCONFIG_SCSI=y\nCONFIG_HZ_250=y\n"
BAD = """CONFIG_64BIT=y
CONFIG_BLOCK=y
CONFIG_SCSI=y
CONFIG_HZ_1000=y
CONFIG_TARGET_CORE=y
CONFIG_LOOPBACK_TARGET=y
CONFIG_CONFIGFS_FS=y
CONFIG_MD=y
CONFIG_BLK_DEV_DM=y
CONFIG_DM_FLAKEY=y
CONFIG_DEBUG_KERNEL=y
CONFIG_DETECT_HUNG_TASK=y
CONFIG_CMDLINE_BOOL=y
CONFIG_CMDLINE="scsi_mod.max_luns=1"
"""
TREE = os.environ.get("LAB_LINUX", "")
needs_tree = pytest.mark.skipif(not TREE, reason="LAB_LINUX names no kernel checkout")


def result(outcome: Outcome, fingerprint: str = "", id: str = "luns") -> Result:
    reasons = [Reason(outcome, "it failed", kind="step", fingerprint=fingerprint)] if fingerprint else []
    return Result(id, id, outcome, reasons, [], [], [], 1.0, "boot", "", "")


@dataclass
class Lab:
    """Builds a "kernel" from a configuration, whose runs fail when all of `culprits` are in it."""

    culprits: tuple[str, ...]
    rate: float = 1.0
    broken: tuple[str, ...] = ()  # does not build with this one, and without the next
    stop_after: int = 10**9
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    built: list[str] = field(default_factory=list)

    def build(self, config: Path) -> Kernel:
        have = options_of(config)
        if len(self.built) >= self.stop_after:
            raise KeyboardInterrupt
        self.built.append(config.stem)
        if self.broken and self.broken[0] in have and self.broken[1] not in have:
            raise BuildFailed("drivers/md/dm.c:1: error: no such thing")
        return Kernel("", config.stem, "6.12", config, None, config, config.stem)

    def __call__(self, kernel: Kernel, runs: int, label: str) -> list[Result]:
        fails = all(c in options_of(kernel.image) for c in self.culprits)
        return [result(Outcome.FAIL, "abc") if fails and self.rng.random() < self.rate else result(Outcome.PASS)
                for _ in range(runs)]


class Plain:
    """Configurations without a kernel tree: each option stands for itself."""

    def __init__(self, tree: Path, good: Path, bad: Path, store: Store, say: Callable[[str], None]) -> None:
        self.directory, self.differences = tree, tuple(f"O{n}" for n in range(12))
        self.good, self.bad = self.merged(frozenset()), self.merged(frozenset(self.differences))

    def merged(self, options: frozenset[str]) -> object:
        path = self.directory / f"{'-'.join(sorted(options)) or 'none'}.config"
        path.write_text("".join(f"CONFIG_{option}=y\n" for option in sorted(options)))
        return type("Merged", (), {"path": path})

    def survivors(self, options: frozenset[str]) -> frozenset[str]:
        return options

    def groups(self) -> list[frozenset[str]]:
        return [frozenset((option,)) for option in self.differences]

    def described(self, option: str) -> str:
        return f"CONFIG_{option}: off -> y"


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lab], ConfigAnswer]:
    monkeypatch.setattr(config_search, "Configs", Plain)
    return lambda lab: bisect_config(tmp_path, tmp_path, tmp_path, lab.build, lab, Store(tmp_path), silent,
                                     tmp_path / "journal.jsonl")


def test_options_that_fail_together(search: Callable[[Lab], ConfigAnswer]) -> None:
    found = search(Lab(("O3", "O8")))
    assert found.options == ("CONFIG_O3: off -> y", "CONFIG_O8: off -> y") and not found.unsure
    assert found.fingerprint == "abc" and options_of(found.config) == {"O3": "y", "O8": "y"}
    assert str(found).startswith("2 of 12 options make the difference:\nCONFIG_O3")


def test_a_failure_that_comes_at_times(search: Callable[[Lab], ConfigAnswer]) -> None:
    assert search(Lab(("O3", "O8"), rate=0.2)).options == ("CONFIG_O3: off -> y", "CONFIG_O8: off -> y")


def test_an_option_that_cannot_be_left_out(search: Callable[[Lab], ConfigAnswer]) -> None:
    found = search(Lab(("O3",), broken=("O3", "O4")))
    assert found.options == ("CONFIG_O3: off -> y", "CONFIG_O4: off -> y")
    assert found.unsure == ("CONFIG_O4: off -> y",)
    assert "whether CONFIG_O4 is needed cannot be told" in str(found)


def test_a_break_loses_nothing(search: Callable[[Lab], ConfigAnswer], tmp_path: Path) -> None:
    whole = Lab(("O3", "O8"), rate=0.5)
    cut = Lab(whole.culprits, rate=0.5, stop_after=9)
    with pytest.raises(KeyboardInterrupt):
        search(cut)
    (tmp_path / "journal.jsonl").open("a").write('{"config": "half a li')
    rest = Lab(whole.culprits, rate=0.5)
    assert search(rest).options == ("CONFIG_O3: off -> y", "CONFIG_O8: off -> y")
    assert rest.built and not set(rest.built) & set(cut.built[:-1])
    again = Lab(whole.culprits)
    search(again)
    assert again.built == []


@pytest.mark.parametrize(("culprits", "sentence"), [
    (("O3", "NONE"), "bad did not fail in 200 runs"), ((), "good fails too, in . of . runs")])
def test_ends_that_do_not_differ(search: Callable[[Lab], ConfigAnswer], culprits: tuple[str, ...],
                                 sentence: str) -> None:
    with pytest.raises(Contradiction, match=sentence):
        search(Lab(culprits))


def test_an_end_that_gives_no_answer(search: Callable[[Lab], ConfigAnswer],
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lab, "__call__", lambda self, kernel, runs, label: [result(Outcome.SKIP)] * runs)
    with pytest.raises(Contradiction, match="called bad gives no answer: skip"):
        search(Lab(("O3",)))


def test_judgement() -> None:
    question = Question("luns", "abc")
    passed, failed, other = result(Outcome.PASS), result(Outcome.FAIL, "abc"), result(Outcome.FAIL, "def")
    assert judged([passed, failed], question)[0] is Seen.BAD
    assert judged([result(Outcome.XFAIL, "abc")], question)[0] is Seen.BAD
    assert judged([passed, passed], question) == (Seen.GOOD, "")
    assert judged([passed, other], question) == (Seen.UNRESOLVED, "fail: it failed")
    assert judged([passed, result(Outcome.FAIL, "abc", id="other")], question)[0] is Seen.GOOD
    assert judged([], question) == (Seen.UNRESOLVED, "nothing ran")


def test_a_journal_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "j"
    ConfigJournal(path, "one")
    with pytest.raises(UsageError, match="another search"):
        ConfigJournal(path, "two")
    for line in ('{"end": "bad"}\n', "[]\n", "no JSON\n", '{"config": "x", "seen": "perhaps"}\n'):
        path.write_text(json.dumps({"subject": "one"}) + "\n" + line)
        with pytest.raises(LabError, match="is damaged"):
            ConfigJournal(path, "one")


def test_what_is_no_tree_and_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("hello\n")
    with pytest.raises(UsageError, match="is not a kernel tree"):
        Configs(tmp_path, tmp_path / "c", tmp_path / "c", Store(tmp_path))
    (tmp_path / "Kconfig").touch()
    (tmp_path / "Makefile").touch()
    with pytest.raises(UsageError, match="is not a kernel configuration"):
        Configs(tmp_path, tmp_path / "c", tmp_path / "c", Store(tmp_path))
    with pytest.raises(UsageError, match="cannot read the configuration .*/none: No such file"):
        Configs(tmp_path, tmp_path / "none", tmp_path / "c", Store(tmp_path))


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    directory = tmp_path_factory.mktemp("ends")
    (directory / "good").write_text(GOOD)
    (directory / "bad").write_text(BAD)
    return directory, directory / "good", directory / "bad"


@needs_tree
@pytest.mark.slow
def test_options_of_a_real_kernel(ends: tuple[Path, Path, Path]) -> None:
    directory, good, bad = ends
    configs = Configs(Path(TREE), good, bad, Store(directory))
    # what follows from others (HZ, TRACEPOINTS, CRYPTO_*) is not a difference
    assert set(configs.differences) == {
        "HZ_1000", "TARGET_CORE", "LOOPBACK_TARGET", "MD", "BLK_DEV_DM", "DM_FLAKEY", "DEBUG_KERNEL",
        "DETECT_HUNG_TASK", "CMDLINE_BOOL", "CMDLINE"}
    assert configs.merged(frozenset()).path == configs.good.path
    assert configs.merged(frozenset(configs.differences)).path == configs.bad.path
    assert configs.survivors(frozenset(("DM_FLAKEY", "HZ_1000"))) == {"HZ_1000"}
    assert configs.merged(frozenset(("HZ_1000",))).values["HZ"] == "1000"
    assert configs.described("HZ_1000") == "CONFIG_HZ_1000: off -> y"
    assert frozenset(("MD", "BLK_DEV_DM", "DM_FLAKEY")) in configs.groups()
    same = good.with_name("same")
    same.write_text(GOOD + "CONFIG_NO_SUCH_OPTION=y\n")
    with pytest.raises(UsageError, match="nothing differs"):
        Configs(Path(TREE), good, same, Store(directory))


@needs_tree
@pytest.mark.slow
def test_an_option_and_what_it_needs_are_found(ends: tuple[Path, Path, Path]) -> None:
    directory, good, _ = ends
    bad = good.with_name("flakey")
    bad.write_text(GOOD.replace("HZ_250", "HZ_1000") + "CONFIG_MD=y\nCONFIG_BLK_DEV_DM=y\nCONFIG_DM_FLAKEY=y\n")
    lab = Lab(("DM_FLAKEY",))
    found = bisect_config(Path(TREE), good, bad, lab.build, lab, Store(directory), print, directory / "j")
    assert [o.split(":")[0] for o in found.options] == ["CONFIG_MD", "CONFIG_BLK_DEV_DM", "CONFIG_DM_FLAKEY"]
    assert not found.unsure
    print(f"{len(set(lab.built))} kernels built, {found.tests} configurations tried")
