"""A scenario that fails for real, with and without an entry in a file of known bugs: FAIL, XFAIL, FAIL again, XPASS."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.cli.host import Ready
from tests.command import Lab, Ran
from tests.junit_schema import errors_of

pytestmark = pytest.mark.vm

SCENARIO = """scenario: sometimes-wrong
summary: A write to a ramdisk LUN can be read back.
matrix: {kind: [right, known, new]}
backstores: {disk: {type: ramdisk, size: 1M}}
steps:
  - run: {argv: [sh, -c, "case {kind} in right) exit 0;; known) exit 3;; new) exit 4;; esac"]}
    name: the deed
    expect: {exit: 0}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def entry(scenario: str, fingerprint: str) -> str:
    return (f"  - bug: exit-3\n    summary: The deed ends with status 3.\n    scenario: '{scenario}'\n"
            f"    kernels: '>=5.10'\n    fingerprint: '{fingerprint}'\n    fixed: open\n")


def outcomes(ran: Ran) -> dict[str, Any]:
    return {r["values"]["kind"]: r["outcome"] for r in ran.all_results()}


def test_known_bugs_from_the_first_failure_to_the_pass(prepared: Ready, lab: Lab, tmp_path: Path) -> None:
    scenario = write(tmp_path, "sometimes-wrong.yaml", SCENARIO)
    first = lab("run", scenario, "-j", "1")
    assert (first.status, outcomes(first)) == (1, {"right": "pass", "known": "fail", "new": "fail"}), first.said
    prints = {r["values"]["kind"]: r["cause"]["fingerprint"] for r in first.all_results() if r["cause"]}
    assert prints["known"] != prints["new"]

    known = write(tmp_path, "known.yaml", "bugs:\n" + entry("sometimes-wrong", prints["known"]))
    second = lab("run", scenario, "-j", "1", "--known", known)
    assert (second.status, outcomes(second)) == (1, {"right": "xpass", "known": "xfail", "new": "fail"}), second.said
    assert errors_of((second.session / "junit.xml").read_text()) == []
    shown = {case.attrib["name"]: case for case in ElementTree.parse(second.session / "junit.xml").iter("testcase")}
    skipped = shown["sometimes-wrong[kind=known]"].find("skipped")
    assert skipped is not None and skipped.attrib["message"].startswith("known bug exit-3 (open)")
    assert "XPASS" in (shown["sometimes-wrong[kind=right]"].findtext("system-out") or "")

    for kind, plain, strict in (("known", 0, 0), ("new", 1, 1), ("right", 0, 1)):
        directory = next(Path(r["directory"]) for r in first.all_results() if r["values"]["kind"] == kind)
        assert lab("judge", directory, "--known", known).status == plain
        assert lab("judge", directory, "--known", known, "--strict-known").status == strict
        assert lab("judge", directory, "--no-known").status == (0 if kind == "right" else 1)


def test_a_pass_in_spite_of_a_known_bug_fails_the_session_when_that_is_asked(prepared: Ready, lab: Lab,
                                                                             tmp_path: Path) -> None:
    scenario = write(tmp_path, "sometimes-wrong.yaml", SCENARIO.replace("[right, known, new]", "[right]"))
    known = write(tmp_path, "known.yaml", "bugs:\n" + entry("sometimes-wrong", "0" * 12))
    strict = lab("run", scenario, "-j", "1", "--known", known, "--strict-known")
    assert (strict.status, outcomes(strict), strict.outcomes()) == (
        1, {"right": "xpass"}, {"sometimes-wrong[kind=right]": "fail"}), strict.said


def test_a_file_of_known_bugs_that_is_wrong_starts_nothing(lab: Lab, tmp_path: Path) -> None:
    scenario = write(tmp_path, "sometimes-wrong.yaml", SCENARIO)
    ran = lab("run", scenario, "--known", write(tmp_path, "known.yaml", "bugs:\n" + entry("x", "beef")))
    assert (ran.status, ran.results.exists()) == (2, False)
    assert "known.yaml:6:18: expected the 12 hex digits of a fingerprint" in ran.stderr
