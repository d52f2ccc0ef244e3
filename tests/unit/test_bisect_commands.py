"""Commands that a bisection prints: the real command line has to read them as they were meant."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import typer.main

from lab.bisect.asked import COMMAND, Asked
from lab.bisect.criterion import Question
from lab.bisect.history import History
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.packages import PackageSubject
from lab.bisect.worktree import Worktree
from lab.cli import bisections
from lab.cli.bisect_commits import _Commits
from lab.cli.bisect_packages import texts as texts_of_packages
from lab.cli.main import app
from lab.kernels.store import Store
from tests.unit.bisect_repository import build, filtered

PACKAGES = Asked(packages=True, good="6.12.43-1~bpo12+1", bad="6.12.57-1", among=("6.12.*", "6.12.50"), seed=5,
                 scenarios=("/a b.yaml", "s"))
ASKED = Asked(tree="/a tree", good="v1", bad="v2", paths=("drivers/target", "include"), scenarios=("s[a=1]", "t"))


def parsed(command: str, name: str) -> dict[str, Any]:
    """What the command line makes of the words after `lab NAME`."""
    program, *words = shlex.split(command)
    assert (program, words[0]) == (COMMAND, name)
    return dict(cast(Any, typer.main.get_command(app)).commands[name].make_context(name, words[1:]).params)


@pytest.fixture
def understood(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function: the bisection that a command begins."""
    begun: list[Asked] = []
    monkeypatch.setattr(bisections, "begin", lambda asked, results, width: begun.append(asked) or 0)

    def understand(command: str) -> Asked:
        program, *words = shlex.split(command)
        assert program == COMMAND
        typer.main.get_command(app).main(words, standalone_mode=False)
        return begun.pop()

    return understand


@pytest.mark.parametrize("asked", [
    ASKED, replace(ASKED, fingerprint="aaaaaaaaaaaa", modules_of="debian:6.1.192-2"), replace(ASKED, paths=()),
    replace(ASKED, any_failure=True, find_fix=True, seed=7, confidence=0.9, patience=3, flavor="debug"),
    PACKAGES,
])
def test_the_words_ask_for_the_same(asked: Asked, understood: Any) -> None:
    assert understood(shlex.join(asked.words())) == asked


@pytest.mark.parametrize("asked", [ASKED, replace(ASKED, any_failure=True)])
def test_to_look_at_all_commits_asks_the_same_question(tmp_path: Path, asked: Asked, understood: Any) -> None:
    one, _ = filtered(tmp_path, "bad")
    one.asked["any_failure"] = asked.any_failure
    verdict = one.run()
    texts = _Commits(asked, one.revisions, cast(Worktree, None), build).texts(one.inquiry, one.journal)
    again = understood(texts.commands(verdict)["To look at all commits"])
    assert again == replace(asked, paths=(), fingerprint="" if asked.any_failure else "aaaaaaaaaaaa")


def test_once_more_names_a_folder_with_any_name(tmp_path: Path) -> None:
    one, _ = filtered(tmp_path / "with a space", "good")
    verdict = one.run()
    texts = _Commits(ASKED, one.revisions, cast(Worktree, None), build).texts(one.inquiry, one.journal)
    commands = texts.commands(verdict)
    assert parsed(commands["To run it again"], "bisect")["again"] == one.journal.directory
    assert parsed(commands["To check that a revert cures it"], "bisect")["check_revert"] == one.journal.directory


def test_a_version_is_run_again_by_the_words_that_were_typed(tmp_path: Path, understood: Any) -> None:
    """A file outside of the library is not chosen by the ids of its runs."""
    subject = PackageSubject(History.linear(["6.12.57-1~bpo12+1"]), "6.12.43-1", False, Store(tmp_path), tmp_path)
    inquiry = Inquiry(subject)
    inquiry.question = Question("aaaaaaaaaaaa", "it misbehaves", "step", ("mine[a=1]",))
    texts = texts_of_packages(PACKAGES, subject, inquiry)
    run = parsed(texts.commands(Verdict((0,), 1.0))["To run it again"], "run")
    assert (run["scenarios"], run["kernels"]) == (["/a b.yaml", "s"], ["debian:6.12.57-1~bpo12+1"])
    assert (run["seed"], run["no_known"]) == (5, True)
    by_commits = next(line for line in texts.about(Verdict((0,), 1.0)).splitlines() if COMMAND in line)
    asked = understood(by_commits)
    assert asked == replace(PACKAGES, packages=False, among=(), tree=asked.tree, good="v6.12.43", bad="v6.12.57",
                            paths=("drivers/target",), fingerprint="aaaaaaaaaaaa")
    assert asked.tree.endswith("/linux-stable")
