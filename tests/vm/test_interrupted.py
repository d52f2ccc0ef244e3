"""Ctrl-C, SIGTERM, and impatience: what is known is written down, and no QEMU outlives its lab."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lab.cli.host import Ready
from lab.kernels.store import Store
from tests.command import Lab, Running, assert_no_qemu
from tests.junit_schema import errors_of
from tests.vm.scripts import passing, sleeping

pytestmark = pytest.mark.vm


def in_the_long_step(lab: Lab, folder: Path) -> Running:
    """A session of three, one after the other: the first has passed, the second sleeps, the third waits."""
    files = [passing(folder, "a-done"), sleeping(folder, "b-sleeps"), passing(folder, "c-waits")]
    running = lab.start("run", *files, "-j", "1")
    latest = running.results / "latest"
    running.until(lambda: any('"index": 1' in p.read_text() for p in latest.glob("*/b-sleeps/events.jsonl")),
                  "the second step")
    return running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once(lab: Lab, prepared: Ready, tmp_path: Path, number: signal.Signals) -> None:
    running = in_the_long_step(lab, tmp_path)
    running.signal(number)
    ran = running.wait(60)
    assert_no_qemu(tmp_path)
    assert ran.status == 130, ran.said
    assert ran.outcomes() == {"a-done": "pass", "b-sleeps": "error", "c-waits": "skip"}
    assert errors_of((ran.session / "junit.xml").read_text()) == []
    reason, = ran.result("b-sleeps")["reasons"]
    assert reason["text"] == "interrupted while it ran"
    assert ran.result("b-sleeps")["steps"][0]["checks"][0]["ok"] is True, "what is known is kept"
    assert "interrupted before it ran" in ran.stdout
    assert "stopping: what is known is written down" in ran.stderr
    assert "Traceback" not in ran.said


def test_twice_ends_at_once(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    running = in_the_long_step(lab, tmp_path)
    running.child.send_signal(signal.SIGSTOP)  # so that both signals are there when it goes on
    running.signal(signal.SIGINT)
    running.signal(signal.SIGTERM)
    running.child.send_signal(signal.SIGCONT)
    ran = running.wait(60)
    assert_no_qemu(tmp_path)
    assert ran.status in (130, 143), ran.said  # which of the two comes first is the kernel's choice
    assert "Traceback" not in ran.said
    assert not (ran.session / "junit.xml").exists()
    assert (next(ran.session.glob("*/a-done")) / "result.json").exists(), "the first result was kept"


def test_while_the_kernel_boots_for_the_first_time(lab: Lab, cold_store: Path, tmp_path: Path) -> None:
    running = lab.start("run", passing(tmp_path, "good"), env={"LAB_STORE": str(cold_store)})
    running.until(lambda: any(p.stat().st_size for p in cold_store.glob("checkpoints/.making-*/*/console.log")),
                  "the kernel's first words")
    running.signal(signal.SIGINT)
    ran = running.wait(30)
    assert_no_qemu(tmp_path)
    assert ran.status == 130, ran.said
    assert ran.outcomes() == {"good": "error"}
    assert "Traceback" not in ran.said
    assert list((cold_store / "checkpoints").iterdir()) == []


def test_before_anything_runs(lab: Lab, tmp_path: Path) -> None:
    """While the lab waits for another one that holds a lock."""
    store = tmp_path / "store"
    with Store(store).lock("apt"):  # under which kernels are fetched
        running = lab.start("run", passing(tmp_path, "good"), env={"LAB_STORE": str(store)},
                            kernel="debian")
        running.until(lambda: "waiting for another lab" in running.said(), "the wait")
        running.signal(signal.SIGINT)
        ran = running.wait(30)
    assert ran.status == 130
    assert "Traceback" not in ran.said
    assert not ran.results.exists()
