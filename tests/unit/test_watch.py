"""lab.run.watch and lab.run.witness: a hang that only somebody's text reports is none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.kernels.checkers import cost_of
from lab.kernels.kernel import Kernel
from lab.machine.link import LinkTimeout
from lab.run import watch as watching
from lab.run import witness
from lab.run.plan import RunPlan
from lab.run.record import Recorder
from lab.run.watch import KernelEnded, Watch
from lab.run.witness import Said
from lab.scenario.expect import ScenarioExpect
from lab.wire import folded
from tests.unit.fake_guest import plan

HANG = b"[   60.000001] INFO: task fio:612 blocked for more than 45 seconds.\r\n"
HUNG = (60000001, folded("INFO: task fio:612 blocked for more than 45 seconds."))
FORGED = b"[   60.000001] BUG: KASAN: use-after-free in f+0x1/0x2\r\n[   60.000002] Kernel panic - not syncing: x\r\n"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def watch(tmp_path: Path, clock: list[float]) -> Watch:
    (tmp_path / "console.log").write_bytes(HANG)
    return Watch(plan(), tmp_path / "console.log", lambda: False)


def test_a_hang_that_the_kernel_reports_ends_the_wait_after_some_patience(watch: Watch, clock: list[float]) -> None:
    asked: list[list[Said]] = []
    watch.ask = asked.append
    watch()
    assert asked == [[HUNG]]
    clock[0] += 10
    with pytest.raises(LinkTimeout, match="the kernel reports: task hung"):
        watch()
    watch()  # it says so once


def test_a_hang_that_the_guest_denies_does_not(watch: Watch, clock: list[float]) -> None:
    watch()
    watch.denied([HUNG])
    clock[0] += 100
    watch()


def test_a_genuine_hang_beside_a_forged_line_does(watch: Watch, clock: list[float]) -> None:
    watch()
    watch.denied([(60000001, "another line"), (60000002, HUNG[1])])
    clock[0] += 100
    with pytest.raises(LinkTimeout):
        watch()


def test_a_kernel_that_has_ended_ends_the_wait(watch: Watch, clock: list[float]) -> None:
    watch.ended = lambda: True
    with pytest.raises(KernelEnded):
        watch()


class Agent:
    """A link to an agent that denies what it is told to."""

    def __init__(self, denies: set[int]) -> None:
        self.denies, self.asked = denies, list[list[Said]]()
        self.testimony: witness.Testimony | None = None

    def notify(self, op: str, *, lines: list[Said]) -> None:
        assert op == "confirm" and self.testimony is not None
        self.asked.append(lines)
        self.testimony.denied([(t, text) for t, text in lines if t in self.denies])

    def ping(self, *, deadline_s: float) -> bool:
        return True


def examined(tmp_path: Path, console: bytes, agent: Agent, of: RunPlan | None = None) -> list[Any]:
    """The records that are written down after an examination."""
    (tmp_path / "console.log").write_bytes(console)
    recorder = Recorder(tmp_path)
    agent.testimony = witness.Testimony(recorder, agent, tmp_path / "console.log", of or plan())  # type: ignore[arg-type]
    agent.testimony.examine(deadline_s=1)
    recorder.close()
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    return [record for line in lines if line["kind"] == "printed" for record in line["records"]]


def test_forged_reports_are_found_one_behind_the_other(tmp_path: Path) -> None:
    records = examined(tmp_path, FORGED, Agent({60000001, 60000002}))
    assert records == [[60000001, "BUG: KASAN: use-after-free in f+0x1/0x2"],
                       [60000002, "Kernel panic - not syncing: x"]]


def test_a_genuine_report_stays(tmp_path: Path) -> None:
    agent = Agent(set())
    assert examined(tmp_path, FORGED, agent) == []
    assert [t for t, _ in agent.asked[0]] == [60000001, 60000002]


def test_a_hang_that_is_looked_into_ends_no_question(watch: Watch, clock: list[float]) -> None:
    watch()
    watch.disarm()
    clock[0] += 100
    watch()


def test_what_must_come_is_asked_about_as_well(tmp_path: Path) -> None:
    required = plan().scenario.model_copy(update={"expect": ScenarioExpect.model_validate(
        {"kernel": {"require": [{"match": "ABORT_TASK", "reason": "a test"}]}})})
    console = b"[    1.000001] ABORT_TASK: Found referenced loopback task_tag: 7\r\n"
    assert examined(tmp_path, console, Agent({1000001}), replace(plan(), scenario=required)) != []
    assert examined(tmp_path, console, Agent({1000001})) == []


def test_a_clean_console_costs_no_question(tmp_path: Path) -> None:
    agent = Agent(set())
    assert examined(tmp_path, b"[    1.000000] all is well\r\n", agent) == []
    assert agent.asked == []


def test_what_user_space_wrote_is_written_down_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    testimony = witness.Testimony(recorder, Agent(set()), tmp_path / "console.log", plan())  # type: ignore[arg-type]
    for _ in range(2):
        testimony.printed([(7, "BUG: text")])
    recorder.close()
    assert (tmp_path / "events.jsonl").read_text().count("BUG: text") == 1


def test_a_kernels_ticks_are_in_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("CONFIG_HZ_250=y\nCONFIG_HZ=250\n")
    kernel = Kernel("k", "k", "6.1.0", tmp_path, None, config, "0" * 64)
    assert kernel.hz == 250
    assert replace(kernel, config=None).hz is None


def test_a_kernels_own_checkers_cost_time_and_memory(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("CONFIG_KASAN=y\nCONFIG_KASAN_GENERIC=y\nCONFIG_PROVE_LOCKING=y\n# CONFIG_KCSAN is not set\n")
    cost = cost_of(config)
    assert cost.checkers == ("KASAN_GENERIC", "PROVE_LOCKING")
    assert 2 < cost.slowdown <= 4 and cost.memory >= 2
    config.write_text("".join(f"CONFIG_{name}=y\n" for name in ("KASAN_GENERIC", "KMSAN", "KCSAN", "PROVE_LOCKING")))
    assert cost_of(config).slowdown == 4
    config.write_text("CONFIG_SCSI=y\n")
    assert cost_of(config) == cost_of(None) and cost_of(None).slowdown == 1
