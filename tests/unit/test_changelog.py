"""Debian's changelog of the kernel: items, the stable release each came with, what concerns drivers/target."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kernels.changelog import Change, between, changelog, parse, source_version
from lab.kernels.store import Store

TEXT = """\
linux-6.12 (6.12.7-1~deb12u1) bookworm-security; urgency=high

  * Rebuild for bookworm-security:
    - d/rules: Set the release

 -- A Maintainer <a@example.org>  Mon, 02 Nov 2026 10:00:00 +0100

linux (6.12.7-1) trixie; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.6
    - scsi: target: core: Fix something that is so long that its subject goes
      on in the next line (CVE-2026-0001)
    - [arm64] scsi: target: iblock: Another one
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.7
    - net: something else
     * [armhf] net: as in 6.1.176-1, which has one such mark among its patches
    - scsi: target: tcm_loop: A third one

  [ A Second Maintainer ]
  * scsi: target: A patch of Debian's own

 -- A Maintainer <a@example.org>  Sun, 01 Nov 2026 10:00:00 +0100

linux (6.12.5-1) trixie; urgency=medium

  * New upstream stable update:
    https://www.kernel.org/pub/linux/kernel/v6.x/ChangeLog-6.12.5
    - scsi: target: An old one

 -- A Maintainer <a@example.org>  Thu, 01 Oct 2026 10:00:00 +0100
"""
LONG = ("scsi: target: core: Fix something that is so long that its subject goes on in the next line "
        "(CVE-2026-0001)")


def target_changes(old: str, new: str) -> list[tuple[str, str]]:
    return [(c.upstream, c.text) for e in between(parse(TEXT), old, new) for c in e.changes if c.concerns_target]


def test_items_go_on_over_lines_and_know_their_stable_release() -> None:
    assert target_changes("6.12.5-1", "6.12.7-1") == [
        ("6.12.6", LONG),
        ("6.12.6", "[arm64] scsi: target: iblock: Another one"),
        ("6.12.7", "scsi: target: tcm_loop: A third one"),
        ("", "scsi: target: A patch of Debian's own")]
    assert [e.version for e in parse(TEXT)] == ["6.12.7-1~deb12u1", "6.12.7-1", "6.12.5-1"]
    assert Change("net: something else", "6.12.7") in parse(TEXT)[1].changes


@pytest.mark.parametrize("old, new", [("6.12.5-1~bpo12+1", "6.12.7-1"), ("6.12.5-1", "6.12.7-1~deb12u1"),
                                      ("6.12.5-1~bpo12+1", "6.12.7-1~bpo12+1")])
def test_a_rebuild_counts_as_its_source(old: str, new: str) -> None:
    assert target_changes(old, new) == target_changes("6.12.5-1", "6.12.7-1")


def test_the_ends_are_old_excluded_new_included() -> None:
    assert [e.version for e in between(parse(TEXT), "6.12.4-1", "6.12.5-1")] == ["6.12.5-1"]
    assert between(parse(TEXT), "6.12.7-1~bpo12+1", "6.12.7-1") == []
    assert source_version("6.12.90-2~bpo12+1") == "6.12.90-2"
    assert source_version("7.3~rc7-1~exp1") == "7.3~rc7-1~exp1"


@pytest.mark.parametrize("subject", [
    "scsi: target: core: x", "scsi: target/iblock: x", "target: x", "scsi: tcm_loop: x", "scsi: target: tcm_loop: x",
    "scsi: firewire: sbp-target: x", "[x86] scsi: target: x", 'Revert "scsi: target: x"', "scsi: target: tcmu: x"])
def test_subjects_of_drivers_target(subject: str) -> None:
    assert Change(subject, "").concerns_target


@pytest.mark.parametrize("subject", [
    "scsi: qla2xxx: target: x", "scsi: qla2xxx: tcm_qla2xxx: x", "md: dm-zoned-target: x", "nvme: target: rdma: x",
    "net: loopback: x", "scsi: core: Avoid printing an error if target_alloc() returns", "usb: gadget: f_tcm: x",
    "drivers/nvme/target: x", "scsi: iscsi: target: x", "scsi: mpt3sas: Send a diag reset if target reset fails",
    "[s390x] scsi: zfcp: missing target", "targets: x"])
def test_subjects_that_only_look_like_it(subject: str) -> None:
    assert not Change(subject, "").concerns_target


def keep(store: Store, version: str, data: bytes) -> Path:
    file = store.root / "changelogs" / f"{version}.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def test_a_kept_changelog_of_a_later_version_serves_without_apt(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, "6.12.7-1", gzip.compress(TEXT.encode()))
    assert len(changelog("6.12.5-1~bpo12+1", store, etc=tmp_path)) == 3
    with pytest.raises(LabError):  # no entry of that version, and no apt to ask
        changelog("6.12.6-1", store, etc=tmp_path)
    with pytest.raises(LabError):  # older than what was asked for
        changelog("6.12.9-1", store, etc=tmp_path)


def test_a_changelog_that_is_cut_off_does_not_serve_an_older_beginning(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, "6.12.7-1", gzip.compress(TEXT.encode()))
    assert changelog("6.12.7-1", store, since="6.12.5-1~bpo12+1", etc=tmp_path)
    with pytest.raises(LabError):
        changelog("6.12.7-1", store, since="6.12.3-1", etc=tmp_path)


def test_a_damaged_kept_changelog_is_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = keep(store, "6.12.7-1", gzip.compress(TEXT.encode())[:-20])
    with pytest.raises(LabError):
        changelog("6.12.7-1", store, etc=tmp_path)
    assert not file.exists()


@pytest.mark.network
@pytest.mark.parametrize("version, subject, upstream", [
    ("5.10.251-5", "scsi: target: Do not write NUL characters into ASCII configfs output", "5.10.248"),
    ("6.1.176-1", "scsi: target: core: Fix integer overflow in UNMAP bounds check (CVE-2026-53021)",
     "6.1.175"),
    ("6.12.69-1~bpo12+1", "scsi: target: tcm_loop: Fix segfault in tcm_loop_tpg_address_show()", "6.12.60"),
    ("7.3.4-1~bpo13+1", "", "")])
def test_the_real_changelog(version: str, subject: str, upstream: str) -> None:
    entries = changelog(version, Store.default())
    assert source_version(version) in [source_version(entry.version) for entry in entries]
    if subject:
        assert Change(subject, upstream) in [c for entry in entries for c in entry.changes]
