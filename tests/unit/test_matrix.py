"""Kernels across, runs down: the table, matrix.json and JUnit of several kernels and repeats."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.report.headings import WIDTH, headings
from lab.report.junit import render
from lab.report.matrix import Matrix
from lab.report.matrix_text import matrix_table
from lab.report.result import Known, Outcome, Reason, Result
from lab.report.table import table
from tests.junit_schema import errors_of

FIRST, OTHER = "0123456789ab", "ba9876543210"
LONG = "fileio-ext4-write-verify[block_size=4096,write_back=true,buffered=false,queue_depth=32]"


def one(kernel: str, run: str, outcome: Outcome = Outcome.PASS, number: int = 1, fingerprint: str = FIRST,
        text: str = "it went wrong") -> Result:
    reasons = [] if outcome is Outcome.PASS else [
        Reason(outcome, text, kind="step", fingerprint=fingerprint if outcome is Outcome.FAIL else "")]
    return Result(id=run, scenario=run.partition("[")[0], outcome=outcome, reasons=reasons, steps=[], faults=[],
                  notes=[], seconds=1.5, origin="checkpoint", repeat=f".venv/bin/lab run {run} -k {kernel} --seed 1",
                  directory="/results/x", properties={"kernel.name": kernel, "kernel.release": "6.1.0", "seed": "1"},
                  number=number)


def repeated(kernel: str, run: str, bad: int, of: int, fingerprint: str = FIRST) -> list[Result]:
    return [one(kernel, run, Outcome.FAIL if n <= bad else Outcome.PASS, n, fingerprint) for n in range(1, of + 1)]


def grouped(*results: Result) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.properties["kernel.name"], []).append(result)
    return found


A, B, C = "debian-6.1.192-2", "debian-6.12.117-1~deb12u1", "lts"


def text_of(*results: Result) -> str:
    return matrix_table(Matrix.of(grouped(*results)), Path("/results/s"))


def test_cells_say_how_many_passed_and_each_failure_is_told_once() -> None:
    said = text_of(*repeated(A, "caw", 3, 10), *repeated(B, "caw", 10, 10), *repeated(C, "caw", 0, 10),
                   *repeated(C, "other", 1, 10, OTHER))
    lines = said.splitlines()
    assert next(x for x in lines if x.startswith("caw")).split() == ["caw", "7/10", "pass", "FAIL", "pass"]
    assert next(x for x in lines if x.startswith("other")).split() == ["other", "-", "-", "9/10", "pass"]
    assert lines.count("FAIL  it went wrong") == 2, "two fingerprints"
    assert said.count(f"fingerprint: {FIRST}") == said.count(f"fingerprint: {OTHER}") == 1
    assert "seen: 13 times: 6.1.192-2 (3 of 10), 6.12.117-1 (10 of 10)" in said
    assert f"first: {A}, caw" in said
    assert f"repeat: .venv/bin/lab run caw -k {A} --seed 1 --repeat 10" in said, "a flaky one takes that many runs"
    assert "in all: 26 passed, 14 failed" in said


def test_the_failure_that_always_shows_needs_no_repeats() -> None:
    assert "--repeat" not in text_of(*repeated(A, "caw", 4, 4), *repeated(B, "caw", 4, 4))


@pytest.mark.parametrize("kernels", [2, 3, 4, 9])
def test_the_table_fits_a_terminal_and_cuts_no_run(kernels: int) -> None:
    names = [f"debian-6.12.{n}-1~bpo12+1" for n in range(40, 40 + kernels)]
    runs = ["short", LONG, LONG.replace("32", "64")]
    said = text_of(*(one(k, r, Outcome.FAIL if r == "short" else Outcome.PASS, text="x" * 60 + " and" * 90)
                     for k in names for r in runs))
    assert max(len(x) for x in said.splitlines() if "repeat:" not in x) <= 80
    assert all(run in "".join(said.split()) for run in runs)
    assert all(said.count(f"6.12.{n}-1\n") or f"6.12.{n}-1 " in said for n in range(40, 40 + kernels))
    rules = [x for x in said.splitlines() if x and set(x) == {"-"}]
    assert len(rules) - 1 == (1 if kernels <= 4 else 3)


@pytest.mark.parametrize(("names", "short"), [
    (["debian-6.1.192-2", "debian-6.12.117-1~deb12u1"], ["6.1.192-2", "6.12.117-1"]),
    (["debian-6.12.90-1", "debian-6.12.90-1~bpo12+1"], ["K1", "K2"]),
    (["stock", "lts-6.12"], ["stock", "lts-6.12"]),
    (["tree-linux-6.12.0-rc3", "debian-6.1.192-2"], ["K1", "K2"]),
])
def test_headings_tell_kernels_apart(names: list[str], short: list[str]) -> None:
    made = headings(names)
    assert made == short and max(map(len, made)) <= WIDTH


def test_what_was_skipped_and_known_and_in_error_is_told_once() -> None:
    known = dataclasses.replace(one(A, "k", Outcome.FAIL), outcome=Outcome.XFAIL,
                                known=[Known("some-bug", "it is known", "open")])
    said = text_of(known, *(one(k, "s", Outcome.SKIP, text="dm_flakey is not in this kernel") for k in (A, B)),
                   one(B, "k", Outcome.ERROR, text="QEMU did not start"))
    assert said.count("dm_flakey is not in this kernel") == 1
    assert "XFAIL known bug some-bug (open): it is known" in said
    assert "ERROR QEMU did not start" in said


def test_matrix_json_has_every_cell(tmp_path: Path) -> None:
    matrix = Matrix.of(grouped(*repeated(A, "caw", 3, 10), *repeated(B, "other", 0, 2)))
    matrix.write(tmp_path / "matrix.json")
    data = json.loads((tmp_path / "matrix.json").read_text())
    assert data["runs"] == ["caw", "other"] and [k["name"] for k in data["kernels"]] == [A, B]
    assert data["cells"][0] == {"run": "caw", "kernel": A, "outcome": "fail", "outcomes": {"fail": 3, "pass": 7},
                                "fingerprints": {FIRST: 3}, "seconds": 15.0}
    assert [p.name for p in tmp_path.iterdir()] == ["matrix.json"]


def test_junit_of_repeats_is_valid_and_its_cases_are_unique() -> None:
    results = [*repeated(A, "caw[offset=0]", 1, 3), one(A, "other")]
    document = render([(A, {"seed": "1"}, results), (B, {"seed": "1"}, repeated(B, "caw[offset=0]", 0, 3))])
    assert errors_of(document) == []
    first, _ = ElementTree.fromstring(document).iter("testsuite")
    assert [c.attrib["name"] for c in first.iter("testcase")] == [
        "caw[offset=0]", "caw[offset=0]#2", "caw[offset=0]#3", "other"]
    assert {c.attrib["classname"] for c in first.iter("testcase")} == {f"{A}.caw", f"{A}.other"}
    assert [p.attrib["value"] for p in first.iter("property") if p.attrib["name"] == "repeat"] == ["2", "3"]


def test_one_kernel_keeps_its_table_and_says_what_is_flaky() -> None:
    mixed = [*repeated(A, "caw", 2, 10), one(A, "caw", Outcome.FAIL, 11, OTHER, "another thing")]
    said = table(grouped(*mixed, *repeated(A, "good", 0, 10), one(A, "once")), Path("/results/s"))
    assert "flaky: 8/11 pass" in said
    assert f"2 of 11 FAIL [{FIRST}]: it went wrong" in said and f"1 of 11 FAIL [{OTHER}]: another thing" in said
    assert "--seed 1 --repeat 11" in said
    assert "10 times pass" in said
    assert sum(x.startswith("pass  good") for x in said.splitlines()) == 1
