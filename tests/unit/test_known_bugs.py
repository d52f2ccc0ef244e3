"""Known bugs: the file with every mistake that can be made in it, the kernels it means, what it makes of results."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer

from lab.cli import judge, places
from lab.problems import Problems
from lab.report.junit import render
from lab.report.result import Outcome, Reason, Result, exit_status
from lab.report.table import row
from lab.report.text import counts, failure_text, known_entry
from lab.run.known import KnownBug, apply_known, check_known, load_known
from lab.run.outcome import upstream_version
from lab.run.plan import KernelFacts
from lab.run.releases import parse_kernels, parse_release
from tests.command import ROOT
from tests.junit_schema import errors_of
from tests.unit.saved_runs import Damaged

RIGHT = """bugs:
  - bug: some-bug
    summary: A write to a LUN goes wrong.
    scenario: good
    kernels: "6.1"
    fingerprint: 0123456789ab
    fixed: open
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "known-bugs.yaml"
    path.write_text(text)
    return path


def told(tmp_path: Path, text: str, scenarios: tuple[str, ...] = ("good", "other-one")) -> list[str]:
    """The problems of a file, as `line:column: message`."""
    path = written(tmp_path, text)
    return [str(p).removeprefix(f"{path}:") for p in check_known(path, scenarios)]


# -- the file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "problem"), [
    (("", ""), None),
    (("bug: some-bug", "bug: https://lore.kernel.org/r/1234@host"), None),
    (("scenario: good", "scenario: [good, other-one]"), None),
    (("scenario: good", "scenario: '*'"), None),
    (("scenario: good", "scenario: 'good[size=512]'"), None),
    (("scenario: good", "scenario: 'other-*'"), None),
    (('"6.1"', '["<6.8", ">=6.12", "6.12.43-6.12.62", "6.9-rc3", debian-6.1.192-2, "tree-*"]'), None),
    (("0123456789ab", "[0123456789ab, ffffffffffff]"), None),
    (("open", "4cbec7e89a41"), None),
    (("bugs:", "bug:"), "1:1: unknown key 'bug'; did you mean 'bugs'?"),
    (("bug: some-bug", "bgu: some-bug"), "2:5: unknown key 'bgu'; did you mean 'bug'?"),
    (("fixed: open", "fixed: open\n    fixd: open"), "8:5: unknown key 'fixd'; did you mean 'fixed'?"),
    (("fixed: open", "fixed: open\n    bug: x"), "8:5: the key 'bug' stands here twice, first in line 2"),
    (("    fixed: open\n", ""), "2:5: the key 'fixed' is missing here"),
    (("some-bug", "some bug"), "2:10: expected a name, a commit or an address, without spaces"),
    (("A write to a LUN goes wrong.", "short"), "3:14: needs at least 10 characters"),
    (("scenario: good", "scenario: godo"), "4:15: no scenario is called 'godo'; did you mean 'good'?"),
    (("scenario: good", "scenario: [good, oter-one]"),
     "4:22: no scenario is called 'oter-one'; did you mean 'other-one'?"),
    (("scenario: good", "scenario: 'godo[size=512]'"), "no scenario is called 'godo'; did you mean 'good'?"),
    (("scenario: good", "scenario: 'x-*'"), "no scenario is called 'x-*'"),
    (("scenario: good", "scenario: []"), "4:5: needs at least 1 entry"),
    (('"6.1"', "6.1"), "5:14: expected text or a list, not the number 6.1; put it in quotes"),
    (('"6.1"', '"6.1.192-2"'), "5:14: expected a version (6.1), a range"),
    (('"6.1"', '"6.12.62-6.12.43"'), "5:14: the range '6.12.62-6.12.43' runs backwards"),
    (('"6.1"', '"<6"'), "5:14: expected a version (6.1), a range"),
    (('"6.1"', '["6.1", "=6.8"]'), "5:22: expected a version (6.1), a range"),
    (('"6.1"', "[]"), "5:5: needs at least 1 entry"),
    (("0123456789ab", "0123456789AB"), "6:18: expected the 12 hex digits of a fingerprint"),
    (("0123456789ab", "[0123456789ab, beef]"), "6:33: expected the 12 hex digits of a fingerprint"),
    (("0123456789ab", "123456789012"), "6:18: expected text or a list, not the number 123456789012; put it in quotes"),
    (("open", "never"), "7:12: expected the commit that fixes it (7 to 40 hex digits), or open"),
    ((RIGHT, "bugs: {}\n"), "1:1: expected a list, not a mapping"),
    ((RIGHT, "bugs:\n"), "1:6: expected a list, not nothing"),
    ((RIGHT, "- bug: x\n"), "must be a mapping"),
])
def test_the_file(tmp_path: Path, change: tuple[str, str], problem: str | None) -> None:
    found = told(tmp_path, RIGHT.replace(*change) if change[0] else RIGHT)
    assert bool(found) == (problem is not None), found
    assert problem is None or problem in "\n".join(found), found


