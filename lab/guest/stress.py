"""`stress`: workers that carry out drawn steps side by side, each told to the kernel log before it begins."""

from __future__ import annotations

import json
import threading
from typing import Any

from lab.guest import clock, kmsg
from lab.guest.draw import Draw, Ground, Part
from lab.guest.observation import Observation, Refused
from lab.guest.registry import carry_out, driver, word_of
from lab.guest.session import Session

DISTURBING = ("reset", "lun", "fault")  # kept equal to lab.scenario.stress_steps (a test compares them)
_BAD = ("lost", "torn", "foreign")
_KEPT = 8  # failures that are told


@driver("stress")
def stress(session: Session, deadline: float, *, time: float, workers: int = 4, luns: list[str],
           operations: dict[str, int]) -> Observation:
    """Draw and carry out until the time is over. What is begun is ended: a LUN comes back, a fault is cleared."""
    ground = _ground(session, luns)
    if "fault" in operations and not ground.mapped:
        raise Refused("no backstore lies on a dm device, so there is no fault to inject")
    tally, end = _Tally(), min(clock.now() + time, deadline)
    crew = [_Worker(session, number, Draw(session.seed, number, workers, operations, ground), tally, end, deadline)
            for number in range(workers)]
    for worker in crew:
        worker.thread.start()
    for worker in crew:
        worker.join()
    return {"ok": True, "counts": tally.counts, "failed": tally.failed, "first_bad": tally.bad,
            "text": ", ".join(f"{number} {kind}" for kind, number in sorted(tally.counts.items()))}


def _ground(session: Session, luns: list[str]) -> Ground:
    places = [(t.name, number, name) for t in session.targets.values() for number, name in sorted(t.luns.items())]
    mapped = [b.name for b in session.backstores.values() if b.device is not None and b.device.mapping is not None]
    return Ground({lun: session.ledger(lun).blocks for lun in luns}, places, mapped)


class _Tally:
    """How many operations there were, what failed first, and what data were wrong."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.failed: list[str] = []
        self.bad: list[dict[str, Any]] = []
        self.disturbance = threading.Lock()  # one at a time: each puts right what it did
        self._lock = threading.Lock()

    def add(self, kind: str, step: Part, seen: Observation) -> None:
        word = word_of(step)
        with self._lock:
            wrong = word == "verify" and any(seen.get("blocks", {}).get(name) for name in _BAD)
            if wrong and len(self.bad) < _KEPT:
                self.bad += [{"lun": step["verify"]["lun"], **block} for block in seen.get("first_bad", [])[:1]]
            if wrong:
                return
            answered = word == "scsi" and isinstance(seen.get("status"), int) and not seen.get("host_status")
            if not seen["ok"] and not answered:
                self.counts[f"{kind} failed"] = self.counts.get(f"{kind} failed", 0) + 1
                if len(self.failed) < _KEPT:
                    self.failed.append(f"{json.dumps(step)}: {seen.get('problem', 'failed')}")

    def done(self, kind: str) -> None:
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1


class _Worker:
    """One sequence of operations."""

    def __init__(self, session: Session, number: int, draw: Draw, tally: _Tally, end: float, deadline: float) -> None:
        self._session, self._number, self._draw, self._tally = session, number, draw, tally
        self._end, self._deadline = end, deadline
        self._crash: Exception | None = None
        self.thread = threading.Thread(target=self._work, name=f"stress {number}", daemon=True)

    def _work(self) -> None:
        try:
            count = 0
            while count == 0 or (clock.now() < self._end and not self._session.stopping.is_set()):
                count += 1
                self._operation(count, *self._draw.next())
        except Exception as error:  # the agent's own fault: `join` raises it again
            self._crash = error

    def _operation(self, count: int, kind: str, steps: list[Part]) -> None:
        if kind not in DISTURBING:
            self._carry_out(count, kind, steps)
            return
        with self._tally.disturbance:
            self._carry_out(count, kind, steps)

    def _carry_out(self, count: int, kind: str, steps: list[Part]) -> None:
        for step in steps:
            kmsg.write(f"lab: {self._session.token} stress {self._number}.{count} {json.dumps(step)}")
            word = word_of(step)
            self._tally.add(kind, step, carry_out(self._session, word, step[word], self._deadline))
        self._tally.done(kind)

    def join(self) -> None:
        """Wait for its last operation. Raises Refused (ETIMEDOUT) when that does not end."""
        while self.thread.is_alive() and clock.now() < self._deadline:
            self.thread.join(0.05)
        if self._crash is not None:
            raise self._crash
        if self.thread.is_alive():
            raise Refused(f"worker {self._number} did not end; its last operation is in the kernel log",
                          errno="ETIMEDOUT")
