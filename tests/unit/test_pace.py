"""lab.run.pace: slow is not hung, and nothing is given time for ever. lab.machine.starvation on real processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import pytest

from lab.machine.link import LinkLost
from lab.machine.starvation import Starvation
from lab.run import pace
from lab.run.pace import HARD_LIMIT, STILL_SHARE, Pace


class Told:
    """A link that remembers what it was told."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def notify(self, op: str, **arguments: float) -> None:
        assert op == "extend"
        self.seconds.append(arguments["seconds"])


class Starved(Starvation):
    """A host that starves the guest for as long as the test says."""

    now = 0.0

    def since(self, before: object) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be moved by the test."""
    now = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    return now


def test_a_still_guest_on_an_idle_host_gets_nothing(clock: list[float]) -> None:
    patience, link = Pace(link := Told(), Starved()), link
    patience.begin(60)
    for _ in range(100):
        clock[0] += 1
        patience.moved(7)  # the same count again and again is no motion
        assert patience.extension_s() == 0
    assert link.seconds == [] and patience.still_s() is None


def test_what_was_given_is_known_without_a_guest(clock: list[float]) -> None:
    class Gone(Told):
        def notify(self, op: str, **arguments: float) -> None:
            raise LinkLost("the guest is gone")

    host = Starved()
    patience = Pace(Gone(), host)
    patience.begin(60)
    host.now, clock[0] = 10.0, clock[0] + 60
    with pytest.raises(LinkLost):
        patience.extension_s()
    assert patience.extended_s == 10.0


def test_a_starved_guest_gets_what_it_lost_and_its_own_deadlines_move_along(clock: list[float]) -> None:
    link, host = Told(), Starved()
    patience = Pace(link, host)
    patience.begin(60)
    for lost in (10.0, 10.1, 25.0):
        clock[0] += 20
        host.now = lost
        assert patience.extension_s() == lost
    assert link.seconds == pytest.approx([10.0, 15.0]), "small steps are told together"


def test_a_guest_that_moves_gets_time_until_it_is_still_for_a_share_of_its_deadline(clock: list[float]) -> None:
    patience = Pace(Told(), Starved())
    patience.moved(1)
    patience.begin(60)
    began = clock[0]
    for count in range(2, 72):
        clock[0] += 1
        patience.moved(count)
    assert patience.extension_s() == pytest.approx(70 + STILL_SHARE * 60 - 60)
    clock[0] += 100  # nothing moves any more
    assert began + 60 + patience.extension_s() < clock[0]
    assert patience.still_s() == 100


def test_nothing_takes_longer_than_the_hard_limit(clock: list[float]) -> None:
    host = Starved()
    patience = Pace(Told(), host)
    patience.begin(60)
    host.now = 10_000
    clock[0] += 10_000
    patience.moved(1)
    patience.moved(2)
    assert patience.extension_s() == (HARD_LIMIT - 1) * 60


def test_the_next_request_begins_anew(clock: list[float]) -> None:
    host = Starved()
    patience = Pace(Told(), host)
    patience.begin(60)
    host.now = 30
    clock[0] += 10
    assert patience.extension_s() == 30
    host.now = 0
    patience.begin(60)
    assert patience.extension_s() == 0 and patience.still_s() is None


def test_a_process_that_must_share_its_cpu_is_starved_and_a_sleeping_one_is_not() -> None:
    cpu = {min(os.sched_getaffinity(0))}
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"])) for _ in range(3)]
        idle = stack.enter_context(subprocess.Popen(["sleep", "60"]))
        for child in (*busy, idle):
            stack.callback(child.kill)
            os.sched_setaffinity(child.pid, cpu)
        watched, resting = Starvation(busy[0].pid), Starvation(idle.pid)
        before, before_rest = watched.waited(), resting.waited()
        end = time.monotonic() + 20
        while watched.since(before) < 0.3 and time.monotonic() < end:
            time.sleep(0.05)
        assert watched.since(before) >= 0.3
        assert resting.since(before_rest) < watched.since(before) / 3


def test_no_process_is_not_starved() -> None:
    assert Starvation().since(Starvation().waited()) == 0
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    assert Starvation(gone.pid).since({}) == 0
