"""`lab bisect` on real commits: drivers/target of each is built, booted and run. The culprit has to be found."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from lab.bisect import journal
from lab.git import Git
from tests.command import Lab, Ran
from tests.planted import Planted, planted

pytestmark = [pytest.mark.vm, pytest.mark.network, pytest.mark.longest]
DEADLINE_S = 1800.0


def words(repository: Planted, where: Path, *more: str) -> list[str | Path]:
    built = ["--modules-of", repository.stock] if repository.stock else []
    return ["bisect", "--tree", repository.tree, "--good", repository.good, "--bad", repository.bad, *built,
            "--results", where / "results", *more, repository.scenario]


def answer(where: Path) -> dict[str, Any]:
    """bisect.json of the only bisection."""
    path, = (where / "results").glob("bisect-*/bisect.json")
    return dict(json.loads(path.read_text()))


def assert_found(ran: Ran, repository: Planted, where: Path) -> dict[str, Any]:
    assert ran.status == 0, ran.said
    found = answer(where)
    assert (found["kind"], found["candidates"]) == ("found", [repository.culprit]), ran.said
    folder = next((where / "results").glob("bisect-*"))
    for trial in found["trials"]:
        for seen in trial["seen"]:
            assert (folder / seen["directory"] / "result.json").is_file(), "each step has a link to its runs"
    clone = Git(where / "clone")
    Git(where)("clone", "--quiet", repository.tree, clone.directory)
    assert f"{repository.culprit} is the first bad commit" in clone("bisect", "replay", folder / "git-bisect.log")
    assert "worktrees" not in Git(repository.tree)("worktree", "list"), "the worktree is taken away"
    return found


def test_killed_in_the_middle_and_gone_on_with(lab: Lab, tmp_path: Path) -> None:
    """Two commits do not build, two do not boot; a kill -9 in the fifth step; then the revert of what was found."""
    repository = planted(tmp_path, broken=True, unbootable=True)
    running = lab.start(*words(repository, tmp_path))
    running.until(lambda: "step 5:" in running.said(), "the fifth step", timeout_s=DEADLINE_S)
    running.signal(signal.SIGKILL)
    running.stop()
    before = journal.load(journal.newest(tmp_path / "results")).trials
    ran = lab("bisect", "--resume", "--results", tmp_path / "results", timeout_s=DEADLINE_S)
    found = assert_found(ran, repository, tmp_path)
    assert [t["name"] for t in found["trials"]][:len(before)] == [t.name for t in before]
    checked = lab("bisect", "--check-revert", journal.newest(tmp_path / "results"), timeout_s=DEADLINE_S)
    assert checked.status == 0 and "does not show" in checked.stdout and "as the bisection says" in checked.stdout


@pytest.mark.slow
def test_merges(lab: Lab, tmp_path: Path) -> None:
    repository = planted(tmp_path, merges=True)
    assert_found(lab(*words(repository, tmp_path), timeout_s=DEADLINE_S), repository, tmp_path)


@pytest.mark.slow
def test_a_failure_that_comes_one_time_in_three(lab: Lab, tmp_path: Path) -> None:
    repository = planted(tmp_path, fault="sometimes")
    found = assert_found(lab(*words(repository, tmp_path), timeout_s=DEADLINE_S), repository, tmp_path)
    assert found["probability"] >= 0.99


@pytest.mark.slow
def test_whole_kernels(lab: Lab, tmp_path: Path) -> None:
    """The first one is compiled for ten minutes or more; then a step is what its commit changes."""
    repository = planted(tmp_path, series="6.12", broken=True, unbootable=True, merges=True)
    ran = lab(*words(repository, tmp_path), timeout_s=3 * DEADLINE_S)
    found = assert_found(ran, repository, tmp_path)
    assert all("/builds/base-" in t["kernel"] for t in found["trials"] if t["kernel"]), found["trials"]


@pytest.mark.slow
def test_interrupted_says_how_to_go_on(lab: Lab, tmp_path: Path) -> None:
    repository = planted(tmp_path)
    running = lab.start(*words(repository, tmp_path))
    running.until(lambda: "side by side" in running.said(), "the first runs", timeout_s=DEADLINE_S)
    running.signal(signal.SIGINT)
    ran = running.wait()
    assert ran.status == 130 and "lab bisect --resume" in ran.stderr and "Traceback" not in ran.said, ran.said


@pytest.mark.slow
def test_ends_that_do_not_differ(lab: Lab, tmp_path: Path) -> None:
    repository = planted(tmp_path)
    git = Git(repository.tree)
    later = git("rev-parse", f"{repository.culprit}")
    ran = lab("bisect", "--tree", repository.tree, "--good", later, "--bad", "HEAD", "--modules-of", repository.stock,
              "--results", tmp_path / "results", repository.scenario, timeout_s=DEADLINE_S)
    assert ran.status == 3 and "the end that is called good" in ran.stdout and "fails too" in ran.stdout, ran.said
