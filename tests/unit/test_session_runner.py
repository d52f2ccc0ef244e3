"""lab.run.runner and lab.run.session: every run ends in exactly one result, whatever guests and agents do."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.machine.vm import BootFailed
from lab.report.result import Outcome, Result
from lab.run import runner, watch
from lab.run.session import Job, Session, folder_name, new_directory
from lab.run.verdict import verdict
from tests.unit.fake_guest import FakeGuests, error, gone, plan, reply, silent


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_GRACE_S", "_PING_S", "_SETUP_S", "_TEARDOWN_S", "_LEAKS_S", "_DIAGNOSE_S"):
        monkeypatch.setattr(runner, name, 0.3)


def one_run(tmp_path: Path, guests: FakeGuests, stop: Callable[[], bool] = lambda: False) -> Result:
    one = plan()
    one.save(tmp_path)
    runner.run(one, guests, tmp_path, stop)
    return verdict(tmp_path)


def raising(problem: Exception) -> Callable[[], None]:
    def act() -> None:
        raise problem
    return act


def test_a_run_that_goes_well(tmp_path: Path) -> None:
    guests = FakeGuests()
    result = one_run(tmp_path, guests)
    assert (result.outcome, result.origin) == (Outcome.PASS, "checkpoint")
    assert guests.ops == ["setup", "step", "step", "teardown", "leaks"]


@pytest.mark.parametrize("op", ["setup", "step", "teardown", "leaks"])
def test_an_agent_that_fails_is_our_error(tmp_path: Path, op: str) -> None:
    result = one_run(tmp_path, FakeGuests({op: error("the agent has a bug")}))
    assert result.outcome is Outcome.ERROR
    assert "the agent has a bug" in result.summary


@pytest.mark.parametrize("op", ["setup", "step", "teardown", "leaks"])
def test_an_agent_that_goes_away_is_our_error(tmp_path: Path, op: str) -> None:
    result = one_run(tmp_path, FakeGuests({op: gone}))
    assert result.outcome is Outcome.ERROR
    assert result.summary.startswith("the guest was lost during")


@pytest.mark.parametrize("op", ["setup", "step", "teardown", "leaks"])
def test_an_agent_that_does_not_answer_is_a_hang(tmp_path: Path, op: str) -> None:
    result = one_run(tmp_path, FakeGuests({op: silent}))
    assert result.outcome is Outcome.FAIL
    assert "did not end in time" in result.summary
    assert "agent still answers" in result.summary
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {
        "lio.txt", "tasks.txt", "registers.txt", "summary.txt"}


def test_a_guest_that_does_not_answer_at_all(tmp_path: Path) -> None:
    result = one_run(tmp_path, FakeGuests({"step": silent, "ping": silent}))
    assert result.outcome is Outcome.FAIL
    assert "the guest does not answer any more" in result.summary
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {"registers.txt", "summary.txt"}


def test_steps_after_a_failure_are_left_out_and_the_teardown_is_not(tmp_path: Path) -> None:
    guests = FakeGuests({"step": reply(ok=False, problem="no", seconds=0.1)})
    result = one_run(tmp_path, guests)
    assert (result.outcome, guests.ops) == (Outcome.FAIL, ["setup", "step", "teardown", "leaks"])
    assert [step.ran for step in result.steps] == [True, False]


def test_nonsense_on_the_link_is_a_lost_guest(tmp_path: Path) -> None:
    result = one_run(tmp_path, FakeGuests({"step": lambda _: {"id": "not a number"}}))
    assert result.outcome is Outcome.ERROR


WITHOUT = reply(ok=False, skip=["brd is built in with other parameters: boot with brd.rd_size=4096"],
                boot=["brd.rd_size=4096"])


def test_what_is_built_in_gets_its_parameters_from_a_boot_of_its_own(tmp_path: Path) -> None:
    guests = FakeGuests()
    guests.script["setup"] = lambda message: (WITHOUT if len(guests.cmdlines) == 1 else reply(ok=True))(message)
    result = one_run(tmp_path, guests)
    assert (result.outcome, result.origin) == (Outcome.PASS, "boot")
    assert guests.cmdlines == [(), ("brd.rd_size=4096",)]
    assert any(note.startswith("booted with brd.rd_size=4096: ") for note in result.notes)


@pytest.mark.parametrize(("origin", "guests"), [("checkpoint", 2), ("ssh", 1)])
def test_a_boot_that_does_not_help_is_a_skip(tmp_path: Path, origin: str, guests: int) -> None:
    """A machine by SSH is not booted by the lab; another one is booted once."""
    fake = FakeGuests({"setup": WITHOUT}, origin=origin)
    result = one_run(tmp_path, fake)
    assert (result.outcome, len(fake.cmdlines)) == (Outcome.SKIP, guests)
    assert "boot with brd.rd_size=4096" in result.summary


def test_a_kernel_that_does_not_boot_is_its_own_fault(tmp_path: Path) -> None:
    console = tmp_path / "boot-failed.log"
    console.write_text("[    1.000000] the end of the console\n")
    result = one_run(tmp_path, FakeGuests(before=raising(BootFailed("it did not come up", console))))
    assert (result.outcome, result.summary) == (Outcome.FAIL, "it did not come up")
    assert "the end of the console" in result.reasons[0].detail


def test_a_machine_that_cannot_be_made_is_our_error(tmp_path: Path) -> None:
    result = one_run(tmp_path, FakeGuests(before=raising(LabError("QEMU did not start: no such machine"))))
    assert (result.outcome, result.summary) == (Outcome.ERROR, "QEMU did not start: no such machine")


def test_an_interrupt_is_seen_during_a_wait(tmp_path: Path) -> None:
    result = one_run(tmp_path, FakeGuests({"step": silent}), stop=lambda: (tmp_path / "events.jsonl").read_text()
                     .count("step-begin") > 0)
    assert (result.outcome, result.summary) == (Outcome.ERROR, "interrupted while it ran")


def test_a_console_that_is_flooded_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CONSOLE_LIMIT", 10)
    result = one_run(tmp_path, FakeGuests())
    assert result.outcome is Outcome.ERROR
    assert "flooded its console" in result.summary


# -- sessions -------------------------------------------------------------------------------------------------


def conducted(session: Session, jobs: list[Job]) -> dict[str, Result]:
    results = [p.result for p in session.run(jobs) if p.result is not None]
    assert len({r.id for r in results}) == len(results) == len(jobs)
    return {r.id: r for r in results}


def test_every_job_has_one_result(tmp_path: Path) -> None:
    guests = FakeGuests()
    jobs = [Job(plan(f"p{n}"), guests) for n in range(20)] + [Job(plan("s"), None, ("no such module", "nor this"))]
    results = conducted(Session(tmp_path, 3), jobs)
    assert {r.outcome for n, r in results.items() if n != "s"} == {Outcome.PASS}
    assert [r.text for r in results["s"].reasons] == ["no such module", "nor this"]
    assert not any(thread.is_alive() for thread in guests.threads)
    assert json.loads((tmp_path / "k/p3/result.json").read_text())["outcome"] == "pass"


def test_a_kernel_that_does_not_boot_is_told_once(tmp_path: Path) -> None:
    dead = FakeGuests(before=raising(BootFailed("it did not come up", tmp_path / "none")))
    results = conducted(Session(tmp_path, 2), [Job(plan(f"p{n}"), dead) for n in range(6)])
    assert sorted(r.outcome.value for r in results.values()) == ["fail", *["skip"] * 5]


def test_a_bug_of_the_lab_does_not_take_the_other_results(tmp_path: Path) -> None:
    bad, good = FakeGuests(before=raising(ZeroDivisionError("oh"))), FakeGuests()
    results = conducted(Session(tmp_path, 1), [Job(plan("a"), good), Job(plan("b"), bad), Job(plan("c"), good)])
    assert [results[n].outcome for n in "abc"] == [Outcome.PASS, Outcome.ERROR, Outcome.PASS]
    assert "the lab has a bug: ZeroDivisionError: oh" in results["b"].summary


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    full = FakeGuests(before=raising(OSError(28, "No space left on device")))
    result = conducted(Session(tmp_path, 1), [Job(plan("a"), full)])["a"]
    assert result.outcome is Outcome.ERROR
    assert "No space left on device" in result.summary


def test_an_interrupt_ends_what_runs_and_skips_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_GRACE_S", 60.0)
    session = Session(tmp_path, 1)
    started = threading.Event()

    def hang(_: dict[str, object]) -> dict[str, object]:
        started.set()
        return {}

    jobs = [Job(plan("a"), FakeGuests({"step": hang})), *(Job(plan(f"w{n}"), FakeGuests()) for n in range(3))]
    threading.Thread(target=lambda: (started.wait(30), session.interrupt())).start()
    results = conducted(session, jobs)
    assert session.interrupted
    assert results["a"].outcome is Outcome.ERROR
    assert {results[f"w{n}"].outcome for n in range(3)} == {Outcome.SKIP}


def test_runs_of_one_folder_name_are_kept_apart() -> None:
    names = ["a", "a[b=1]", "a[b=/]", "a[b=_]", "a[b=\n]", "../../etc", "x" * 300, "x" * 301, "é"]
    made = [folder_name(name) for name in names]
    assert len(set(made)) == len(names)
    assert all("/" not in name and len(name) < 200 and name not in (".", "..") for name in made)


def test_sessions_of_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    made = [new_directory(tmp_path) for _ in range(5)]
    assert len(set(made)) == 5
    assert (tmp_path / "latest").resolve() == made[-1]


def test_a_scenario_that_boots_for_itself_does_not_wait_for_the_checkpoint(tmp_path: Path) -> None:
    guests = FakeGuests()
    one = dataclasses.replace(plan("a"), fresh_boot=True)
    prepared: list[int] = []
    guests.prepare = lambda watch: prepared.append(1)  # type: ignore[method-assign]
    assert conducted(Session(tmp_path, 1), [Job(one, guests)])["a"].outcome is Outcome.PASS
    assert prepared == []