def test_a_file_that_is_not_right_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="did you mean 'fixed'"):
        load_known(written(tmp_path, RIGHT.replace("fixed", "fixd")))
    with pytest.raises(Problems, match="cannot read this file"):
        load_known(tmp_path / "none.yaml")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = RIGHT.replace('"6.1"', '"6"').replace("open", "soon").replace("0123456789ab", "x")
    assert [line.split(":")[0] for line in told(tmp_path, text)] == ["5", "6", "7"]


def test_the_labs_own_file_and_the_example_of_the_manual_are_right(tmp_path: Path) -> None:
    names = {path.stem for folder in ("scenarios", "docs/findings") for path in (ROOT / folder).rglob("*.yaml")}
    assert check_known(places.KNOWN_BUGS, names) == []
    example = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/known-bugs.md").read_text(), re.DOTALL)
    assert example is not None
    assert told(tmp_path, example[1], tuple(names)) == []


# -- kernels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("written", "on", "not_on"), [
    ("6.1", "6.1 6.1.0 6.1.192 6.1-rc3 6.1.0-rc3", "6.10 6.12.1 6.2 5.1"),
    ("6.12.43", "6.12.43", "6.12.4 6.12.44 6.12"),
    ("6.12.43-6.12.62", "6.12.43 6.12.50 6.12.62", "6.12.42 6.12.63 6.13 6.11.50"),
    ("6.12.43 - 6.12.62", "6.12.50", "6.12.63"),
    ("6.1-6.6", "6.1 6.1.192 6.5.3 6.6 6.6.99 6.1-rc1", "6.0.19 6.7-rc1 5.19"),
    ("<6.8", "6.7 6.7.12 5.10 6.1.192", "6.8-rc1 6.8.0-rc1 6.8 6.8.1 7.0"),
    ("<= 6.8", "6.7 6.8-rc1 6.8.99", "6.9-rc1"),
    (">6.8", "6.9-rc1 6.9 7.3", "6.8.99 6.8 6.7"),
    (">=6.8", "6.8-rc1 6.8 6.8.1 7.0", "6.7.99"),
    ("<6.8-rc3", "6.8-rc2 6.7.5", "6.8-rc3 6.8-rc4 6.8"),
    ("6.8-rc2-6.8-rc4", "6.8-rc2 6.8-rc3 6.8.0-rc4", "6.8-rc1 6.8-rc5 6.8"),
])
def test_ranges_of_versions(written: str, on: str, not_on: str) -> None:
    kernels = parse_kernels(written)
    assert kernels is not None
    for versions, wanted in ((on, True), (not_on, False)):
        for version in versions.split():
            release = parse_release(version)
            assert release is not None
            assert kernels.holds(release) is wanted, version


@pytest.mark.parametrize(("facts", "version"), [
    (("debian-6.1.192-2", "6.1.0-56-amd64", ""), "6.1.192"),
    (("lts-6.1", "6.1.0-56-amd64", "6.1.192-2"), "6.1.192"),
    (("lts-6.1", "6.1.0-56-amd64", ""), "6.1.0"),
    (("debian-6.19_rc5-1", "6.19-rc5-amd64", "6.19~rc5-1"), "6.19-rc5"),
    (("tree-linux-6.12.0-rc3", "6.12.0-rc3+", ""), "6.12.0-rc3"),
    (("image-6.18.1", "6.18.1-mine", ""), "6.18.1"), (("odd", "linux", ""), ""),
])
def test_the_version_of_a_kernel(facts: tuple[str, str, str], version: str) -> None:
    name, release, package = facts
    assert upstream_version(KernelFacts(name, release, "0" * 64, name, package)) == version
    assert not version or parse_release(version) is not None


# -- what it makes of a result ------------------------------------------------------------------------------

PROPERTIES = {"kernel.name": "debian-6.1.192-2", "kernel.spec": "stock", "kernel.release": "6.1.0-56-amd64",
              "kernel.version": "6.1.192"}
ONE, TWO = (Reason(Outcome.FAIL, f"{word} went wrong", "", "step", letter * 12) for word, letter in
            (("one", "a"), ("two", "b")))
LAB = Reason(Outcome.ERROR, "the lab went wrong")
SKIP = Reason(Outcome.SKIP, "not here")


