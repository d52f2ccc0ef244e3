"""The words of -k in `lab run`: patterns, flavors, slips; and what git is told of a commit that does not build."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli import words
from lab.errors import UsageError
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from tests.command import ROOT
from tests.unit.small_kernel import small_kernel


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    return Store.default()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_kernel(tmp_path)


def test_sources_are_built_in_the_flavor_and_the_others_stay_as_they_are(tree: Path, store: Store) -> None:
    kernel = words.kernel_of(str(tree), "debug", store)
    assert isinstance(kernel, Kernel) and kernel.config is not None
    assert "CONFIG_KASAN=y" in kernel.config.read_text()
    assert words.kernel_of("debian:6.1", "debug", store) == "debian:6.1"
    assert words.kernel_of(str(tree), "", store) == str(tree)


def test_a_flavor_wants_something_to_build(tree: Path, store: Store) -> None:
    assert words.expanded(["debian:6.1", str(tree), "debian:6.1"], "debug") == ["debian:6.1", str(tree)]
    with pytest.raises(UsageError, match="--flavor debug is for kernels that are built"):
        words.expanded(["debian:6.1"], "debug")


@pytest.mark.parametrize("word", ["stok", "no/such/path", "debain"])
def test_a_slip_is_found_at_once(word: str, store: Store) -> None:
    with pytest.raises(UsageError):
        words.expanded(["debian:6.1", word], "")


def test_words_that_may_mean_something_are_not_looked_into(tree: Path, store: Store) -> None:
    asked = [f"{tree}+debug", "git:HEAD", "source:6.12", str(tree), "lts-6.12", "debian"]
    assert words.expanded(asked, "") == asked
    assert list(store.root.iterdir()) == []


def test_a_commit_that_does_not_build_cannot_be_told(tree: Path, tmp_path: Path) -> None:
    (tree / "drivers/driver.c").write_text("int driver(void) { return nonsense; }\n")
    done = subprocess.run([sys.executable, "-m", "lab", "run", "--git-bisect", "-k", ".", "--flavor", "base",
                           "read-capacity", "--results", tmp_path / "results"], capture_output=True, text=True,
                          timeout=120, cwd=tree, env={**os.environ, "LAB_STORE": str(tmp_path / "store"),
                                                      "PYTHONPATH": str(ROOT)})
    assert done.returncode == 125, done.stderr
    assert "for git bisect: cannot tell: " in done.stderr and "nonsense" in done.stderr
    assert not (tmp_path / "results").exists()
