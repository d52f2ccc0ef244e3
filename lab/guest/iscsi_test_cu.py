"""libiscsi's iscsi-test-cu on a LUN's /dev/sgN: its cases by name, and what each came to.

Its names are FAMILY.SUITE.CASE; the family ALL has every case, the others have some of them again. It prints
`Suite: NAME`, `Test: NAME ...`, then what the case says, then `passed` or `FAILED` (CUnit's verbose mode, unbuffered).
A case that says [SKIPPED] passes; it is a skip here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.guest import program
from lab.guest.suite import Case, Told

PROGRAM = "iscsi-test-cu"
_FAMILY = "ALL"
_SUITE, _TEST = re.compile(r"Suite: (\S+)"), re.compile(r"  Test: (\S+) \.\.\.(.*)")
_SKIPPED, _FAILED = re.compile(r"\[SKIPPED\]"), re.compile(r"\[FAILED\]")
_ASSERTED = re.compile(r"^ *\d+\. \S+:\d+  - ")
_ENDS = {"passed": "pass", "FAILED": "fail"}


def missing(given: dict[str, Any]) -> str | None:
    """Why the guest cannot run it; None when it can."""
    if program.which(PROGRAM) is not None:
        return None
    return f"{PROGRAM} is not in the guest: install libiscsi-bin on the host, of whose tools the guest is made"


def names(given: dict[str, Any], deadline: float) -> list[str]:
    """All its cases. Raises Refused."""
    done = program.run([PROGRAM, "--list"], deadline=deadline)
    return [line for line in done.stdout.split() if line.startswith(f"{_FAMILY}.") and line.count(".") == 2]


def run(chosen: list[str], told: Told) -> Iterator[Case]:
    """Run cases in one go. Tests that destroy data are allowed: the LUN is the scenario's own."""
    listed = told.work / "cases"
    listed.write_text("".join(f"{name}\n" for name in chosen))
    heard = program.listen([PROGRAM, "--dataloss", "--verbose", "--test", str(listed), told.disk.sg],
                           deadline=told.deadline, folder=str(told.work), stopping=told.stopping)
    return read_cases(heard)


@dataclass
class _Begun:
    """A case that has begun; `ends` once it has ended."""

    name: str
    began: float
    ends: str = ""
    at: float = 0.0
    lines: list[str] = field(default_factory=list)

    def case(self) -> Case:
        skipped, failed, asserted = (next((line for line in self.lines if pattern.search(line)), "")
                                     for pattern in (_SKIPPED, _FAILED, _ASSERTED))
        ends = "skip" if self.ends == "pass" and skipped else self.ends
        told = failed or asserted
        why = {"pass": "", "skip": skipped, "fail": told or "it does not say why"}.get(ends, told)
        return Case(self.name, ends, re.sub(r"^\[[A-Z]+\] ", "", why), "\n".join(self.lines), self.at - self.began)


def read_cases(heard: program.Heard) -> Iterator[Case]:
    """The cases of what it printed. The one in which it came to a wrong end is hung or crashed."""
    suite, current, last = "", _Begun("", 0.0, "none"), 0.0
    for at, line in heard.lines:
        suite_begins, test_begins = _SUITE.fullmatch(line.strip()), _TEST.fullmatch(line)
        if current.ends and not _ASSERTED.search(line):  # what it asserted stands below its end
            yield from [current.case()] if current.name else []
            current = _Begun("", last, "none")
        if suite_begins is not None:
            suite = suite_begins[1]
        elif test_begins is not None:
            current, line = _Begun(f"{_FAMILY}.{suite}.{test_begins[1]}", last), test_begins[2]
        if line in _ENDS and not current.ends:
            current.ends, current.at, last = _ENDS[line], at, at
        elif line.strip():
            current.lines.append(line.strip())
    if current.name:
        current.at = current.at or heard.lines[-1][0]
        current.ends = current.ends or ("hung" if heard.exit is None else "crashed")
        yield current.case()