def result(*reasons: Reason, **more: Any) -> Result:
    outcome = reasons[0].outcome if reasons else Outcome.PASS
    made = Result(id="good[size=512]", scenario="good", outcome=outcome, reasons=list(reasons), steps=[], faults=[],
                  notes=[], seconds=1.0, origin="checkpoint", repeat="lab run good", directory="",
                  properties=PROPERTIES)
    return replace(made, **more)


def bug(**change: Any) -> KnownBug:
    return KnownBug.model_validate({"bug": "some-bug", "summary": "A write to a LUN goes wrong.", "scenario": "good",
                                    "kernels": "6.1", "fingerprint": ["a" * 12, "c" * 12], "fixed": "open", **change})


@pytest.mark.parametrize(("reasons", "outcome", "names"), [
    ([ONE], Outcome.XFAIL, ["some-bug"]),
    ([ONE, ONE], Outcome.XFAIL, ["some-bug"]),
    ([ONE, TWO], Outcome.FAIL, ["some-bug"]),
    ([TWO], Outcome.FAIL, []),
    ([ONE, LAB], Outcome.ERROR, ["some-bug"]),
    ([LAB], Outcome.ERROR, []),
    ([SKIP], Outcome.SKIP, []),
    ([], Outcome.XPASS, ["some-bug"]),
])
def test_what_is_known_and_what_is_new(reasons: list[Reason], outcome: Outcome, names: list[str]) -> None:
    before = result(*reasons)
    after = apply_known(before, [bug()])
    assert (after.outcome, [k.bug for k in after.known]) == (outcome, names)
    assert after.judged is (None if outcome is before.outcome else before.outcome)


@pytest.mark.parametrize(("change", "concerned"), [
    ({}, True), ({"scenario": "other"}, False), ({"scenario": ["other", "good"]}, True), ({"scenario": "go*"}, True),
    ({"scenario": "good[size=512]"}, True), ({"scenario": "good[size=4096]"}, False), ({"scenario": "good[*"}, True),
    ({"kernels": "6.12"}, False), ({"kernels": ["6.12", "<6.2"]}, True), ({"kernels": "debian-6.1.192-2"}, True),
    ({"kernels": "stock"}, True), ({"kernels": "debian-*"}, True), ({"kernels": "tree-*"}, False),
    ({"kernels": "6.1.192"}, True), ({"kernels": "6.1.0"}, False), ({"fingerprint": "b" * 12}, False),
])
def test_only_on_its_scenarios_and_kernels(change: dict[str, Any], concerned: bool) -> None:
    assert (apply_known(result(ONE), [bug(**change)]).outcome is Outcome.XFAIL) is concerned


def test_a_kernel_of_unknown_version_is_meant_by_name_only() -> None:
    unknown = result(ONE, properties={**PROPERTIES, "kernel.version": ""})
    assert apply_known(unknown, [bug(kernels="<9.0")]).outcome is Outcome.FAIL
    assert apply_known(unknown, [bug(kernels="debian-*")]).outcome is Outcome.XFAIL


def test_what_comes_with_a_bug_is_excused_beside_it_only() -> None:
    both = bug(fingerprint=["a" * 12, "b" * 12])
    assert apply_known(result(ONE, TWO), [both]).outcome is Outcome.XFAIL
    assert apply_known(result(TWO), [both]).outcome is Outcome.FAIL


def test_two_bugs_at_once_are_both_named() -> None:
    both = apply_known(result(ONE, TWO), [bug(), bug(bug="another", fingerprint="b" * 12, fixed="4cbec7e89a41")])
    assert both.outcome is Outcome.XFAIL
    assert both.summary == "known bug some-bug, another: one went wrong"
    assert "fixed by 4cbec7e89a41" in " ".join(row(both))


def test_a_known_bug_beside_another_failure_is_named_and_the_new_one_comes_first() -> None:
    beside = apply_known(result(ONE, TWO), [bug()])
    assert beside.summary == "two went wrong"
    assert "known bug some-bug (open): A write to a LUN goes wrong. (was there too)" in " ".join(
        line.strip() for line in row(beside))
    assert "the known bug some-bug" in failure_text(beside, beside.reasons[0])


def test_a_known_bug_that_did_not_show_beside_another_failure_is_noted() -> None:
    assert any("some-bug" in note and "did not show" in note
               for note in apply_known(result(TWO), [bug()]).notes)


def test_result_json_keeps_the_outcome_as_judged(tmp_path: Path) -> None:
    apply_known(result(ONE), [bug()]).save(tmp_path)
    saved = json.loads((tmp_path / "result.json").read_text())
    assert (saved["outcome"], saved["judged"], saved["known"][0]["bug"]) == ("xfail", "fail", "some-bug")
    assert saved["cause"] == {"kind": "step", "fingerprint": "a" * 12, "text": "one went wrong"}


