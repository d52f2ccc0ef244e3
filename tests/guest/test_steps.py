"""Drivers that need no kernel, and the contract between the host's types and the guest's drivers."""

from __future__ import annotations

import errno
import inspect
import os
import threading
import time
from pathlib import Path

import pytest

from lab.guest import agent, configfs, faults_dm, faults_file, io, sg  # noqa: F401  (agent registers every driver)
from lab.guest.blockdev import Device
from lab.guest.injection import FAULTS, lacking
from lab.guest.kmsg import KernelLog
from lab.guest.ledger import Ledger
from lab.guest.lio import Backstore, Target
from lab.guest.modules import ALWAYS, MODULES_OF_TYPE
from lab.guest.observation import Refused, errno_name
from lab.guest.registry import DRIVERS, carry_out
from lab.guest.session import Session
from lab.guest.settings import change
from lab.scenario import faults, needs, objects, steps


@pytest.fixture
def session(tree, tmp_path: Path) -> Session:
    made = Session({}, "0123456789abcdef", 7, root=tree.root, work=tmp_path / "work", log=KernelLog("/nonexistent"))
    made.backstores["disk"] = Backstore("disk", {"type": "ramdisk"}, "core/rd_mcp_0/disk")
    made.targets["main"] = Target("main", "naa.1", 1, "naa.2", {0: "disk", 5: "disk"}, None)
    return made


def do(session: Session, word: str, timeout_s: float = 5.0, **arguments: object) -> dict:
    return carry_out(session, word, arguments, time.monotonic() + timeout_s)


def test_every_word_has_a_driver_with_the_fields_of_its_type() -> None:
    assert set(DRIVERS) == set(steps.WORDS)
    for word, driver in DRIVERS.items():
        kind = steps.Step.model_fields[word].annotation.__args__[0]
        names = {field.alias or name for name, field in kind.model_fields.items()}
        parameters = inspect.signature(driver).parameters
        taken = {name for name, one in parameters.items() if one.kind is not one.VAR_KEYWORD} - {"session", "deadline"}
        # `**given`: what only one suite reads is handed on to its module.
        assert taken == names if len(taken) + 2 == len(parameters) else taken < names, word


def test_modules_agree_with_the_host() -> None:
    assert dict(MODULES_OF_TYPE) == objects.MODULES_OF_TYPE
    assert ALWAYS == needs.ALWAYS


def test_errno_names_are_those_of_the_language() -> None:
    from lab.scenario.expect import Errno
    for name in Errno.__args__:
        assert errno_name(getattr(errno, name)) == name


def test_configfs_verbs(session, tree) -> None:
    tree.mkdir(tree.root / "loopback")
    tree.mkdir(tree.root / "loopback/naa.1")
    tree.mkdir(tree.root / "loopback/naa.1/tpgt_1")
    assert do(session, "configfs", write="{main}/nexus", value="naa.5", value_repeat=2)["ok"]
    seen = do(session, "configfs", read="{target}/nexus")
    assert (seen["text"], seen["received"], seen["data"]) == ("naa.5naa.5", 10, b"naa.5naa.5".hex())
    assert do(session, "configfs", write="{target}/nexus", value_hex="00ff")["ok"]
    assert do(session, "configfs", mkdir="{disk}") ["errno"] == "ENOENT"
    assert do(session, "configfs", mkdir="core/x")["ok"]
    assert do(session, "configfs", mkdir="core/x")["errno"] == "EEXIST"
    assert do(session, "configfs", link="core/x/y", to="{main}")["ok"]
    assert do(session, "configfs", unlink="core/x/y")["ok"]
    assert do(session, "configfs", read="{nobody}/x")["problem"] == "there is no target 'nobody'"
    assert "not below" in do(session, "configfs", read="../../etc/passwd")["problem"]


def test_a_short_write_is_not_silent(session, tree, monkeypatch) -> None:
    (tree.root / "file").write_text("")
    monkeypatch.setattr("lab.guest.configfs.os.write", lambda fd, data: len(data) - 1)
    assert do(session, "configfs", write="file", value="abc")["errno"] == "EFBIG"


