"""LIO's objects against a fake configfs: order of making, teardown through to the end, what is not ours stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lab.guest.blockdev import Device
from lab.guest.lio import Backstore, Configuration, Target, serial
from lab.guest.observation import Refused, Skip


def ramdisk(name: str = "disk", **spec: object) -> Backstore:
    return Backstore(name, {"type": "ramdisk", "size": 1 << 20, **spec}, f"core/rd_mcp_0/{name}")


def target(**more: object) -> Target:
    return Target(**{"name": "target", "wwn": "naa.1", "tpgt": 1, "nexus": "naa.2", "luns": {0: "disk"},
                     "scsi_timeout_s": None, **more})


@pytest.fixture
def configuration(tree) -> Configuration:
    return Configuration(tree.root)


def test_a_backstore_is_configured_enabled_and_then_given_its_attributes(tree, configuration, monkeypatch) -> None:
    writes: list[tuple[str, str]] = []
    monkeypatch.setattr("lab.guest.configfs.write", lambda path, value: writes.append((path.name, value)))
    configuration.make_backstore(ramdisk(nullio=True, attributes={"emulate_tpu": 1}))
    assert writes == [("control", "rd_pages=256,rd_nullio=1"), ("enable", "1"), ("vpd_unit_serial", serial("disk")),
                      ("emulate_tpu", "1")]


def test_an_unknown_attribute_is_a_skip_and_a_refused_one_a_problem(tree, configuration, monkeypatch) -> None:
    with pytest.raises(Skip, match="no attribute emulate_magic"):
        configuration.make_backstore(ramdisk(attributes={"emulate_magic": 1}))

    def refuse(path: Path, value: str) -> None:
        if path.name == "emulate_tpu":
            raise OSError(errno.ENOSYS, "Function not implemented", str(path))
    monkeypatch.setattr("lab.guest.configfs.write", refuse)
    with pytest.raises(Refused, match="emulate_tpu=1: ENOSYS") as caught:
        configuration.make_backstore(ramdisk("other", attributes={"emulate_tpu": 1}))
    assert caught.value.facts["errno"] == "ENOSYS"


@pytest.mark.parametrize(("hba_mode", "expected"), [
    (False, [("control", "scsi_host_id=3,scsi_channel_id=0,scsi_target_id=1,scsi_lun_id=2")]),
    (True, [("hba_mode", "1"), ("control", "scsi_channel_id=0,scsi_target_id=1,scsi_lun_id=2")]),
])
def test_pscsi_is_told_the_address_of_its_disk_and_has_no_serial_of_ours(tree, configuration, monkeypatch, hba_mode,
                                                                         expected) -> None:
    writes: list[tuple[str, str]] = []
    monkeypatch.setattr("lab.guest.configfs.write", lambda path, value: writes.append((path.name, value)))
    monkeypatch.setattr("lab.guest.lio.scsi_address", lambda node: ["3", "0", "1", "2"])
    disk = Backstore("disk", {"type": "pscsi", "hba_mode": hba_mode}, "core/pscsi_3/disk", Device("/dev/sdz", 1 << 20))
    configuration.make_backstore(disk)
    assert writes == [*expected, ("udev_path", "/dev/sdz"), ("enable", "1")]


def test_the_nexus_is_written_before_a_lun_is_linked(tree, configuration) -> None:
    disk, where = ramdisk(), target()
    configuration.make_backstore(disk)
    configuration.make_target(where)
    configuration.link(where, 3, disk)
    assert (tree.root / where.path / "nexus").read_text() == "naa.2"
    assert os.path.realpath(tree.root / where.path / "lun/lun_3/disk") == str(tree.root / disk.path)
    configuration.unlink(where, 3)
    assert not (tree.root / where.path / "lun/lun_3").exists()


def test_a_link_that_is_refused_leaves_no_lun_directory(tree, configuration, monkeypatch) -> None:
    disk, where = ramdisk(), target()
    configuration.make_backstore(disk)
    configuration.make_target(where)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENODEV, "No such device", "link")
    monkeypatch.setattr("lab.guest.lio.os.symlink", refuse)
    with pytest.raises(OSError, match="No such device"):
        configuration.link(where, 0, disk)
    assert not (tree.root / where.path / "lun/lun_0").exists()


def full(tree, configuration) -> None:
    for name in ("disk", "other"):
        configuration.make_backstore(Backstore(name, {"type": "ramdisk", "size": 4096}, f"core/rd_mcp_{name}/{name}"))
    for tpgt in (1, 2):
        where = target(tpgt=tpgt)
        configuration.make_target(where)
        configuration.link(where, 0, Backstore("disk", {}, "core/rd_mcp_disk/disk"))
    for path in ("loopback/naa.9", "loopback/naa.9/tpgt_7"):  # what a hostile step made
        tree.mkdir(tree.root / path)


def test_teardown_removes_all_that_was_not_there_before(tree, configuration) -> None:
    full(tree, configuration)
    assert configuration.left()
    assert configuration.teardown() == []
    assert configuration.left() == [] and not (tree.root / "loopback").exists()
    assert configuration.teardown() == []


def test_teardown_goes_through_to_the_end_and_names_each_problem(tree, configuration) -> None:
    full(tree, configuration)
    tree.refuse = {"rmdir loopback/naa.1/tpgt_1": errno.EBUSY}
    problems = configuration.teardown()
    assert problems[0] == "rmdir loopback/naa.1/tpgt_1: EBUSY"
    assert "rmdir loopback/naa.1: ENOTEMPTY" in problems
    assert configuration.left() == ["loopback", "loopback/naa.1", "loopback/naa.1/tpgt_1"]
    tree.refuse = {}
    assert configuration.teardown() == []


def test_what_was_there_before_stays(tree) -> None:
    earlier = Configuration(tree.root)
    full(tree, earlier)
    configuration = Configuration(tree.root)
    where = target(wwn="naa.1", tpgt=5)
    configuration.make_target(where)
    assert configuration.teardown() == []
    assert not (tree.root / where.path).exists() and (tree.root / "loopback/naa.1/tpgt_1/lun/lun_0/disk").exists()


def test_a_target_is_removed_and_its_wwn_with_the_last_tpg(tree, configuration) -> None:
    full(tree, configuration)
    configuration.remove_target(target(tpgt=1))
    assert (tree.root / "loopback/naa.1/tpgt_2").exists()
    configuration.remove_target(target(tpgt=2))
    assert not (tree.root / "loopback/naa.1").exists()


def test_a_fabric_that_is_not_there_is_a_skip(tree, configuration) -> None:
    tree.refuse = {"mkdir loopback": errno.EINVAL}
    with pytest.raises(Skip, match="EINVAL .*tcm_loop"):
        configuration.make_target(target())
