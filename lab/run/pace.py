"""How long a request may take: slow is not hung.

A deadline stands still while the host starves the guest, and is moved on while the guest's disks still complete
requests, up to a hard limit. The guest's own deadlines move with it.
"""

from __future__ import annotations

import time
from typing import Protocol

from lab.machine.starvation import Starvation

HARD_LIMIT = 4.0
"""Nothing takes longer than so many times its deadline, whatever moves."""
STILL_SHARE = 0.25
"""What has not moved for this share of its deadline does not move any more."""
_LOOK_EVERY_S = 0.5
_TELL_FROM_S = 0.5


class Link(Protocol):
    """What is needed of the link to a guest."""

    def notify(self, op: str, **arguments: float) -> None: ...


class Pace:
    """The patience with one guest, one request after the other. Seconds everywhere."""

    def __init__(self, link: Link, starvation: Starvation) -> None:
        self._link, self._starvation = link, starvation
        self._count: int | None = None
        self._moved_at: float | None = None
        self.begin(0.0)

    def begin(self, deadline_s: float) -> None:
        """A request begins that is to end within `deadline_s`."""
        self._deadline_s = deadline_s
        self._began = time.monotonic()
        self._waited = self._starvation.waited()
        self._moved_at = None
        self._next_look, self._extension_s, self._told_s = 0.0, 0.0, 0.0
        self.starved_s = 0.0

    def moved(self, count: int) -> None:
        """The guest's own word: so many requests were completed so far."""
        if self._count is not None and count != self._count:
            self._moved_at = time.monotonic()
        self._count = count

    def still_s(self) -> float | None:
        """Seconds since the guest last moved; None when it did not at all during this request."""
        return None if self._moved_at is None else time.monotonic() - self._moved_at

    @property
    def extended_s(self) -> float:
        """By how much the deadline had been moved when that was last asked. Tells nobody: the guest may be dead."""
        return self._extension_s

    def extension_s(self) -> float:
        """By how much the deadline comes later, as of now. Tells the guest, and raises LinkLost when it is gone."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY_S
            self.starved_s = self._starvation.since(self._waited)
            self._extension_s = max(self._extension_s, self._earned())
            if self._extension_s >= self._told_s + _TELL_FROM_S:
                self._link.notify("extend", seconds=self._extension_s - self._told_s)
                self._told_s = self._extension_s
        return self._extension_s

    def _earned(self) -> float:
        for_motion = 0.0
        if self._moved_at is not None:
            for_motion = self._moved_at - self._began + STILL_SHARE * self._deadline_s - self._deadline_s
        return min(max(self.starved_s, for_motion), (HARD_LIMIT - 1) * self._deadline_s)
