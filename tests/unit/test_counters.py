"""Coverage counters on their way from debugfs to the run directory: nothing that goes wrong changes a verdict."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from pathlib import Path

import pytest

from lab.guest import coverage
from lab.guest.observation import Refused
from lab.report.result import Outcome, Result
from lab.run import counters, runner
from lab.run.plan import load_plan
from lab.run.runner import run
from lab.run.verdict import verdict
from tests.unit.fake_guest import Answer, FakeGuests, Script, error, gone, plan, reply, silent

OBJECT = "/build/drivers/target/target_core_alua.gcda"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_GRACE_S", "_PING_S", "_SETUP_S", "_TEARDOWN_S", "_LEAKS_S", "_DIAGNOSE_S"):
        monkeypatch.setattr(runner, name, 0.3)
    monkeypatch.setattr(counters, "_DEADLINE_S", 0.3)


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def covered(message: Answer) -> Answer:
    """An agent that answers in two parts."""
    files = {OBJECT: packed(b"one")} if message.get("after") == "" else {f"{OBJECT[:-5]}2.gcda": packed(b"two")}
    return {"id": message["id"], "reply": {} if message.get("reset") else {"files": files,
                                                                           "more": message["after"] == ""}}


def one_run(tmp_path: Path, script: Script, *, wanted: bool = True) -> Result:
    one = dataclasses.replace(plan(), coverage=wanted)
    one.save(tmp_path)
    run(one, FakeGuests({"coverage": covered, **script}), tmp_path, lambda: False)
    return verdict(tmp_path)


def kept(tmp_path: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in counters.read(tmp_path / "artifacts/coverage").items()}


BOTH = {OBJECT: b"one", f"{OBJECT[:-5]}2.gcda": b"two"}


def test_a_run_keeps_its_counters(tmp_path: Path) -> None:
    result = one_run(tmp_path, {})
    assert (result.outcome, result.notes) == (Outcome.PASS, [])
    assert kept(tmp_path) == BOTH
    assert load_plan(tmp_path).coverage


def test_without_the_wish_nothing_is_asked(tmp_path: Path) -> None:
    assert one_run(tmp_path, {"coverage": error("asked")}, wanted=False).notes == []
    assert not (tmp_path / "artifacts").exists()


@pytest.mark.parametrize("script", [{"step": reply(ok=False, problem="no", seconds=0.1)}, {"setup": reply(ok=False)},
                                    {"step": silent}])
def test_a_failed_run_keeps_its_counters(tmp_path: Path, script: Script) -> None:
    assert one_run(tmp_path, script).outcome is Outcome.FAIL
    assert kept(tmp_path) == BOTH


def test_the_counters_are_reset_before_the_setup(tmp_path: Path) -> None:
    guests = FakeGuests({"coverage": covered})
    one = dataclasses.replace(plan(), coverage=True)
    one.save(tmp_path)
    run(one, guests, tmp_path, lambda: False)
    assert guests.ops == ["coverage", "setup", "step", "step", "teardown", "leaks", "coverage", "coverage"]


@pytest.mark.parametrize(("script", "says"), [
    ({"coverage": error("no gcov")}, "no gcov"),
    ({"coverage": silent}, "no reply to coverage"),
    ({"step": silent, "ping": silent}, "does not answer any more"),
    ({"step": gone}, "the guest was lost"),
    ({"coverage": reply(files=[], more=False)}, "are none"),
    ({"coverage": reply(files={}, more=True)}, "are none"),
    ({"coverage": reply(files={OBJECT: "x"}, more=False)}, "damaged"),
    ({"coverage": reply(files={OBJECT: packed(b"long")[:8]}, more=False)}, "cut off"),
    ({"coverage": reply(files={OBJECT: packed(bytes(65 << 20))}, more=False)}, "cut off or longer"),
    ({"coverage": reply(files={"/../../etc/x.gcda": packed(b"")}, more=False)}, "counters of '/../"),
    ({"coverage": reply(files={"/etc/passwd": packed(b"")}, more=False)}, "counters of '/etc"),
])
def test_what_cannot_be_had_is_a_note_and_the_verdict_stays(tmp_path: Path, script: Script, says: str) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    result = one_run(tmp_path / "with", script)
    assert [says in note for note in result.notes] == [True], result.notes
    assert kept(tmp_path / "with") == {}
    assert result.outcome is one_run(tmp_path / "without", script, wanted=False).outcome


def test_a_plan_of_before_is_still_read(tmp_path: Path) -> None:
    plan().save(tmp_path)
    data = json.loads((tmp_path / "plan.json").read_text())
    del data["coverage"]
    (tmp_path / "plan.json").write_text(json.dumps(data))
    assert load_plan(tmp_path).coverage is False


def debugfs(tmp_path: Path) -> Path:
    for name in ("b/drivers/target/x.gcda", "b/drivers/target/loopback/y.gcda", "b/drivers/scsi/z.gcda",
                 "b/drivers/target/x.gcno"):
        path = tmp_path / "gcov" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def test_the_guest_reads_the_target_alone_and_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = debugfs(tmp_path)
    assert set(coverage.counters("", fake)["files"]) == {"/b/drivers/target/loopback/y.gcda",
                                                         "/b/drivers/target/x.gcda"}
    monkeypatch.setattr(coverage, "REPLY_BYTES", 1)
    first = coverage.counters("", fake)
    assert (list(first["files"]), first["more"]) == (["/b/drivers/target/loopback/y.gcda"], True)
    second = coverage.counters(max(first["files"]), fake)
    assert (list(second["files"]), second["more"]) == (["/b/drivers/target/x.gcda"], False)


def test_the_guest_resets(tmp_path: Path) -> None:
    coverage.reset(debugfs(tmp_path))
    assert (tmp_path / "gcov/reset").read_text() == "1"


def test_a_kernel_without_gcov_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="CONFIG_GCOV_KERNEL"):
        coverage.counters("", tmp_path / "none")