def test_names_of_luns(session) -> None:
    assert session.lun("main/5")[1] == 5 and session.lun("disk")[1] == 0 and session.lun("target/0")[1] == 0
    for reference in ("main/1", "nobody"):
        with pytest.raises(Refused) as caught:
            session.lun(reference)
        assert caught.value.facts["errno"] == "ENODEV"


def test_wait_for_a_file(session, tree) -> None:
    path = tree.root / "state"
    threading.Timer(0.1, path.write_text, ["going\n"]).start()
    assert do(session, "wait_for", configfs="state", match="^go")["text"] == "going"
    threading.Timer(0.1, path.unlink).start()
    assert do(session, "wait_for", configfs="state", exists=False)["ok"]
    late = do(session, "wait_for", 0.1, configfs="state", equals="x")
    assert (late["ok"], late["errno"]) == (False, "ETIMEDOUT") and "ENOENT" in late["problem"]


def test_background_and_join(session) -> None:
    step = {"sleep": {"time": 0.1}, "write": None, "name": None, "expect": None, "timeout": 5.0}
    assert do(session, "background", name="a", step=step)["ok"]
    assert "already" in do(session, "background", name="a", step=step)["problem"]
    joined = do(session, "join", name="a")
    assert joined["ok"] and joined["seconds"] > 0
    assert "no background step" in do(session, "join", name="b")["problem"]


def test_join_has_a_deadline(session) -> None:
    do(session, "background", name="a", step={"sleep": {"time": 30.0}, "timeout": 60.0})
    assert do(session, "join", 0.1, name="a")["errno"] == "ETIMEDOUT"
    session.stopping.set()
    session.background["a"].thread.join(5)
    assert not session.background["a"].thread.is_alive()


def test_run(session) -> None:
    assert do(session, "run", argv=["cat"], stdin="hello")["text"] == "hello"
    slow = do(session, "run", argv=["sh", "-c", "sleep 0.5; cat"], stdin="hello")  # longer than one look at `stopping`
    assert slow["text"] == "hello"
    seen = do(session, "run", argv=["false"])
    assert (seen["ok"], seen["exit"]) == (False, 1)
    assert do(session, "run", argv=["no-such-program"])["errno"] == "ENOENT"
    assert do(session, "run", 0.2, argv=["sleep", "60"])["errno"] == "ETIMEDOUT"


def test_a_dm_table_with_holes(monkeypatch) -> None:
    monkeypatch.setattr("lab.guest.blockdev.numbers", lambda node: "1:0")
    assert faults_dm.with_errors("/dev/ram0", 100, [(10, 19), (50, 50)]) == [
        (0, 10, "linear", "1:0 0"), (10, 10, "error", ""), (20, 30, "linear", "1:0 20"), (50, 1, "error", ""),
        (51, 49, "linear", "1:0 51")]
    assert faults_dm.with_errors("/dev/ram0", 100, None) == [(0, 100, "error", "")]
    assert faults_dm.with_errors("/dev/ram0", 100, [(0, 0), (99, 99)])[-1] == (99, 1, "error", "")
    for bad, words in (([(100, 100)], "beyond the end"), ([(1, 5), (5, 6)], "overlap")):
        with pytest.raises(Refused, match=words):
            faults_dm.with_errors("/dev/ram0", 100, bad)


def test_a_fault_needs_a_dm_device(session) -> None:
    assert "no dm device" in do(session, "inject", fault="dm-suspend", on="disk")["problem"]
    assert "is not on" in do(session, "clear", fault="dm-suspend", on="disk")["problem"]


def test_every_fault_of_the_language_can_be_injected() -> None:
    assert set(FAULTS) == set(faults.FAULTS) == set(faults.FaultName.__args__)


