"""The range of package versions: which kernels it has, how ends are written, what is refused before a fetch.

The store's shelf stands for apt's list: without an archive of Debian in the host's apt, the lab goes on with it.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.bisect import packages
from lab.bisect.asked import COMMAND, Asked
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.package_choice import package_subject
from lab.bisect.packages import PackageSubject, upstream_tag
from lab.bisect.report import Report
from lab.bisect.subject import CannotTest, Subject
from lab.bisect.trial import Seen, Trial
from lab.cli.bisect_packages import texts
from lab.errors import LabError, UsageError
from lab.kernels.apt import NotFetched
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store
from tests.unit.bisect_repository import result

SHELF = ("6.1.170-3", "6.1.176-1", "6.1.192-2", "6.12.43-1~bpo12+1", "6.12.57-1~bpo12+1", "6.12.90-1~bpo12+1",
         "6.12.90-1", "6.12.90-2~bpo12+1", "6.12.90-2", "6.12.117-1~deb12u1", "6.12.117-1")
ASKED = Asked(packages=True, good="6.12.43", bad="6.12.117", fingerprint="aaaaaaaaaaaa", scenarios=("s",),
              among=("6.12.*",))
CHANGELOG = """linux (6.12.90-2) trixie; urgency=high

  * scsi: target: Debian's own

 -- A <a@example.org>  Sun, 01 Nov 2026 10:00:00 +0100

linux (6.12.90-1) trixie; urgency=high

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.60
    - scsi: target: tcm_loop: Fix one
    - scsi: qla2xxx: target: Fix another

 -- A <a@example.org>  Sat, 31 Oct 2026 10:00:00 +0100

linux (6.12.57-1) trixie; urgency=high

  * scsi: target: too old

 -- A <a@example.org>  Sat, 31 Oct 2025 10:00:00 +0100
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for version in SHELF:
        (tmp_path / "store/kernels" / f"debian-{version}").mkdir(parents=True)
    (tmp_path / "store/changelogs").mkdir()
    (tmp_path / "store/changelogs/6.12.90-2.gz").write_bytes(gzip.compress(CHANGELOG.encode()))
    (tmp_path / "etc").mkdir()
    return Store(tmp_path / "store")


def subject(store: Store, good: str, bad: str, said: list[str] | None = None, **how: Any) -> PackageSubject:
    say = (said if said is not None else []).append
    return package_subject(good, bad, store, say, etc=store.root.parent / "etc", **how)


def test_the_range_is_in_dpkgs_order_without_its_old_end(store: Store) -> None:
    found: Subject = subject(store, "6.12.43", "debian:6.12.90-2")
    assert found.history.names == ("6.12.57-1~bpo12+1", "6.12.90-1~bpo12+1", "6.12.90-1", "6.12.90-2~bpo12+1",
                                   "6.12.90-2")
    assert found.history.parents == ((), (0,), (1,), (2,), (3,))
    assert found.title(None) == "Debian's kernel 6.12.43-1~bpo12+1"
    assert found.title(4) == "Debian's kernel 6.12.90-2"


def test_to_find_a_fix_the_bad_end_is_the_old_one(store: Store) -> None:
    found = subject(store, "6.12.117", "6.12.57", find_fix=True)
    assert (found.old, found.history.names[-1]) == ("6.12.57-1~bpo12+1", "6.12.117-1")
    assert len(found.history) == 6


def test_a_glob_among_them(store: Store) -> None:
    names = subject(store, "6.12.43", "6.12.117", among=["6.12.*~bpo*"]).history.names
    assert len(names) > 2 and all("~bpo" in name for name in names[:-1])


def test_a_choice_among_them_keeps_the_ends(store: Store) -> None:
    found = subject(store, "6.12.43", "6.12.117", among=["6.12.90-1", "6.12.57", "6.1.192"])
    assert found.history.names == ("6.12.57-1~bpo12+1", "6.12.90-1", "6.12.117-1")


