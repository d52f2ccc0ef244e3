"""A failure that is always there costs no more steps than `git bisect`, the real one, on the same history."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bisect_repository import fast_import
from search_histories import Simulated, merged

from lab.bisect.history import History
from lab.bisect.search import Rate
from lab.git import Git

GOOD = "good"


def repository(history: History, directory: Path) -> Git:
    """The history as commits c0, c1, ... (tags too), on top of one that is tagged good."""
    directory.mkdir()
    git = Git(directory)
    git("init", "--quiet", "--initial-branch=main")
    lines = []
    for mark, name in enumerate((GOOD, *history.names), 1):
        parents = [] if mark == 1 else [p + 2 for p in history.parents[mark - 2]] or [1]
        lines += [f"commit refs/tags/{name}", f"mark :{mark}", f"committer A <a@b> {1_700_000_000 + 60 * mark} +0000",
                  f"data {len(name)}", name]
        lines += [f"{'merge' if n else 'from'} :{parent}" for n, parent in enumerate(parents)] + [""]
    fast_import(directory, "\n".join(lines) + "\n")
    git("update-ref", "refs/heads/main", history.names[-1])
    return git


def git_steps(git: Git, history: History) -> list[int]:
    """How many candidates `git bisect` tests for each culprit: all its choices, by the plumbing under it."""
    number = {git.commit(name): n for n, name in enumerate(history.names)}
    steps = [0] * len(history)

    def go(bad: int, goods: list[str], tested: int) -> None:
        choice = number[git("rev-list", "--bisect", history.names[bad], "--not", *goods)]
        if choice == bad:
            steps[bad] = tested
        else:
            go(choice, goods, tested + 1)
            go(bad, [*goods, history.names[choice]], tested + 1)

    go(len(history) - 1, [GOOD], 0)
    return steps


def our_steps(history: History) -> list[int]:
    found = []
    for culprit in range(len(history)):
        case = Simulated(history, culprit, 1.0, random.Random(0))
        assert case.search(rate=Rate(8, 8)).positions == (culprit,)
        found.append(case.steps)
    return found


def compare(history: History, directory: Path) -> tuple[list[int], list[int]]:
    git = repository(history, directory)
    ours, gits = our_steps(history), git_steps(git, history)
    assert sum(ours) <= sum(gits), history.parents
    assert max(ours) <= max(gits), history.parents
    return ours, gits


@pytest.mark.parametrize("size", [2, 3, 7, 12, 16, 33])
def test_linear_histories(size: int, tmp_path: Path) -> None:
    compare(History.linear([f"c{n}" for n in range(size)]), tmp_path / "r")


@pytest.mark.parametrize("seed", range(8))
def test_merged_histories(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    compare(merged(rng.randrange(5, 30), rng), tmp_path / "r")


@pytest.mark.slow
def test_hundreds_of_merged_histories(tmp_path: Path) -> None:
    rng, fewer = random.Random(100), 0
    for number in range(100):
        ours, gits = compare(merged(rng.randrange(3, 60 if number % 10 else 250), rng), tmp_path / str(number))
        fewer += sum(ours) < sum(gits)
    print(f"fewer steps on average in {fewer} of 100 histories, as many in the others")


def test_the_plumbing_chooses_as_git_bisect_does(tmp_path: Path) -> None:
    history = merged(20, random.Random(2))
    git = repository(history, tmp_path / "r")
    for culprit, steps in enumerate(git_steps(git, history)):
        # exit 1 (bad) when the commit under test contains the culprit
        git("bisect", "start", "--no-checkout", history.names[-1], GOOD)
        said = git("bisect", "run", "sh", "-c",
                   f"! git merge-base --is-ancestor {history.names[culprit]} BISECT_HEAD")
        assert f"{git.commit(history.names[culprit])} is the first bad commit" in said
        log = git("bisect", "log").splitlines()
        assert len([x for x in log if x.startswith("git bisect") and "start" not in x]) == steps
        git("bisect", "reset")
