"""The report, the command line, and what is taken away again."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.bisect.asked import Asked
from lab.bisect.commit_answer import PATCH, CommitAnswer
from lab.bisect.inquiry import EndsWrong
from lab.bisect.report import Report, Texts
from lab.bisect.revisions import revisions
from lab.cli import trials
from lab.cli.execute import Done
from lab.cli.jobs import Manner
from lab.cli.trials import Shelf, VmTester
from lab.errors import UsageError
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from lab.machine.modules import disk_path
from lab.machine.vm import Engine
from tests.command import Lab as Command
from tests.unit.bisect_repository import Lab, line


def reported(tmp_path: Path, states: list[str], **asked: object) -> tuple[Report, list[str]]:
    repository, names = line(tmp_path / "tree", states)
    return report_of(Lab(tmp_path, revisions(repository.tree, names[0], names[-1]), asked)), names


def report_of(one: Lab) -> Report:
    answer = CommitAnswer(one.revisions)
    error, verdict = "", None
    try:
        verdict = one.run()
    except EndsWrong as wrong:
        error = str(wrong)
    texts = Texts(lambda v: answer.one(v.positions[0], one.journal.directory) if len(v.positions) == 1 else
                  answer.listed(v.positions, one.inquiry.untestable),
                  lambda v: {"To run it again": "lab bisect --again D"})
    words = Asked(tree="/tree", good="a", bad="b", scenarios=("s",))
    report = Report(one.journal.directory, one.inquiry, one.journal.trials, verdict, texts, words, error)
    report.write()
    return report


def test_a_commit_with_its_patch_and_evidence(tmp_path: Path) -> None:
    report, names = reported(tmp_path, ["good"] * 4 + ["bad"] * 4)
    text = (report.directory / "report.md").read_text()
    assert text.startswith(f"# The first bad commit is {names[4][:12]} commit 4\n") and report.exit_code == 0
    assert "Author: A. Developer <dev@example.org>" in text and "-good\n" in text and "+bad\n" in text
    assert f"{names[7][:12]} commit 7 (the bad end)" in text and f"{names[0][:12]} commit 0 (the good end)" in text
    assert "`aaaaaaaaaaaa` step: it misbehaves" in text and "lab bisect --again D" in text
    assert len(re.findall(r"^\| \d+ \|", text, re.MULTILINE)) == len(report.trials)
    assert "+bad" in (report.directory / PATCH).read_text()
    data = json.loads((report.directory / "bisect.json").read_text())
    assert (data["kind"], data["candidates"]) == ("found", [names[4]]) and data["probability"] > 0.99


def test_links_to_the_runs_are_links(tmp_path: Path) -> None:
    """A second run is in a folder with # in its name, which in a link has a meaning of its own."""
    report, _ = reported(tmp_path, ["good", "bad"])
    first = report.trials[0]
    seen = tuple(replace(first.seen[0], directory=name) for name in ("runs/1/s", "runs/1/s#2"))
    text = replace(report, trials=[replace(first, seen=seen)]).text()
    assert "| [1](<runs/1/s>) [2](<runs/1/s%232>) |" in text


def test_a_range_names_each_commit_and_why(tmp_path: Path) -> None:
    report, names = reported(tmp_path, ["good"] * 3 + ["broken"] * 2 + ["bad"] * 3)
    assert report.exit_code == 1 and "is one of 3" in report.headline()
    for name in names[3:5]:
        assert f"- {name[:12]} commit" in report.text() and "a bracket is missing" in report.text()


@pytest.mark.parametrize("between", [True, False])
def test_a_range_says_what_the_paths_hide_in_it(tmp_path: Path, between: bool) -> None:
    repository, names = line(tmp_path / "tree", ["good"])
    repository.commit("first", drivers__target__a="1")
    if between:
        repository.commit("hidden", other="x")
    repository.commit("second", state="broken", drivers__target__a="2")
    repository.commit("third", state="bad", drivers__target__a="3")
    report = report_of(Lab(tmp_path, revisions(repository.tree, names[0], "HEAD", paths=["drivers/target"])))
    assert report.exit_code == 1 and "first bad commit is one of 2, from " in report.headline()
    said = ("Of those chosen, the first bad" in report.headline(),
            report.headline().endswith(" third; commits outside of the paths were not looked at"))
    assert said == (between, between)
    told = json.loads((report.directory / "bisect.json").read_text())
    assert told["unseen"] == ("commits outside of the paths" if between else "")