def answered(found: PackageSubject, first: str) -> tuple[Inquiry, Verdict]:
    """A bisection in which `first` is the first bad version."""
    inquiry, names = Inquiry(found, left_out=found.leaves_out), found.history.names
    while (todo := inquiry.next()) is not None:
        bad = todo.position is not None and todo.position >= names.index(first)
        seen = tuple(Seen.of(result("bad" if bad else "good"), "") for _ in range(todo.runs))
        inquiry.take(Trial(1, todo.phase, todo.position, "", "", todo.runs, seen))
    return inquiry, inquiry.verdict()


@pytest.mark.parametrize(("first", "not_chosen"), [
    ("6.12.90-1", "6.12.90-1~bpo12+1"), ("6.12.90-2~bpo12+1", ""), ("6.12.117-1", "6.12.90-2, 6.12.117-1~deb12u1")])
def test_versions_that_were_not_chosen_are_named_with_the_answer(store: Store, first: str, not_chosen: str) -> None:
    chosen = ["6.12.57", "6.12.90-1", "6.12.90-2~bpo12+1"]
    found = subject(store, "6.12.43", "6.12.117", among=chosen)
    inquiry, verdict = answered(found, first)
    asked = replace(ASKED, among=tuple(chosen))
    report = Report(store.root, inquiry, [], verdict, texts(asked, found, inquiry), asked)
    plain = f"he first bad version is Debian's kernel {first}"
    assert report.headline() == (f"Of those chosen, t{plain}; versions that --among leaves out were not looked at"
                                 if not_chosen else f"T{plain}")
    said = f"not chosen, so not looked at, between these: {not_chosen}\n"
    assert (said in report.text()) == bool(not_chosen) and report.exit_code == 0


def test_nothing_between_leaves_the_ends(store: Store) -> None:
    said: list[str] = []
    assert subject(store, "6.12.43", "6.12.57", said).history.names == ("6.12.57-1~bpo12+1",)
    assert any("no kernel between 6.12.43-1~bpo12+1 and 6.12.57-1~bpo12+1" in line for line in said)


def test_several_series_are_allowed_and_said(store: Store) -> None:
    said: list[str] = []
    assert len(subject(store, "6.1.170", "6.12.117", said).history) == 10
    assert any(line.startswith("6.1, 6.12 are branches") for line in said)
    said.clear()
    subject(store, "6.12.43", "6.12.117", said)
    assert not any("branches" in line for line in said)


@pytest.mark.parametrize("good, bad, how, words", [
    ("6.12.60", "6.12.117", {}, "the nearest are 6.12.57-1~bpo12+1 and 6.12.90-1~bpo12+1"),
    ("9.9", "6.1.170", {}, "the nearest are 6.12.117-1"),
    ("6.12.117", "6.12.43", {}, "give --find-fix"),
    ("6.12.43", "6.12.117", {"find_fix": True}, "leave --find-fix out"),
    ("6.12.43", "6.12.43-1~bpo12+1", {}, "are both 6.12.43-1~bpo12+1"),
    ("new", "6.12.43", {}, "'new' is not a version"),
    ("", "6.12.43", {}, "'' is not a version"),
    ("6.12.43", "6.12.117", {"among": ["6.12.60"]}, "the nearest are")])
