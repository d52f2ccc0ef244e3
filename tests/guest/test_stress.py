"""`stress`: what is drawn, and what is told of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.guest import agent, kmsg, stress  # noqa: F401  (agent registers every driver)
from lab.guest.draw import Draw, Ground
from lab.guest.kmsg import KernelLog
from lab.guest.registry import DRIVERS, carry_out
from lab.guest.session import Session
from lab.scenario.steps import Step

GROUND = Ground({"a/0": 64, "disk": 1000}, [("a", 0, "disk"), ("b", 3, "other")], ["disk"])
ALL = dict.fromkeys(("write", "read", "verify", "scsi", "configfs", "reset", "lun", "fault"), 1)


def drawn(seed: int, worker: int, number: int = 300) -> list[tuple[str, list[dict]]]:
    draw = Draw(seed, worker, 4, ALL, GROUND)
    return [draw.next() for _ in range(number)]


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(1, 0) == drawn(1, 0)
    assert drawn(1, 0) != drawn(2, 0) and drawn(1, 0) != drawn(1, 1)
    assert {kind for kind, _ in drawn(1, 0)} == set(ALL)


def test_what_is_drawn_is_a_step_of_the_language() -> None:
    for _, steps in drawn(3, 2):
        for step in steps:
            if "blocks" in (arguments := next(iter(step.values()))) and isinstance(arguments["blocks"], list):
                arguments["blocks"] = [f"{a}-{b}" for a, b in arguments["blocks"]]
            if "sleep" in step:
                arguments["time"] = f"{arguments['time']}s"
            from lab.scenario.units import WRITTEN
            Step.model_validate(step, context=WRITTEN)


def test_each_worker_writes_to_a_part_of_its_own() -> None:
    for worker in range(4):
        for _, ((step, *_)) in drawn(5, worker):
            for word in ("write", "verify"):
                if word in step:
                    first, last = step[word]["blocks"][0]
                    share = GROUND.luns[step[word]["lun"]] // 4
                    assert worker * share <= first <= last < (worker + 1) * share


@pytest.fixture
def session(tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    class Books:
        blocks = 64
    made = Session({}, "0123456789abcdef", 7, root=tree.root, work=tmp_path, log=KernelLog("/nonexistent"))
    monkeypatch.setattr(made, "ledger", lambda reference: Books())
    return made


def run(session: Session, monkeypatch: pytest.MonkeyPatch, answers: dict, **operations: int) -> tuple[dict, list[str]]:
    said: list[str] = []
    monkeypatch.setattr(kmsg, "write", said.append)
    for word, answer in answers.items():
        monkeypatch.setitem(DRIVERS, word, lambda *_, answer=answer, **__: time.sleep(0.01) or answer)
    return carry_out(session, "stress", {"time": 0.2, "workers": 2, "luns": ["disk"], "operations": operations},
                     time.monotonic() + 5), said


def test_operations_are_counted_and_said_before_they_begin(session, monkeypatch) -> None:
    seen, said = run(session, monkeypatch, {"read": {"ok": True}}, read=1)
    assert seen["ok"] and seen["counts"]["read"] == len(said) >= 2 and not seen["failed"]
    assert said[0].startswith('lab: 0123456789abcdef stress ') and '{"read": {"lun": "disk"' in said[0]


def test_failures_and_wrong_data_are_told(session, monkeypatch) -> None:
    lost = {"ok": False, "blocks": {"lost": 1}, "first_bad": [{"lba": 3, "found": "zeros"}], "problem": "block 3"}
    seen, _ = run(session, monkeypatch, {"verify": lost}, verify=1)
    assert seen["first_bad"][0] == {"lun": "disk", "lba": 3, "found": "zeros"}
    seen, _ = run(session, monkeypatch, {"write": {"ok": False, "errno": "EIO", "problem": "no"}}, write=1)
    assert not seen["first_bad"] and seen["failed"][0].endswith(": no") and seen["counts"]["write failed"] >= 2
    seen, _ = run(session, monkeypatch, {"scsi": {"ok": False, "status": 2, "host_status": 0}}, scsi=1)
    assert not seen["failed"]


def test_a_fault_needs_a_device(session, monkeypatch) -> None:
    seen, _ = run(session, monkeypatch, {}, fault=1)
    assert "no fault to inject" in seen["problem"]
