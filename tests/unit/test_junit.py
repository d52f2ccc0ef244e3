"""lab.report.junit: valid and readable XML, whatever a guest printed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.report.junit import clean, render, write
from lab.report.result import Check, KernelFault, Outcome, Reason, Result, StepResult
from tests.junit_schema import errors_of

PROPERTIES = {"kernel.name": "k", "kernel.release": "6.1.0", "seed": "1"}
SUITE = '<testsuite name="k" tests="1" failures="0" errors="0" skipped="0"/>'
HOSTILE = ["\x00\x01\x08\x0b\x1b[31m\x7f", "\udc80\udcff", "]]>", "<failure>&amp;&#0;", "\U0001f4a5 ok \ufffe\uffff",
           "\r\n\t", "a" * 100_000, "<!DOCTYPE x [<!ENTITY a 'b'>]>", "\"' =",
           "\x85\u2028", ""]


def result(run_id: str, outcome: Outcome = Outcome.PASS, *reasons: Reason, text: str = "") -> Result:
    """A result whose every text is `text`, where it holds one."""
    step = StepResult(0, text or "step", True, 0.1, [Check(text or "status", text, text, False)], [text])
    return Result(id=run_id, scenario="one", outcome=outcome, reasons=list(reasons), steps=[step],
                  faults=[KernelFault("BUG", text, "0" * 12, 0, None, text)], notes=[text] if text else [],
                  seconds=1.25, origin="checkpoint", repeat=f".venv/bin/lab run {text}", directory="/results/one",
                  values={"block_size": 512}, properties={**PROPERTIES, "note": text})


def of(outcome: Outcome, text: str = "it went wrong") -> Result:
    reasons = [] if outcome is Outcome.PASS else [Reason(outcome, text, text)]
    return result(f"{outcome.value}-one", outcome, *reasons, text=text)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("outcome", Outcome)
def test_hostile_text(outcome: Outcome, text: str) -> None:
    made = of(outcome, text or "?")
    assert errors_of(render([("k" + clean(text[:20]), {"p": text}, [made, result(f"id {text[:50]}")])])) == []


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_text(text: str) -> None:
    document = render([("k", {"p": text}, [of(Outcome.FAIL, text)])])
    assert errors_of(document) == []
    document.encode("utf-8")  # no lone surrogate is left
    failure = next(ElementTree.fromstring(document).iter("failure"))
    assert failure.attrib["message"].replace("\n", " ").replace("\t", " ").replace("\r", " ") \
        == clean(text).replace("\n", " ").replace("\t", " ").replace("\r", " ")


def test_counts_names_and_properties() -> None:
    results = [of(outcome) for outcome in Outcome]
    root = ElementTree.fromstring(render([("k", PROPERTIES, results), ("other", PROPERTIES, results[:1])]))
    first, second = root.iter("testsuite")
    assert [first.attrib[n] for n in ("name", "tests", "failures", "errors", "skipped")] == ["k", "6", "1", "1", "2"]
    assert [second.attrib[n] for n in ("name", "tests", "failures", "errors", "skipped")] == \
        ["other", "1", "0", "0", "0"]
    case = next(first.iter("testcase"))
    assert (case.attrib["name"], case.attrib["classname"], float(case.attrib["time"])) == ("pass-one", "k.one", 1.25)
    assert {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}["matrix.block_size"] == "512"
    assert {p.attrib["name"] for p in first.find("properties") or ()} == set(PROPERTIES)


def test_a_case_has_one_outcome_with_all_its_reasons() -> None:
    both = result("both", Outcome.FAIL, Reason(Outcome.FAIL, "kernel BUG"), Reason(Outcome.ERROR, "no teardown"))
    document = render([("k", PROPERTIES, [both])])
    assert errors_of(document) == []
    failures = list(ElementTree.fromstring(document).iter("failure"))
    assert [(f.attrib["message"], f.attrib["type"]) for f in failures] == \
        [("kernel BUG", "kernel"), ("no teardown", "lab")]


def test_a_failure_says_step_expected_observed_messages_and_how_to_repeat() -> None:
    step = StepResult(2, "the read", True, 0.1, [Check("sense", "5/21/00", "GOOD", False)], ["sd 0:0:1:0: something"])
    one = result("one", Outcome.FAIL, Reason(Outcome.FAIL, "step 3 (the read): expected sense", "Call Trace:"))
    one = Result(**{**vars(one), "steps": [step]})
    text = next(ElementTree.fromstring(render([("k", PROPERTIES, [one])])).iter("failure")).text or ""
    for words in ("step 3: the read", "expected: 5/21/00", "observed: GOOD", "sd 0:0:1:0: something", "Call Trace:",
                  "files:  /results/one", "repeat: .venv/bin/lab run"):
        assert words in text


def test_the_document_is_the_same_each_time_and_readable() -> None:
    results = [of(outcome) for outcome in Outcome]
    document = render([("k", PROPERTIES, results)])
    assert document == render([("k", PROPERTIES, results)])
    lines = document.splitlines()
    assert lines[0] == '<?xml version="1.0" encoding="UTF-8"?>'
    assert any(line.startswith("    <testcase ") for line in lines)


def test_no_results_at_all() -> None:
    assert errors_of(render([])) == []


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write(path, [("k", PROPERTIES, [of(Outcome.PASS)])])
    before = path.read_text()
    broken = Result(**{**vars(of(Outcome.PASS)), "properties": {"x": None}})
    with pytest.raises(TypeError):
        write(path, [("k", PROPERTIES, [broken])])
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["junit.xml"]


@pytest.mark.parametrize(("document", "wrong"), [
    ("<testsuites", "not XML"), ("<testsuites tests='many'/>", "many"),
    (f'<testsuites tests="1" failures="0" errors="0">{SUITE}</testsuites>', "counted 0"),
    ('<testsuites tests="0" failures="0" errors="0"><case/></testsuites>', "case"),
])
def test_the_schema_refuses(document: str, wrong: str) -> None:
    assert any(wrong in error for error in errors_of(document)), errors_of(document)
