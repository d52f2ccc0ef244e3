"""The scenarios of a bisection stay as they were when it began, wherever and whenever it is gone on with."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.bisect import journal as journals
from lab.bisect.asked import Asked
from lab.cli import bisections, places
from lab.cli.bisect_scenarios import as_begun, digests
from lab.cli.options import selected, settled
from lab.errors import UsageError
from tests.command import Lab as Command
from tests.unit.scenario_files import steps

TEXT = steps("write: {lun: disk}")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    return path


def begun(tmp_path: Path, *words: str) -> journals.Journal:
    asked = Asked(tree=str(tmp_path), good="a", bad="b", scenarios=words)
    return journals.begin(tmp_path / "results", asked.as_json(), digests(selected(list(words))))


def test_words_choose_the_same_from_any_folder(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)
    inside = next(path for path in places.SCENARIOS.rglob("*.yaml") if path.parent != places.SCENARIOS)
    below = str(inside.relative_to(places.SCENARIOS))
    words = ["mine.yaml", ".", below, "identity", "smoke", "no-such-scenario"]
    assert settled(words) == [str(mine), str(mine.parent), str(inside), *words[3:]]


def test_the_journal_has_whole_paths_and_digests(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.parent)

    @contextlib.contextmanager
    def plug(asked: Asked) -> Iterator[Any]:
        yield SimpleNamespace(asked=asked)

    monkeypatch.setattr(bisections, "_plug", plug)
    monkeypatch.setattr(bisections, "_conduct", lambda plug, chosen, journal, width: 0)
    bisections.begin(Asked(tree="/t", good="a", bad="b", scenarios=("mine.yaml",)), mine.parent / "results", width=None)
    kept = journals.load(journals.newest(mine.parent / "results"))
    assert kept.parameters["scenarios"] == [str(mine)]
    assert kept.digests == {run.id: run.digest for run in selected([str(mine)])} != {}


@pytest.mark.parametrize("option", ["--resume", "--again", "--check-revert"])
def test_a_scenario_that_changed_is_refused_by_name(tmp_path: Path, mine: Path, option: str) -> None:
    journal = begun(tmp_path, str(mine), "identity")
    mine.write_text(TEXT.replace("1M", "2M"))
    ran = Command(tmp_path, "")("bisect", option, journal.directory, env={"LAB_STORE": str(tmp_path / "store")})
    assert ran.status == 2 and ran.stdout == "" and len(ran.stderr.splitlines()) == 1, ran.said
    assert "the scenario of a has changed" in ran.stderr and "begin a new bisection" in ran.stderr


def test_a_run_that_is_gone_is_refused_and_one_that_came_is_left_out(tmp_path: Path, mine: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "b.yaml").write_text(TEXT.replace("scenario: a", "scenario: b"))
    journal = begun(tmp_path, str(mine), str(more))
    asked = Asked.of(journals.load(journal.directory).parameters)
    (more / "c.yaml").write_text(TEXT.replace("scenario: a", "scenario: c"))
    assert [run.id for run in as_begun(asked, journal)] == ["a", "b"]
    (more / "b.yaml").unlink()
    with pytest.raises(UsageError, match="the scenario of b is no longer there"):
        as_begun(asked, journal)


def test_a_journal_of_an_older_lab_is_refused(tmp_path: Path, mine: Path) -> None:
    """It tells neither what its scenarios were nor what its kernels were made of."""
    journal = begun(tmp_path, str(mine))
    path = journal.directory / journals.NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}) + "\n")
    with pytest.raises(UsageError, match="is not a journal of this lab; begin a new bisection"):
        journals.load(journal.directory)
