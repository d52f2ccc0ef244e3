"""lab.run.schedule, intake and durations: what runs when, on several kernels, and what is remembered of it."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.machine.vm import BootFailed
from lab.report.result import Outcome, Result
from lab.run import session as sessions
from lab.run.durations import Durations
from lab.run.intake import KernelGone
from lab.run.job import Batch, Job
from lab.run.outcome import not_run
from lab.run.plan import RunPlan
from lab.run.schedule import Schedule
from lab.run.session import Session
from tests.unit.fake_guest import FakeGuests, plan


def on(kernel: str, name: str, guests: FakeGuests | None = None, **changes: object) -> Job:
    one = plan(name)
    return Job(dataclasses.replace(one, kernel=dataclasses.replace(one.kernel, name=kernel), **changes),  # type: ignore[arg-type]
               guests or FakeGuests())


def never() -> bool:
    return False


def taken(schedule: Schedule) -> list[str]:
    """All that one worker does, in order; `+k` is the checkpoint of k."""
    done = []
    while (task := schedule.take(never)) is not None:
        done.append(f"+{task.job.plan.kernel.name}" if task.prepare else task.job.plan.case)
        schedule.done(task)
    return done


def test_one_worker_goes_kernel_by_kernel_in_order() -> None:
    schedule = Schedule(1, lambda job: 0.0)
    schedule.add([on("a", "1"), on("a", "2"), on("b", "3"), on("b", "4")])
    schedule.close()
    assert taken(schedule) == ["+a", "1", "2", "+b", "3", "4"]


def test_the_longest_runs_of_all_kernels_begin_first() -> None:
    seconds = {"short": 1.0, "long": 9.0, "middle": 5.0}
    schedule = Schedule(2, lambda job: seconds[job.plan.id])
    schedule.add([on(k, n) for k in "ab" for n in seconds])
    schedule.close()
    for _ in "ab":
        task = schedule.take(never)
        assert task is not None and task.prepare
        schedule.done(task)
    assert taken(schedule) == ["long", "long", "middle", "middle", "short", "short"]


def test_a_boot_is_beside_runs_and_one_worker_keeps_to_runs() -> None:
    schedule = Schedule(2, lambda job: 0.0)
    schedule.add([on("a", "1"), on("a", "2"), on("b", "3"), on("c", "4")])
    schedule.close()
    first, second = schedule.take(never), schedule.take(never)
    assert first and second and (first.prepare, second.prepare) == (True, True), "nothing else can be done yet"
    schedule.done(first)
    third = schedule.take(never)
    assert third and not third.prepare and third.job.plan.id == "1", "b still boots, so this worker runs"
    schedule.done(second)
    fourth = schedule.take(never)
    assert fourth and fourth.prepare and fourth.job.plan.kernel.name == "c"


def test_what_needs_no_guest_waits_for_no_boot() -> None:
    schedule = Schedule(1, lambda job: 0.0)
    schedule.add([on("a", "1"), Job(on("a", "skipped").plan, None, ("no such module",))])
    schedule.close()
    assert taken(schedule) == ["skipped", "+a", "1"]


def test_big_guests_wait_for_memory_and_one_always_runs() -> None:
    schedule = Schedule(2, lambda job: 0.0, room=4)
    schedule.add([on("a", n, fresh_boot=True, memory_mib=size) for n, size in (("1", 1536), ("2", 1536), ("3", 9999))])
    first = schedule.take(never)
    got: list[str] = []
    waiter = threading.Thread(target=lambda: got.append(schedule.take(never).job.plan.id))  # type: ignore[union-attr]
    waiter.start()
    time.sleep(0.3)
    assert first is not None and got == [], "3 + 3 are more than 4"
    schedule.done(first)
    waiter.join(5)
    assert got == ["2"]
    schedule.done(dataclasses.replace(first, job=on("a", "2", memory_mib=1536)))
    third = schedule.take(never)
    assert third is not None and third.job.plan.id == "3", "alone it may be as big as it is"


# -- sessions of several kernels ------------------------------------------------------------------------------


def batch(kernel: str, names: str, guests: FakeGuests | None = None, error: Exception | None = None) -> Batch:
    jobs = [on(kernel, name, guests) for name in names]

    def make() -> Sequence[Job]:
        if error is not None:
            raise error
        return jobs

    return Batch(len(jobs), make, lambda outcome, why: [
        dataclasses.replace(job, guests=None, refused=(outcome, why)) for job in jobs])


def outcomes(session: Session, batches: list[Batch]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for progress in session.run_batches(batches):
        if progress.result is not None:
            found.setdefault(progress.plan.kernel.name, []).append(progress.result.outcome.value)
    return {kernel: sorted(words) for kernel, words in found.items()}


def test_a_kernel_that_cannot_be_had_does_not_stop_the_others(tmp_path: Path) -> None:
    dead = FakeGuests(before=lambda: (_ for _ in ()).throw(BootFailed("it did not come up", tmp_path / "none")))
    batches = [batch("good", "123"), batch("unbuilt", "123", error=LabError("cc: no")), batch("dead", "123", dead),
               batch("gone", "123", error=KernelGone("404")), batch("bug", "12", error=ZeroDivisionError("oh")),
               batch("also", "12")]
    session = Session(tmp_path, 2)
    assert outcomes(session, batches) == {
        "good": ["pass"] * 3, "unbuilt": ["error"] * 3, "dead": ["fail", "skip", "skip"], "gone": ["skip"] * 3,
        "bug": ["error"] * 2, "also": ["pass"] * 2}
    assert session.total == 16


def test_a_kernel_that_another_batch_has_gives_no_jobs(tmp_path: Path) -> None:
    twin = Batch(5, list, lambda outcome, why: [])
    session = Session(tmp_path, 2)
    assert outcomes(session, [twin, batch("a", "12")]) == {"a": ["pass", "pass"]}
    assert session.total == 2


def test_runs_go_on_while_a_kernel_is_fetched(tmp_path: Path) -> None:
    ran = threading.Event()
    slow = batch("slow", "1")

    def fetch() -> Sequence[Job]:
        assert ran.wait(20), "the runs of the first kernel wait for the second one"
        return slow.make()

    session = Session(tmp_path, 1)
    seen = []
    for progress in session.run_batches([batch("a", "12"), dataclasses.replace(slow, make=fetch)]):
        if progress.result is not None:
            seen.append((progress.plan.kernel.name, progress.result.outcome))
            ran.set()
    assert seen == [("a", Outcome.PASS), ("a", Outcome.PASS), ("slow", Outcome.PASS)]


def test_an_interrupt_does_not_wait_for_a_kernel_that_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                 ) -> None:
    monkeypatch.setattr(sessions, "_FETCH_END_S", 0.2)
    release, slow = threading.Event(), batch("slow", "12")

    def fetch() -> Sequence[Job]:
        release.wait(60)
        return slow.make()

    session, began = Session(tmp_path, 2), time.monotonic()
    found = {}
    for progress in session.run_batches([batch("a", "1"), dataclasses.replace(slow, make=fetch), batch("c", "3")]):
        if progress.result is not None:
            found[progress.plan.kernel.name, progress.plan.id] = progress.result.outcome
            session.interrupt()
    release.set()
    assert time.monotonic() - began < 20
    left = dict.fromkeys([("slow", "1"), ("slow", "2"), ("c", "3")], Outcome.SKIP)
    assert found == {("a", "1"): Outcome.PASS, **left}


def test_an_interrupt_while_a_kernel_boots_is_said_by_its_first_run(tmp_path: Path) -> None:
    session = Session(tmp_path, 2)
    guests = FakeGuests(before=session.interrupt)
    found = [(p.plan.id, p.result.outcome) for p in session.run([on("a", n, guests) for n in "123"]) if p.result]
    assert sorted(found) == [("1", Outcome.ERROR), ("2", Outcome.SKIP), ("3", Outcome.SKIP)]


def test_repeats_have_folders_of_their_own(tmp_path: Path) -> None:
    jobs = [on("a", "one", number=n) for n in (1, 2, 3)]
    results = [p.result for p in Session(tmp_path, 2).run(jobs) if p.result is not None]
    assert {r.id for r in results} == {"one"}, "known bugs and comparisons go by the run, whichever repeat it is"
    assert sorted(r.case for r in results) == ["one", "one#2", "one#3"]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["one", "one#2", "one#3"]
    assert json.loads((tmp_path / "a/one#2/result.json").read_text())["number"] == 2


# -- durations ------------------------------------------------------------------------------------------------


def ran(one: RunPlan, seconds: float, outcome: Outcome = Outcome.PASS) -> Result:
    return dataclasses.replace(not_run(one, outcome, [], ""), seconds=seconds, origin="checkpoint")


def test_durations_are_remembered_and_the_unknown_is_the_median(tmp_path: Path) -> None:
    path, known = tmp_path / "durations.json", Durations.load(tmp_path / "durations.json")
    assert known.estimate(plan("x", steps=3, timeout_s=2)) == 6, "nothing is known: what its steps may take"
    for name, seconds in (("a", 1.0), ("b", 3.0), ("c", 50.0)):
        known.note(plan(name), ran(plan(name), seconds))
    known.save()
    again = Durations.load(path)
    assert [again.estimate(plan(n)) for n in "abcx"] == [1.0, 3.0, 50.0, 3.0]
    assert again.estimate(plan("a", slowdown=20)) == 3.0, "another speed is another run"


def test_an_error_or_a_skip_has_no_duration(tmp_path: Path) -> None:
    known = Durations.load(tmp_path / "d")
    known.note(plan("a"), ran(plan("a"), 9.0, Outcome.ERROR))
    known.note(plan("b"), not_run(plan("b"), Outcome.SKIP, ["x"], ""))
    known.save()
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 99, "seconds": {"a tcg 1": 7}}', "\xff\xfe",
                                  '{"format": 1, "seconds": [1]}',
                                  '{"format": 1, "seconds": {"a tcg 1": "x", "b tcg 1": -1, "c": NaN, "d": 1e999}}'])
def test_a_damaged_file_knows_nothing_and_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "durations.json"
    path.write_text(text, encoding="latin-1")
    known = Durations.load(path)
    assert known.estimate(plan("a")) == 0.4
    known.note(plan("a"), ran(plan("a"), 2.0))
    known.save()
    assert Durations.load(path).estimate(plan("a")) == 2.0


def test_a_newer_duration_counts_half_and_other_labs_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "d"
    first, second = Durations.load(path), Durations.load(path)
    first.note(plan("a"), ran(plan("a"), 4.0))
    first.save()
    second.note(plan("b"), ran(plan("b"), 1.0))
    second.save()
    third = Durations.load(path)
    third.note(plan("a"), ran(plan("a"), 8.0))
    third.save()
    assert [Durations.load(path).estimate(plan(n)) for n in "ab"] == [6.0, 1.0]
