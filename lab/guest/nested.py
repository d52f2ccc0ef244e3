"""`parallel` and `repeat`: steps that are made of steps. What each of them saw is told; the host judges it."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from lab.guest import clock, kmsg
from lab.guest.observation import Observation, Refused
from lab.guest.registry import carry_out_part, driver, word_of
from lab.guest.session import Session
from lab.wire import mark

Part = dict[str, Any]  # a step inside another one (wire.py)


@driver("parallel")
def parallel(session: Session, deadline: float, *, steps: list[Part]) -> Observation:
    """Start all together, and wait for all until the deadline."""
    crew = [_Worker(session, step, deadline) for step in steps]
    gate = threading.Barrier(len(crew))
    for worker in crew:
        worker.start(gate)
    parts = [worker.result() for worker in crew]
    return {"ok": all(part["ok"] for part in parts), "parts": parts}


class _Worker:
    """One of several steps that run together."""

    def __init__(self, session: Session, step: Part, deadline: float) -> None:
        self._session, self._step, self._deadline = session, step, deadline
        self._seen: Observation | None = None
        self._crash: Exception | None = None

    def start(self, gate: threading.Barrier) -> None:
        self._thread = threading.Thread(target=self._work, args=(gate,), name=word_of(self._step), daemon=True)
        self._thread.start()

    def _work(self, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            self._seen = carry_out_part(self._session, self._step, self._deadline)
        except Exception as error:  # the agent's own fault: `result` raises it again
            self._crash = error

    def result(self) -> Observation:
        """What it saw; that it did not end, when the deadline has passed."""
        while self._thread.is_alive() and clock.now() < self._deadline:
            self._thread.join(0.05)
        if self._crash is not None:
            raise self._crash
        return self._seen or {"ok": False, "errno": "ETIMEDOUT", "problem": "it did not end in time"}


@driver("repeat")
def repeat(session: Session, deadline: float, *, times: int, steps: list[Part],
           fails_below: str | None = None) -> Observation:
    """Rounds, up to one with a step that had to succeed and did not, or up to one in which no allocation failed."""
    words, rounds = ", ".join(word_of(step) for step in steps), _Rounds(fails_below is not None)
    with session.allocations.below(fails_below) if fails_below else contextlib.nullcontext():
        for number in range(1, times + 1):
            if session.stopping.is_set() or clock.now() > deadline:
                raise Refused(f"only {number - 1} of {times} rounds were done in time", errno="ETIMEDOUT",
                              **rounds.told())
            kmsg.write(mark(session.token, f"round {number} of {words}", "begin"))
            if fails_below:
                session.allocations.arm(number)
            parts = _round(session, steps, deadline)
            rounds.add(number, parts)
            rounds.whole = fails_below is not None and not session.allocations.struck()
            if rounds.whole or _broken(steps, parts):
                break
    return {"ok": all(part["ok"] for entry in rounds.entries for part in entry["parts"]), **rounds.told()}


def _round(session: Session, steps: list[Part], deadline: float) -> list[Observation]:
    parts: list[Observation] = []
    for step in steps:
        parts.append(carry_out_part(session, step, deadline))
        if _broken(steps, parts):
            break
    return parts


def _broken(steps: list[Part], parts: list[Observation]) -> bool:
    """Whether the newest observation is a failure that the scenario does not expect."""
    return not parts[-1]["ok"] and steps[len(parts) - 1].get("must_succeed", True)


class _Rounds:
    """What the rounds saw; those that saw the same, one after the other, are one entry."""

    def __init__(self, failing: bool) -> None:
        self.entries: list[dict[str, Any]] = []
        self.whole = False  # no allocation failed in the last one
        self._failing = failing

    def add(self, number: int, parts: list[Observation]) -> None:
        last = self.entries[-1] if self.entries else None
        if last is not None and _timeless(last["parts"]) == _timeless(parts):
            last["last"] = number
        else:
            self.entries.append({"first": number, "last": number, "parts": parts})

    def told(self) -> Observation:
        return {"rounds": self.entries, **({"whole": self.whole} if self._failing else {})}


def _timeless(seen: Any) -> Any:
    if isinstance(seen, dict):
        return {key: _timeless(value) for key, value in seen.items() if key != "seconds"}
    return [_timeless(value) for value in seen] if isinstance(seen, list) else seen