@pytest.fixture
def mapped(session, monkeypatch) -> list[list[tuple]]:
    """The backstore lies on a dm device, whose tables are kept."""
    tables: list[list[tuple]] = []
    monkeypatch.setattr("lab.guest.blockdev.numbers", lambda node: "1:0")
    monkeypatch.setattr("lab.guest.dm.load", lambda name, rows: tables.append(rows))
    monkeypatch.setattr("lab.guest.dm.suspend", lambda name: tables.append("suspended"))
    session.backstores["disk"].device = Device("/dev/dm-0", 100 * 512, mapping="lab_disk", base="/dev/ram0")
    return tables


@pytest.mark.parametrize(("given", "row"), [
    ({"fault": "dm-flakey"}, (0, 100, "flakey", "1:0 0 0 1")),
    ({"fault": "dm-flakey", "mode": "drop_writes", "up": 2.0, "down": 3.0},
     (0, 100, "flakey", "1:0 0 2 3 1 drop_writes")),
    ({"fault": "dm-flakey", "mode": "corrupt_reads", "byte": 32},
     (0, 100, "flakey", "1:0 0 0 1 5 corrupt_bio_byte 32 r 90 0")),
    ({"fault": "dm-delay", "delay": 0.5}, (0, 100, "delay", "1:0 0 500 1:0 0 500")),
    ({"fault": "dm-delay", "delay": 0.5, "only": "reads"}, (0, 100, "delay", "1:0 0 500 1:0 0 0")),
    ({"fault": "dm-delay", "delay": 0.5, "only": "writes"}, (0, 100, "delay", "1:0 0 0 1:0 0 500")),
])
def test_tables_of_faults(session, mapped, given: dict, row: tuple) -> None:
    assert do(session, "inject", on="disk", **given)["ok"]
    assert mapped == [[row]]
    assert "already on for disk" in do(session, "inject", on="disk", **given)["problem"]
    assert "clear it first" in do(session, "inject", on="disk", fault="dm-error")["problem"]
    assert do(session, "inject", on="disk", fault="dm-suspend")["ok"] and mapped[1:] == ["suspended"]
    assert do(session, "clear", on="disk", fault="dm-suspend")["ok"] and mapped[2:] == [[row]]
    assert do(session, "clear", on="disk", fault=given["fault"])["ok"]
    assert mapped[3:] == [[(0, 100, "linear", "1:0 0")]] and not session.faults


def test_what_a_kernel_lacks_for_a_fault_is_found_wherever_it_is_injected(session, mapped, monkeypatch) -> None:
    def refuse(name: str, rows: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument", name)
    monkeypatch.setattr("lab.guest.dm.create", refuse)
    step = {"inject": {"fault": "dm-flakey", "on": "disk", "mode": "error_reads", "sectors": None}}
    for steps_ in ([step], [{"background": {"name": "a", "step": step}}], [step, step]):
        assert lacking({"steps": steps_}, session.backstores) == [
            "device mapper does not take dm-flakey error_reads: EINVAL"]


def test_settings_are_put_back_in_reverse_also_after_half_of_them(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one, two):
        path.write_text("0x0\n")
    undo = change([(one, "a   "), (two, "b   ")])
    assert (one.read_text(), two.read_text()) == ("a   ", "b   ")
    undo()
    assert one.read_text().startswith("0x0") and two.read_text().startswith("0x0")
    with pytest.raises(OSError, match="No such file"):
        change([(one, "c   "), (tmp_path / "missing", "d")])
    assert one.read_text().startswith("0x0")


def test_a_file_is_cut_and_has_its_size_again(session, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"x" * 4096)
    session.backstores["disk"].file = path
    assert do(session, "inject", fault="truncate", on="disk", keep=1024)["ok"]
    assert path.stat().st_size == 1024
    assert session.teardown(time.monotonic() + 5) == []  # undoes what no step cleared
    assert path.read_bytes() == b"x" * 1024 + bytes(3072) and not session.faults


class FakeDisk:
    """A LUN's disk that is a plain file."""

    def __init__(self, path: Path, size: int) -> None:
        self.node, self.block_size, self.timeout_s = str(path), size, 30


@pytest.fixture
def disk(session, tmp_path: Path, monkeypatch) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(256 * 512))
    session.backstores["disk"].ledger = Ledger("disk", 7, 256, 512)
    monkeypatch.setattr(Session, "disk", lambda self, lun: FakeDisk(path, 512))
    monkeypatch.setattr(io.os, "O_DIRECT", 0)
    return path


