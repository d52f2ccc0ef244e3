"""Fixed bugs found again by bisecting stock kernels: the first package that differs has the fix in its changelog."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.bisect.packages import PackageSubject, package_subject
from lab.kernels import versions
from lab.kernels.changelog import between, changelog
from lab.kernels.store import Store
from tests.command import Lab

pytestmark = [pytest.mark.vm, pytest.mark.network]

UNMAP = ("unmap-out-of-range", "scsi: target: core: Fix integer overflow in UNMAP bounds check")
MEMBERS = ("alua-members-text", "scsi: target: Do not write NUL characters into ASCII configfs output")
FOUR = ("5.10.223-1", "5.10.251-5", "5.10.259-1", "5.10.262-1")


@pytest.fixture
def is_red(lab: Lab) -> Callable[[PackageSubject, int | None, str], bool]:
    """Whether a scenario fails on a candidate, by the real command."""

    def red(subject: PackageSubject, position: int | None, scenario: str) -> bool:
        kernel = subject.kernel(position)
        ran = lab("run", scenario, "--no-known", "-j", "1", kernel=kernel.spec)
        assert ran.result(scenario)["outcome"] in ("pass", "fail"), ran.said
        assert ran.result(scenario)["properties"]["kernel.version"] == kernel.package.partition("-")[0]
        return bool(ran.result(scenario)["outcome"] == "fail")

    return red


def first_fixed(subject: PackageSubject, is_red: Callable[[int | None], bool]) -> int:
    """The first candidate that is not red, by halving; both ends are run too."""
    assert is_red(None), f"{subject.old} does not show the bug"
    assert not is_red(len(subject.history) - 1), f"{subject.history.names[-1]} still shows the bug"
    low, high = -1, len(subject.history) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_red(middle) else (low, middle)
    return high


def check(subject: PackageSubject, found: int, fix: str) -> str:
    """The fix stands in the changelog after the last bad version, and nowhere else between the ends."""
    names = (subject.old, *subject.history.names)
    before, first = names[found], names[found + 1]
    entries = changelog(names[-1], subject.store, since=names[0])
    upstream = {c.upstream for e in between(entries, before, first) for c in e.changes if c.text.startswith(fix)}
    everywhere = {c.upstream for e in between(entries, names[0], names[-1]) for c in e.changes
                  if c.text.startswith(fix)}
    assert len(upstream) == 1 and upstream == everywhere
    release = upstream.pop()
    assert versions.compare(before, release) < 0 < versions.compare(first, release)
    text = subject.epilogue([found])
    assert text.startswith(f"first fixed: {first}; last bad: {before}\nupstream range v")
    assert f"  {release:<9} {fix}" in text.splitlines()
    return release


@pytest.mark.parametrize("bug, first, release", [(MEMBERS, "5.10.251-5", "5.10.248"),
                                                 (UNMAP, "5.10.259-1", "5.10.258")], ids=["members", "unmap"])
def test_four_kernels(is_red: Callable[[PackageSubject, int | None, str], bool], bug: tuple[str, str], first: str,
                      release: str) -> None:
    scenario, fix = bug
    subject = package_subject(FOUR[-1], FOUR[0], Store.default(), find_fix=True, among=FOUR)
    assert subject.history.names == FOUR[1:]
    found = first_fixed(subject, lambda position: is_red(subject, position, scenario))
    assert subject.history.names[found] == first
    assert check(subject, found, fix) == release


@pytest.mark.slow
@pytest.mark.parametrize("bug, old, new", [(MEMBERS, "6.12.43", "6.12.117"), (UNMAP, "6.12.43", "6.12.117"),
                                           (UNMAP, "6.1.170", "6.1.192")],
                         ids=["members-6.12", "unmap-6.12", "unmap-6.1"])
def test_all_that_apt_has(is_red: Callable[[PackageSubject, int | None, str], bool], bug: tuple[str, str], old: str,
                          new: str) -> None:
    scenario, fix = bug
    subject = package_subject(new, old, Store.default(), find_fix=True)
    found = first_fixed(subject, lambda position: is_red(subject, position, scenario))
    check(subject, found, fix)


def test_the_bug_is_not_found_where_it_is_not(is_red: Callable[[PackageSubject, int | None, str], bool],
                                              tmp_path: Path) -> None:
    """A check that can fail: between two fixed kernels the old end is not red, and the search says so."""
    subject = package_subject(FOUR[3], FOUR[2], Store.default(), find_fix=True)
    with pytest.raises(AssertionError, match="5.10.259-1 does not show the bug"):
        first_fixed(subject, lambda position: is_red(subject, position, MEMBERS[0]))