def test_ends_that_are_wrong(tmp_path: Path) -> None:
    report, _ = reported(tmp_path, ["bad", "good", "bad"])
    assert report.exit_code == 3 and report.text().startswith("# No answer: the end that is called good")
    assert json.loads((report.directory / "bisect.json").read_text())["kind"] == "no answer"


def test_other_failures_of_the_bad_end_are_questions_of_their_own(tmp_path: Path) -> None:
    report, _ = reported(tmp_path, ["good", "good", "bad,other"])
    assert "- `bbbbbbbbbbbb` it misbehaves" in report.text()
    assert ".venv/bin/lab bisect --tree /tree --good a --bad b --fingerprint bbbbbbbbbbbb s`" in report.text()


def test_a_long_patch_is_cut_and_kept_whole(tmp_path: Path) -> None:
    text = "\n".join(f"{n} ```" for n in range(400))
    report, _ = reported(tmp_path, ["good", "good", "bad"])
    one = tmp_path / "tree2"
    repository, names = line(one, ["good"])
    repository.commit("long", file=text)
    shown = CommitAnswer(revisions(one, names[0], "HEAD")).one(0, report.directory)
    assert "more lines are in [culprit.patch]" in shown and shown.count("````diff") == 1
    assert "399 ```" not in shown and "399 ```" in (report.directory / PATCH).read_text()