@pytest.mark.parametrize("depth", [1, 4])
def test_write_and_verify(session, disk: Path, depth: int) -> None:
    assert do(session, "write", lun="disk", depth=depth, transfer=7) == {"ok": True, "blocks": {"new": 256}}
    assert do(session, "verify", lun="disk", transfer=10)["blocks"] == {"new": 256}
    assert do(session, "write", lun="disk", blocks=[[3, 5], [9, 9]])["blocks"] == {"new": 4}
    assert do(session, "verify", lun="disk") == {"ok": True, "blocks": {"new": 256}}


def test_verify_finds_what_changed(session, disk: Path) -> None:
    do(session, "write", lun="disk")
    with open(disk, "r+b") as file:
        file.seek(9 * 512 + 100)
        file.write(b"!")
    seen = do(session, "verify", lun="disk")
    assert not seen["ok"] and seen["blocks"] == {"new": 255, "torn": 1} and seen["problem"].startswith("block 9: ")
    assert do(session, "verify", lun="disk", allow_changed=[[9, 9]])["blocks"] == {"new": 255, "changed": 1}


def test_verify_of_nothing_is_no_success(session, disk: Path) -> None:
    seen = do(session, "verify", lun="disk", allow_changed=[[0, 255]])
    assert not seen["ok"] and "nothing was verified" in seen["problem"]


def test_blocks_beyond_the_end(session, disk: Path) -> None:
    assert "beyond the end" in do(session, "write", lun="disk", blocks=[[0, 256]])["problem"]


def test_failed_transfers_are_named_and_the_rest_goes_on(session, disk: Path, monkeypatch) -> None:
    real_write, real_read, bad = os.pwritev, os.preadv, range(20 * 512, 22 * 512)

    def hit(buffers: list, offset: int) -> bool:
        return offset < bad.stop and offset + sum(map(len, buffers)) > bad.start

    def pwritev(fd: int, buffers: list, offset: int) -> int:
        if hit(buffers, offset):
            raise OSError(errno.EIO, "Input/output error")
        return real_write(fd, buffers, offset)

    def preadv(fd: int, buffers: list, offset: int) -> int:
        if hit(buffers, offset):
            raise OSError(errno.EIO, "Input/output error")
        return real_read(fd, buffers, offset)

    monkeypatch.setattr(io.os, "pwritev", pwritev)
    seen = do(session, "write", lun="disk", transfer=8)
    assert (seen["ok"], seen["errno"], seen["blocks"]) == (False, "EIO", {"new": 248, "failed": 8})
    assert seen["problem"].startswith("write of blocks 16-23: EIO")
    monkeypatch.setattr(io.os, "preadv", preadv)
    seen = do(session, "verify", lun="disk")
    assert seen["blocks"] == {"new": 248, "unreadable": 2, "old": 6} and seen["errno"] == "EIO"
    assert [bad["lba"] for bad in seen["first_bad"]] == [20, 21]
    monkeypatch.setattr(io.os, "preadv", real_read)
    assert do(session, "verify", lun="disk")["ok"]


def test_a_disk_that_is_gone_is_not_asked_again_and_again(session, disk: Path, monkeypatch) -> None:
    calls: list[int] = []

    def pwritev(fd: int, buffers: list, offset: int) -> int:
        calls.append(offset)
        raise OSError(errno.ENXIO, "No such device or address")
    monkeypatch.setattr(io.os, "pwritev", pwritev)
    assert do(session, "write", lun="disk", transfer=1)["errno"] == "ENXIO" and len(calls) == 1


def test_the_sg_header_is_that_of_a_64_bit_kernel() -> None:
    assert sg._HEADER.size == 88


