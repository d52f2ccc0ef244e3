"""Fixed bugs found again by bisecting stock kernels: the first package that differs has the fix in its changelog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.kernels import versions
from lab.kernels.changelog import between, changelog
from lab.kernels.store import Store
from tests.command import Lab, Ran, assert_no_qemu

pytestmark = [pytest.mark.vm, pytest.mark.network]

UNMAP = ("unmap-out-of-range", "scsi: target: core: Fix integer overflow in UNMAP bounds check")
MEMBERS = ("alua-members-text", "scsi: target: Do not write NUL characters into ASCII configfs output")
FOUR = ("5.10.223-1", "5.10.251-5", "5.10.259-1", "5.10.262-1")
DEADLINE_S = 1800.0


def bisect(lab: Lab, where: Path, scenario: str, old: str, new: str, *among: str) -> tuple[Ran, dict[str, Any]]:
    """What repaired `scenario` between two versions: what the command said, and its bisect.json."""
    ran = lab("bisect", "--packages", "--find-fix", "--bad", old, "--good", new, "--results", where / "results",
              *(word for version in among for word in ("--among", version)), scenario, timeout_s=DEADLINE_S)
    path, = (where / "results").glob("bisect-*/bisect.json")
    assert_no_qemu(where)
    return ran, json.loads(path.read_text())


def assert_fixed(ran: Ran, found: dict[str, Any], fix: str) -> tuple[str, str]:
    """The first fixed version and the upstream release of the fix, which its changelog has and no other's."""
    assert ran.status == 0, ran.said
    first, = found["candidates"]
    before = ran.stdout.partition("; last bad: ")[2].split()[0]
    old, *_, new = sorted({t["name"] for t in found["trials"]}, key=versions.key)
    entries = changelog(new, Store.default(), since=old)
    here = {c.upstream for e in between(entries, before, first) for c in e.changes if c.text.startswith(fix)}
    anywhere = {c.upstream for e in between(entries, old, new) for c in e.changes if c.text.startswith(fix)}
    assert len(here) == 1 and here == anywhere
    release = here.pop()
    assert versions.compare(before, release) < 0 < versions.compare(first, release)
    assert f"first fixed: {first}; last bad: {before}" in ran.stdout and "upstream range v" in ran.stdout
    assert any(line.startswith(f"  {release:<9} {fix}") for line in ran.stdout.splitlines()), ran.stdout
    return str(first), release


@pytest.mark.parametrize(("bug", "first", "release"), [(MEMBERS, "5.10.251-5", "5.10.248"),
                                                       (UNMAP, "5.10.259-1", "5.10.258")], ids=["members", "unmap"])
def test_four_kernels(lab: Lab, tmp_path: Path, bug: tuple[str, str], first: str, release: str) -> None:
    scenario, fix = bug
    ran, found = bisect(lab, tmp_path, scenario, FOUR[0], FOUR[-1], *FOUR)
    assert assert_fixed(ran, found, fix) == (first, release)


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "old", "new"), [(MEMBERS, "6.12.43", "6.12.117"), (UNMAP, "6.12.43", "6.12.117"),
                                                 (UNMAP, "6.1.170", "6.1.192")],
                         ids=["members-6.12", "unmap-6.12", "unmap-6.1"])
def test_all_that_apt_has(lab: Lab, tmp_path: Path, bug: tuple[str, str], old: str, new: str) -> None:
    scenario, fix = bug
    assert_fixed(*bisect(lab, tmp_path, scenario, old, new), fix)


@pytest.mark.slow
def test_an_end_that_is_not_bad_is_said(lab: Lab, tmp_path: Path) -> None:
    """Between two fixed kernels there is no answer, and none is made up."""
    ran, found = bisect(lab, tmp_path, MEMBERS[0], FOUR[2], FOUR[3])
    assert ran.status == 3 and found["candidates"] == [], ran.said
    assert "the end that is called bad" in ran.stdout, ran.said
