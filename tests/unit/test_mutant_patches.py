"""The mutants' patches, what the runner makes of results, and the page; tests/vm/test_mutants.py runs some of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.scenario.library import Library, load_library, select
from tests.command import ROOT
from tests.mutants.bench import Tree
from tests.mutants.hunt import Control, ControlFailed, Result, Runs, Verdict, as_meant, hunt
from tests.mutants.mutant import FOLDER, Mutant, chosen, read_mutant, read_mutants
from tests.mutants.run import status
from tests.mutants.table import PAGE, load_found, page, save_found, table

MOST_LINES = 12  # a mutant is a slip, not a rewrite
DIFF = "--- a/drivers/target/x.c\n+++ b/drivers/target/x.c\n@@ -1 +1 @@\n-one\n+two\n"
LITTLE = Mutant("little", Path("little.patch"), "it breaks a thing", ("here", "there"), "", ("drivers/target/x.c",))
GLAD = Mutant("glad", Path("glad.patch"), "it | breaks", ("here",), "nothing looks", ("drivers/target/a.c",))


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library(ROOT / "scenarios")


def result(run_id: str, outcome: str, text: str = "it is wrong") -> Result:
    return {"id": run_id, "scenario": run_id.partition("[")[0], "outcome": outcome,
            "origin": "checkpoint", "reasons": [] if outcome == "pass" else [{"text": text}]}


def kernel(**outcomes: str) -> Runs:
    """Runs of scenarios whose outcomes are these; without words, all of them."""
    return lambda words: [result(name, what) for name, what in outcomes.items() if not words or name in words]


GREEN = {"here": "pass", "there": "pass", "far": "pass"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.patch")), ids=lambda path: path.stem)
def test_a_patch_is_one_slip_in_the_drivers_and_names_scenarios_that_there_are(path: Path, library: Library) -> None:
    mutant = read_mutant(path)
    assert all(name.startswith("drivers/target/") for name in mutant.files)
    assert all(select(library, [word]) for word in mutant.expects)
    lines = path.read_text().partition("\n--- ")[2].splitlines()[1:]
    assert 0 < sum(line[:1] in ("+", "-") for line in lines if not line.startswith("+++")) <= MOST_LINES


def test_the_page_is_what_was_found() -> None:
    found, mutants = load_found(), read_mutants()
    assert page(PAGE.read_text(), mutants, found) == PAGE.read_text(), "make test-mutants ARGS=--write"
    assert {m.name for m in mutants} == set(found)
    assert [m.name for m in mutants if not as_meant(m, found[m.name])] == []


@pytest.mark.parametrize(("text", "match"), [
    (f"breaks: a\n\n{DIFF}", "has lines `breaks:` and `expects:`"),
    (f"expects: a\n\n{DIFF}", "has lines `breaks:` and `expects:`"),
    ("breaks: a\nexpects: b\n", "a diff"),
    (f"breaks: a\nbreaks: a\n\n{DIFF}", "'breaks: a' is no line of a header"),
    (f"breaks: a\nsome words\n\n{DIFF}", "'some words' is no line of a header"),
])
def test_a_header_that_is_wrong(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "odd.patch").write_text(text)
    with pytest.raises(ValueError, match=match):
        read_mutants(tmp_path)


def test_the_header_is_read_and_names_choose(tmp_path: Path) -> None:
    (tmp_path / "one.patch").write_text(f"breaks: a: b\nexpects: c d\nsurvives: none looks\n\n{DIFF}")
    (tmp_path / "two.patch").write_text(f"breaks: e\nexpects: f\n\n{DIFF}")
    one, two = chosen([], tmp_path)
    assert (one.name, one.breaks, one.expects, one.survives) == ("one", "a: b", ("c", "d"), "none looks")
    assert (one.files, one.file, two.survives) == (("drivers/target/x.c",), "x.c", "")
    assert chosen(["two"], tmp_path) == [two]
    with pytest.raises(ValueError, match="no mutant 'three'"):
        chosen(["three"], tmp_path)


def test_a_patch_is_applied_and_taken_back(tmp_path: Path) -> None:
    source, patch = tmp_path / "source", tmp_path / "little.patch"
    (source / "drivers/target").mkdir(parents=True)
    (source / "drivers/target/x.c").write_text("one\n")
    tree, file = Tree(source, tmp_path / "tree"), tmp_path / "tree/drivers/target/x.c"
    patch.write_text(f"breaks: a\nexpects: b\n\n{DIFF}")
    with tree.patched(patch):
        assert file.read_text() == "two\n"
    assert file.read_text() == "one\n"
    with tree.patched(None):
        assert file.read_text() == "one\n"
    patch.write_text(patch.read_text().replace("-one", "-other"))
    with pytest.raises(LabError, match="git apply failed"), tree.patched(patch):
        raise AssertionError("it does not apply")
    assert file.read_text() == "one\n" and (source / "drivers/target/x.c").read_text() == "one\n"


def test_what_is_expected_catches_it() -> None:
    verdict = hunt(LITTLE, kernel(**{**GREEN, "there": "fail"}), Control(kernel(**GREEN)))
    assert verdict == Verdict("caught", ("there",), "it is wrong")


def test_the_library_is_run_only_when_nothing_expected_is_red() -> None:
    asked: list[Sequence[str]] = []

    def runs(words: Sequence[str]) -> list[Result]:
        asked.append(tuple(words))
        return kernel(**{**GREEN, "far": "fail"})(words)

    assert hunt(LITTLE, runs, Control(kernel(**GREEN))) == Verdict("caught", ("far",), "it is wrong")
    assert asked == [("here", "there"), ()]
    assert hunt(LITTLE, runs, Control(kernel(**GREEN)), library=False) == Verdict("survived")
    assert asked == [("here", "there"), (), ("here", "there")]


def test_a_run_that_the_unbroken_kernel_does_not_pass_counts_for_nothing() -> None:
    for outcome in ("xfail", "skip"):
        control = Control(kernel(here=outcome, there="pass"))
        assert hunt(LITTLE, kernel(here="fail", there="pass"), control) == Verdict("survived")


def kernel_all_skipped(words: Sequence[str]) -> list[Result]:
    return [result(word, "skip") for word in words]


@pytest.mark.parametrize(("runs", "match"), [(kernel(here="fail", there="pass"), "here is red without a mutant"),
                                            (kernel(here="error", there="pass"), "here is red without a mutant"),
                                            (kernel_all_skipped, "nothing of here there passes")])
def test_a_control_that_is_not_green_ends_the_hunt(runs: Runs, match: str) -> None:
    with pytest.raises(ControlFailed, match=match):
        Control(runs).ensure(["here", "there"])


def test_the_control_runs_what_is_needed_once() -> None:
    asked: list[Sequence[str]] = []

    def runs(words: Sequence[str]) -> list[Result]:
        asked.append(tuple(words))
        return kernel(**GREEN)(words)

    control = Control(runs)
    for words in (["here", "there"], ["there"], ["there", "far"], [], ["other"], []):
        control.ensure(words)
    assert asked == [("here", "there"), ("far",), ()]
    assert control.passed == set(GREEN)


def test_a_kernel_that_does_not_come_up_is_no_catch() -> None:
    def runs(words: Sequence[str]) -> list[Result]:
        return [{**result(word, "fail", "the kernel did not come up"), "origin": ""} for word in words]

    verdict = hunt(LITTLE, runs, Control(kernel(**GREEN)))
    assert verdict == Verdict("error", (), "no guest came up: the kernel did not come up")


def test_a_lab_that_fails_is_no_survivor() -> None:
    verdict = hunt(LITTLE, kernel(**{**GREEN, "here": "error"}), Control(kernel(**GREEN)))
    assert verdict == Verdict("error", (), "here: it is wrong")


@pytest.mark.parametrize(("little", "glad", "exit_status"), [
    ("caught", "survived", 0), ("survived", "survived", 1), ("caught", "caught", 1), ("error", "survived", 3)])
def test_exit_status(little: str, glad: str, exit_status: int) -> None:
    assert status([LITTLE, GLAD], {"little": Verdict(little), "glad": Verdict(glad)}) == exit_status


def test_the_table(tmp_path: Path) -> None:
    found = {"little": Verdict("caught", ("here", "far"), "a | b"), "glad": Verdict("survived")}
    save_found(found, tmp_path / "found.json")
    assert load_found(tmp_path / "found.json") == found and load_found(tmp_path / "none.json") == {}
    assert table([LITTLE, GLAD], found).splitlines() == [
        "1 of 2 are caught.", "", "| mutant | file | what is broken | caught by |", "|---|---|---|---|",
        "| glad | a.c | it \\| breaks | **survived**: nothing looks |",
        "| little | x.c | it breaks a thing | here, far: a \\| b |"]
    assert "**error**: not hunted yet" in table([LITTLE], {})
    with pytest.raises(ValueError, match="no line '## The mutants'"):
        page("text\n", [], {})
