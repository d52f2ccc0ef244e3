"""JUnit XML by junit-xml: a suite for each kernel, a case for each scenario with its matrix values, and each repeat."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import junit_xml

from lab.report.result import Outcome, Reason, Result
from lab.report.text import failure_text, known_text

# XML 1.0, 2.2: what a document may hold, less what it discourages, which junit-xml drops. It is shown as \xNN.
_NONCHARACTERS = "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
                        f"|[{_NONCHARACTERS}]")


def write(path: Path, suites: Sequence[tuple[str, dict[str, str], Sequence[Result]]], *,
          strict_known: bool = False) -> None:
    """Write the report under a temporary name, then rename it. `suites`: (name, properties, results).

    `strict_known`: a run that passes in spite of a known bug is a failure. OSError when the disk is full; then an older
    file is still whole.
    """
    temporary = path.with_suffix(f".{os.getpid()}")
    try:
        temporary.write_text(render(suites, strict_known=strict_known), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def render(suites: Sequence[tuple[str, dict[str, str], Sequence[Result]]], *, strict_known: bool = False) -> str:
    """The XML document. Valid whatever a guest printed."""
    made = [junit_xml.TestSuite(name, [c for r in results for c in (_case(name, r, strict_known), *_cases(name, r))],
                                properties=_clean(properties)) for name, properties, results in suites]
    root = ElementTree.fromstring(junit_xml.to_xml_report_string(made, prettyprint=False))
    # junit-xml knows properties of suites only; what a case depends on belongs to the case.
    cases = iter(root.iter("testcase"))
    for _, _, results in suites:
        for result in results:
            next(cases).insert(0, _properties(result))
            for _ in result.cases:  # what it depends on stands at its run
                next(cases)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: str, result: Result, strict_known: bool) -> junit_xml.TestCase:
    case = junit_xml.TestCase(clean(result.case), classname=f"{suite}.{result.scenario}", elapsed_sec=result.seconds,
                              allow_multiple_subelements=True)
    if result.outcome in (Outcome.XFAIL, Outcome.XPASS):
        _add_known(case, result, strict_known)
        return case
    for reason in result.reasons:
        _add(case, reason, result)
    return case


def _cases(suite: str, result: Result) -> Iterator[junit_xml.TestCase]:
    """The cases of the test suites that a run ran: the run is their class."""
    for case in result.cases:
        made = junit_xml.TestCase(clean(case.name), classname=clean(f"{suite}.{result.case}"), elapsed_sec=case.seconds)
        text = clean("\n\n".join(filter(None, (case.text, case.output))))
        if case.outcome in (Outcome.SKIP, Outcome.XFAIL):
            word = "fails as the list says: " if case.outcome is Outcome.XFAIL else ""
            made.add_skipped_info(message=clean(word + case.text), output=text)
        elif case.outcome is Outcome.ERROR:
            made.add_error_info(message=clean(case.text), output=text, error_type="lab")
        elif case.outcome is Outcome.FAIL:
            made.add_failure_info(message=clean(case.text), output=f"{text}\n\nrepeat: {clean(result.repeat)}",
                                  failure_type="kernel")
        elif case.outcome is Outcome.XPASS:
            made.stdout = f"XPASS: {clean(case.text)}"
        yield made


def _add_known(case: junit_xml.TestCase, result: Result, strict_known: bool) -> None:
    """A failure that is a known bug is skipped, with all that is known of it; a pass in spite of one stays a pass."""
    message = clean(known_text(result))
    if result.outcome is Outcome.XFAIL:
        texts = "\n\n".join(failure_text(result, reason) for reason in result.reasons)
        case.add_skipped_info(message=message, output=clean(texts))
    elif strict_known:
        case.add_failure_info(message=message, output=clean(f"{message}\n\nrepeat: {result.repeat}"),
                              failure_type="known-bug")
    else:
        case.stdout = f"XPASS: {message}"


def _add(case: junit_xml.TestCase, reason: Reason, result: Result) -> None:
    """The case's outcome is its element, so that counts add up; whose fault a reason is, is its type."""
    beside = f"known bug {reason.bug}, beside another failure: " if reason.bug else ""
    message, text = clean(beside + reason.text), clean(failure_text(result, reason))
    if result.outcome is Outcome.SKIP:
        case.add_skipped_info(message=message)
    elif result.outcome is Outcome.ERROR:
        case.add_error_info(message=message, output=text, error_type="lab")
    else:
        case.add_failure_info(message=message, output=text,
                              failure_type="kernel" if reason.outcome is Outcome.FAIL else "lab")


def _properties(result: Result) -> ElementTree.Element:
    element = ElementTree.Element("properties")
    named = {**result.properties, **{f"matrix.{k}": str(v) for k, v in result.values.items()}}
    if result.number > 1:
        named["repeat"] = str(result.number)
    if result.known:
        named |= {"known-bug": ", ".join(k.bug for k in result.known), "outcome": result.outcome.value}
    if result.cause is not None:
        named["fingerprint"] = result.cause.fingerprint
    for name, value in _clean(named).items():
        ElementTree.SubElement(element, "property", name=name, value=value)
    return element


def _clean(properties: dict[str, str]) -> dict[str, str]:
    return {clean(name): clean(value) for name, value in properties.items()}


def clean(text: str) -> str:
    """Text that XML can carry: control characters and lone surrogates become \\xNN."""
    return _FORBIDDEN.sub(lambda m: f"\\x{ord(m[0]):02x}", text)