@pytest.mark.parametrize(("asked", "words"), [
    (Asked(), "give both ends"), (Asked(good="a", bad="b"), "name the scenario"),
    (Asked(good="a", bad="b", scenarios=("s",)), "either --tree DIR"),
    (Asked(tree="t", packages=True, good="a", bad="b", scenarios=("s",)), "either --tree DIR"),
    (Asked(packages=True, paths=("p",), good="a", bad="b", scenarios=("s",)), "leave paths"),
    (Asked(tree="t", good="a", bad="b", scenarios=("s",), any_failure=True, fingerprint="f"), "exclude each other"),
    (Asked(tree="t", config=("g", "b"), scenarios=("s",), flavor="debug"), "--config knows no --flavor"),
    (Asked(tree="t", config=("g", "b"), scenarios=("s",), paths=("p",)), "--config knows no .* --among or paths"),
    (Asked(tree="t", config=("g", "b"), scenarios=("s",), find_fix=True), "names the ends itself"),
    (Asked(config=("g", "b"), scenarios=("s",)), "either --tree DIR"),
    (Asked(tree="t", config=("g", "b"), scenarios=("s",), any_failure=True, fingerprint="f"), "exclude each other"),
    (Asked(tree="t", good="a", bad="b", scenarios=("s",), among=("6.12",)), "--among chooses from the versions"),
])
def test_options_that_cannot_be(asked: Asked, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        asked.check()


def test_options_survive_the_journal_and_make_the_command() -> None:
    asked = Asked(tree="/t", good="a", bad="b", modules_of="debian", paths=("drivers/target",), find_fix=True,
                  scenarios=("s",))
    assert Asked.of(json.loads(json.dumps(asked.as_json()))) == asked
    assert " ".join(asked.words()) == (".venv/bin/lab bisect --tree /t --good a --bad b --modules-of debian --find-fix "
                                       "s -- drivers/target")
    options = Asked(tree="/t", config=("/g", "/b"), patience=5, scenarios=("s",), basis={"the compiler": "gcc"})
    assert Asked.of(json.loads(json.dumps(options.as_json()))) == options
    assert " ".join(options.words()) == ".venv/bin/lab bisect --tree /t --config /g /b --patience 5 s"
    with pytest.raises(UsageError, match="does not know"):
        Asked.of({"colour": "red"})


@pytest.mark.parametrize(("words", "said"), [
    (["--good", "HEAD~2", "--bad", "HEAD", "no-such-scenario"], "no scenario, tag, file or folder is called"),
    (["--good", "HEAD~2", "--bad", "HED", "identity"], "--bad HED names no commit"),
    (["--good", "HEAD", "--bad", "HEAD~1", "identity"], "give --find-fix"),
    (["--good", "HEAD~2", "--bad", "HEAD", "identity", "--", "drivers/targt"], "touches drivers/targt"),
    (["--good", "HEAD~2", "--bad", "HEAD", "--path", "x", "identity"], "touches x"),
    (["--resume", "a", "b"], "takes one folder"),
    (["--resume", "no-such-folder"], "give the folder of a bisection"),
])
def test_the_command_says_what_is_wrong_and_builds_nothing(tmp_path: Path, words: list[str], said: str) -> None:
    repository, _ = line(tmp_path / "tree", ["good"] * 3)
    command = Command(tmp_path, "")
    where = [] if words[0] == "--resume" else ["--tree", repository.tree]
    store = {"LAB_STORE": str(tmp_path / "store")}
    ran = command("bisect", "--results", tmp_path / "results", *where, *words, env=store)
    assert ran.status == 2 and said in ran.stderr and "Traceback" not in ran.said, ran.said
    assert not (tmp_path / "results").exists() and len(ran.stderr.strip().splitlines()) == 1


def engine(place: Path, disk: Path) -> Engine:
    return cast(Engine, cast(Any, SimpleNamespace(checkpoint_path=place, parts=SimpleNamespace(module_disk=disk))))


def test_only_the_last_checkpoints_stay(tmp_path: Path) -> None:
    shelf, places = Shelf(kept=2), [tmp_path / f"checkpoint-{n}" for n in range(4)]
    for n, place in enumerate(places):
        with shelf.using(engine(place, tmp_path / f"disk-{n}"), had_disk=False):
            place.mkdir()
            (tmp_path / f"disk-{n}").touch()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["checkpoint-2", "checkpoint-3", "disk-2", "disk-3"]
    shelf.shrink(0)
    assert not list(tmp_path.iterdir())


def test_what_others_made_or_use_stays(tmp_path: Path) -> None:
    shelf, theirs, used = Shelf(kept=0), tmp_path / "theirs", tmp_path / "used"
    theirs.mkdir()
    with shelf.using(engine(theirs, tmp_path / "disk"), had_disk=False):
        pass
    assert theirs.exists()
    shelf.kept = 1
    with shelf.using(engine(used, tmp_path / "disk"), had_disk=False):
        used.mkdir()
    os.utime(used, (1, 1))
    shelf.shrink(0)
    assert used.exists()


def test_a_disk_that_was_there_stays_when_our_checkpoint_goes(tmp_path: Path) -> None:
    shelf, place, disk = Shelf(), tmp_path / "checkpoint", tmp_path / "disk"
    disk.touch()
    with shelf.using(engine(place, disk), had_disk=True):
        place.mkdir()
    shelf.shrink(0)
    assert disk.exists() and not place.exists()


def test_our_disk_is_ours_also_when_its_kernel_is_run_again(tmp_path: Path) -> None:
    shelf, place, disk = Shelf(), tmp_path / "checkpoint", tmp_path / "disk"
    for had_disk in (False, True):
        with shelf.using(engine(place, disk), had_disk=had_disk):
            place.mkdir(exist_ok=True)
            disk.touch()
    shelf.shrink(0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("had_disk", [False, True])
def test_whether_the_disk_was_there_is_seen_before_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              had_disk: bool) -> None:
    """The plan of the jobs makes it."""
    monkeypatch.setenv("LAB_STORE", str(tmp_path))
    kernel = Kernel("k", "k", "6.1", tmp_path / "bzImage", tmp_path / "6.1", None, "0" * 64)
    disk, place = disk_path(tmp_path / "6.1", "0" * 64, Store.default().images), tmp_path / "checkpoint"
    disk.parent.mkdir(parents=True)
    if had_disk:
        disk.touch()

    def planned(*_: object) -> list[Any]:
        disk.touch()
        made = Engine.__new__(Engine)
        monkeypatch.setattr(Engine, "checkpoint_path", place)
        made.parts = engine(place, disk).parts
        return [SimpleNamespace(guests=made)]

    monkeypatch.setattr(trials, "vm_jobs", planned)
    monkeypatch.setattr(trials, "batch_of", lambda jobs: jobs)
    monkeypatch.setattr(trials, "execute", lambda *_, **how: place.mkdir() or Done([], interrupted=False))
    assert VmTester([], tmp_path, 1, Manner(), Shelf(0))(kernel, 1, "label") == []
    assert not place.exists() and disk.exists() == had_disk