# -- reports ------------------------------------------------------------------------------------------------


def case(made: Result, *, strict: bool = False) -> ElementTree.Element:
    document = render([("k", PROPERTIES, [made])], strict_known=strict)
    assert errors_of(document) == []
    return next(ElementTree.fromstring(document).iter("testcase"))


def test_junit_shows_a_known_failure_as_skipped_with_the_bugs_name() -> None:
    for strict in (False, True):
        made = case(apply_known(result(ONE, ONE), [bug()]), strict=strict)
        (skipped,) = made.iter("skipped")
        assert skipped.attrib["message"] == "known bug some-bug (open): A write to a LUN goes wrong."
        assert "one went wrong" in (skipped.text or "") and "fingerprint: aaaaaaaaaaaa" in (skipped.text or "")
        assert made.find("failure") is None
        assert _properties(made)["known-bug"] == "some-bug" and _properties(made)["outcome"] == "xfail"


def test_junit_shows_a_pass_in_spite_of_a_bug_as_a_pass_and_as_a_failure_when_asked() -> None:
    xpass = apply_known(result(), [bug()])
    made = case(xpass)
    assert {"failure", "error", "skipped"}.isdisjoint(child.tag for child in made)
    assert (made.findtext("system-out") or "").startswith("XPASS: passed in spite of the known bug some-bug (open)")
    assert _properties(made)["outcome"] == "xpass"
    (failure,) = case(xpass, strict=True).iter("failure")
    assert failure.attrib["type"] == "known-bug" and "some-bug" in failure.attrib["message"]


def test_junit_of_a_new_failure_beside_a_known_one() -> None:
    first, second = case(apply_known(result(ONE, TWO), [bug()])).iter("failure")
    assert first.attrib["message"] == "known bug some-bug, beside another failure: one went wrong"
    assert second.attrib["message"] == "two went wrong"


def _properties(made: ElementTree.Element) -> dict[str, str]:
    return {p.attrib["name"]: p.attrib["value"] for p in made.iter("property")}


def test_counts_and_rows() -> None:
    results = [apply_known(r, [bug()]) for r in (result(), result(ONE), result(TWO))]
    assert counts(results) == "0 passed, 1 failed, 1 known to fail, 1 passed in spite of a known bug"
    assert [row(r)[0][:6] for r in results] == ["XPASS ", "XFAIL ", "FAIL  "]
    assert all(len(line) <= 80 for r in results for line in row(r))


@pytest.mark.parametrize(("outcomes", "status", "strict"), [
    ([Outcome.XFAIL], 0, 0), ([Outcome.XPASS], 0, 1), ([Outcome.XFAIL, Outcome.PASS, Outcome.SKIP], 0, 0),
    ([Outcome.XFAIL, Outcome.FAIL], 1, 1), ([Outcome.XPASS, Outcome.ERROR], 3, 1),
    ([Outcome.XFAIL, Outcome.ERROR], 3, 3),
])
def test_exit_status(outcomes: list[Outcome], status: int, strict: int) -> None:
    assert exit_status(outcomes, interrupted=False) == status
    assert exit_status(outcomes, interrupted=False, strict_known=True) == strict
    assert exit_status(outcomes, interrupted=True, strict_known=True) == 130


# -- from a failure to an entry -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fail", "panic", "oops", "deadline", "boot-failed", "taint", "teardown", "late"])
def test_the_entry_that_a_failure_prints_makes_it_known(tmp_path: Path, name: str) -> None:
    failed = Damaged.saved(name)
    assert failed.outcome is Outcome.FAIL
    text = failure_text(failed, failed.reasons[0])
    entry = known_entry(failed)
    assert text.endswith(entry)
    path = written(tmp_path, "bugs:\n" + entry + "\n")
    known = apply_known(failed, load_known(path))
    assert (known.outcome, known.summary.startswith("known bug NAME: ")) == (Outcome.XFAIL, True)


def test_judge_applies_what_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Damaged("fail", tmp_path)
    known = written(tmp_path, "bugs:\n" + known_entry(run.judged()) + "\n")
    for how, status, word in (({"known": known}, 0, "XFAIL"), ({"known": known, "no_known": True}, 1, "FAIL")):
        with pytest.raises(typer.Exit) as end:
            judge.judge(run.path, **how)
        said = capsys.readouterr().out
        assert end.value.exit_code == status
        assert f"\n{word} " in said
    assert "  - bug: NAME" in said