def test_what_is_refused(store: Store, good: str, bad: str, how: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        subject(store, good, bad, **how)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_without_apt_and_without_kernels_it_says_why(tmp_path: Path) -> None:
    with pytest.raises(LabError) as error:
        package_subject("6.12.43", "6.12.57", Store(tmp_path / "store"), etc=tmp_path)
    assert "no archive of Debian or Ubuntu" in str(error.value)


@pytest.mark.parametrize("version, tag", [("6.12.57-1~bpo12+1", "v6.12.57"), ("6.1.192-2", "v6.1.192"),
                                          ("7.3~rc7-1~exp1", "v7.3-rc7"), ("7.3-1", "v7.3")])
def test_the_tag_of_a_package(version: str, tag: str) -> None:
    assert upstream_tag(version) == tag


def test_the_epilogue_names_the_range_the_command_and_the_entries(store: Store) -> None:
    found = subject(store, "6.12.43", "6.12.117")
    paths = "-- drivers/target"
    assert found.epilogue([1], ASKED).splitlines() == [
        "first bad: 6.12.90-1~bpo12+1; last good: 6.12.57-1~bpo12+1",
        "upstream range v6.12.57..v6.12.90; bisect it by commits, in a checkout of linux-stable, with",
        f"  {COMMAND} bisect --tree linux-stable --good v6.12.57 --bad v6.12.90 --fingerprint aaaaaaaaaaaa s {paths}",
        "changes to drivers/target in its changelog after 6.12.57-1~bpo12+1:",
        "  6.12.60   scsi: target: tcm_loop: Fix one"]


def test_the_epilogue_of_a_fix_turns_the_ends_round(store: Store) -> None:
    text = subject(store, "6.12.117", "6.12.43", find_fix=True).epilogue([0], replace(ASKED, find_fix=True))
    assert "first fixed: 6.12.57-1~bpo12+1; last bad: 6.12.43-1~bpo12+1" in text
    assert "--good v6.12.57 --bad v6.12.43 --fingerprint aaaaaaaaaaaa --find-fix s -- drivers/target" in text


def test_a_range_that_is_left_is_shown_as_one(store: Store) -> None:
    text = subject(store, "6.12.43", "6.12.117").epilogue([2, 1, 3], ASKED)
    assert "first bad: one of 6.12.90-1~bpo12+1, 6.12.90-1, 6.12.90-2~bpo12+1; last good: 6.12.57-1~bpo12+1" in text
    assert "v6.12.57..v6.12.90" in text
    assert text.endswith("  Debian    scsi: target: Debian's own\n  6.12.60   scsi: target: tcm_loop: Fix one")


def test_between_builds_there_is_no_upstream_range(store: Store) -> None:
    found = subject(store, "6.12.43", "6.12.117")
    rebuilt = found.epilogue([2], ASKED)
    assert "one source, built for two releases" in rebuilt and "lab bisect" not in rebuilt
    patched = found.epilogue([3], ASKED)
    assert "both are upstream v6.12.90" in patched and patched.endswith("  Debian    scsi: target: Debian's own")


def test_no_changelog_is_one_sentence(store: Store) -> None:
    found = subject(store, "6.12.43", "6.12.117")
    assert "Its changelog cannot be shown: " in found.epilogue([len(found.history) - 2], ASKED).splitlines()[-1]


@pytest.mark.network
def test_a_version_that_the_archives_do_not_have_cannot_be_tested() -> None:
    real = package_subject("6.1.170", "6.1.192", Store.default())
    gone = PackageSubject(type(real.history).linear(["6.1.171-1"]), real.old, False, real.store)
    with pytest.raises(CannotTest) as error:
        gone.kernel(0)
    assert "Debian's kernel 6.1.171-1 cannot be had" in str(error.value)


@pytest.mark.network
def test_the_real_list_leaves_out_what_is_not_usable() -> None:
    names = package_subject("6.18.5", "7.3.4", Store.default()).history.names
    assert not [name for name in names if name.startswith(("6.19", "7.0", "7.1"))]
    with pytest.raises(UsageError, match="listed but not usable"):
        package_subject("7.0.13", "7.3.4", Store.default())


@pytest.mark.parametrize(("answer", "raised", "words"), [
    ("6.12.90-1~bpo12+1", CannotTest, "there is only 6.12.90-1~bpo12"),
    (NotFetched("apt could not fetch linux-image: [... 404 Not Found]"), CannotTest, "cannot be had"),
    (NotFetched("apt could not fetch linux-image: Temporary failure resolving"), NotFetched, "Temporary failure")])
def test_another_kernel_is_no_candidate_and_the_network_is_nobodys_fault(
        store: Store, monkeypatch: pytest.MonkeyPatch, answer: str | NotFetched, raised: type[LabError], words: str,
) -> None:
    """A rebuild that begins like it must not be counted as it; what may be there the next time is not given up."""
    def resolve(spec: str, *_: object, **how: object) -> Kernel:
        if isinstance(answer, NotFetched):
            raise answer
        return Kernel(spec, "name", "6.12", store.root, None, None, "0" * 64, package=answer)

    monkeypatch.setattr(packages, "resolve", resolve)
    found = subject(store, "6.12.43", "6.12.117")
    with pytest.raises(raised, match=words):
        found.kernel(found.history.names.index("6.12.90-1"))