def test_a_stall_that_was_none_is_told(session, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr("lab.guest.faults_system.os.sched_setscheduler", refuse)
    assert do(session, "inject", fault="cpu-stall", time=0.1)["ok"]
    assert "was not kept busy" in do(session, "clear", fault="cpu-stall")["problem"]


def test_a_stall_ends_and_memory_is_given_back(session, monkeypatch) -> None:
    monkeypatch.setattr("lab.guest.faults_system.os.sched_setscheduler", lambda *_: None)
    assert do(session, "inject", fault="cpu-stall", time=0.1)["ok"]
    assert do(session, "clear", fault="cpu-stall")["ok"]
    left = iter([100 << 20, 99 << 20, 97 << 20])
    monkeypatch.setattr("lab.guest.faults_system.available", lambda: next(left))
    assert do(session, "inject", fault="memory-pressure", leave=96 << 20)["ok"]
    assert next(left, None) is None
    assert do(session, "clear", fault="memory-pressure")["ok"]
def part(word: str, *, may_fail: bool = False, **arguments: object) -> dict:
    return {word: arguments, "timeout_s": 5.0, "must_succeed": not may_fail}


def test_parallel_steps_run_together_and_all_are_told(session) -> None:
    steps = [part("sleep", time=0.3), part("sleep", time=0.3), part("configfs", read="nothing")]
    seen = do(session, "parallel", steps=steps)
    assert not seen["ok"] and [p["ok"] for p in seen["parts"]] == [True, True, False]
    assert seen["parts"][2]["errno"] == "ENOENT"
    started = time.monotonic()
    assert do(session, "parallel", steps=steps[:2])["ok"]
    assert time.monotonic() - started < 0.55


def test_a_part_that_does_not_end_is_told_at_the_deadline(session) -> None:
    seen = do(session, "parallel", 0.2, steps=[part("sleep", time=30.0), part("sleep", time=0.01)])
    assert [p["ok"] for p in seen["parts"]] == [False, True]
    assert seen["parts"][0]["errno"] == "ETIMEDOUT"
    session.stopping.set()


def test_rounds_that_are_alike_are_told_once(session, tree) -> None:
    (tree.root / "file").write_text("x")
    seen = do(session, "repeat", times=5, steps=[part("configfs", read="file"), part("sleep", time=0.0)])
    assert seen["ok"] and [(r["first"], r["last"], len(r["parts"])) for r in seen["rounds"]] == [(1, 5, 2)]


def test_rounds_end_with_a_failure_that_nobody_expects(session, tree) -> None:
    steps = [part("configfs", mkdir="core/x"), part("sleep", time=0.0)]
    seen = do(session, "repeat", times=5, steps=steps)
    assert [(r["first"], r["last"], len(r["parts"])) for r in seen["rounds"]] == [(1, 1, 2), (2, 2, 1)]
    assert not seen["ok"] and seen["rounds"][1]["parts"][0]["errno"] == "EEXIST"
    steps[0]["must_succeed"] = False
    seen = do(session, "repeat", times=5, steps=steps)
    assert [(r["first"], r["last"], len(r["parts"])) for r in seen["rounds"]] == [(1, 5, 2)]


def test_rounds_that_take_too_long_are_counted(session) -> None:
    seen = do(session, "repeat", 0.2, times=1000, steps=[part("sleep", time=0.05)])
    assert seen["errno"] == "ETIMEDOUT" and "of 1000 rounds" in seen["problem"] and seen["rounds"][0]["last"] < 100


def test_steps_nest(session, tree) -> None:
    (tree.root / "file").write_text("x")
    inner = part("repeat", times=2, steps=[part("configfs", read="file")])
    seen = do(session, "repeat", times=3, steps=[part("parallel", steps=[inner, inner])])
    assert seen["rounds"][0]["last"] == 3
    assert seen["rounds"][0]["parts"][0]["parts"][1]["rounds"][0]["last"] == 2


def test_what_disturbs_is_the_same_for_host_and_guest() -> None:
    from lab.guest import stress
    from lab.scenario import stress_steps
    assert stress.DISTURBING == stress_steps.DISTURBING
