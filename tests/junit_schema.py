"""JUnit XML held against tests/junit.xsd, and its counts against its cases."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import xmlschema

_SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))
_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def errors_of(document: str) -> list[str]:
    """Everything that is wrong with a report: not XML, not of the schema, or counts that do not add up."""
    try:
        root = ElementTree.fromstring(document.encode())
    except ElementTree.ParseError as error:
        return [f"not XML: {error}"]
    wrong = [str(error.reason) for error in _SCHEMA.iter_errors(root)]
    for suite in root.iter("testsuite"):
        cases = list(suite.iter("testcase"))
        counted = {"tests": len(cases), **{name: sum(c.find(tag) is not None for c in cases)
                                           for name, tag in _COUNTED.items()}}
        wrong += [f"{suite.get('name')}: {name} is {suite.get(name)}, counted {number}"
                  for name, number in counted.items() if suite.get(name) != str(number)]
        wrong += [f"{case.get('name')}: has more than one outcome" for case in cases
                  if sum(case.find(tag) is not None for tag in _COUNTED.values()) > 1]
    for name in ("tests", "failures", "errors"):
        total = sum(int(s.get(name, 0)) for s in root.iter("testsuite"))
        if root.get(name, "0") != str(total):
            wrong.append(f"in all: {name} is {root.get(name)}, the suites have {total}")
    return wrong
