"""The agent's marks in the kernel log: which step was in flight, now and at an earlier time.

The agent writes `lab: TOKEN step N begin|end`, the same for `setup`, `teardown` and `background NAME`, and as its last
word `lab: TOKEN end`. The token is random per run; because a test can read it from the kernel log, a mark counts only
where the order of a run allows it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace

MAX_OPEN_STEPS = 64
MAX_BACKGROUND = 64
MAX_HISTORY = 4096
"""Marks that are remembered with their times; of an older time the oldest of them is the answer."""

_MARK = re.compile(r"lab: (?P<token>[0-9a-f]{16}) (?:(?P<last>end)|(?:step (?P<step>\d{1,9})"
                   r"|background (?P<name>[a-z][a-z0-9_-]{0,63})|(?P<phase>setup|teardown)) (?P<edge>begin|end))"
                   r"(?: ~[0-9a-f]{1,16})?\s*")
_PHASES = {("setup", "begin"): 1, ("setup", "end"): 2, ("teardown", "begin"): 4, ("teardown", "end"): 5}
_STEPS, _TEARDOWN, _OVER = 3, 4, 6


@dataclass(frozen=True)
class Flight:
    """What was in flight at one moment."""

    step: int | None = None
    """Of steps that overlap the one that began last; None before, between and after steps."""
    background: tuple[str, ...] = ()
    """Names of background steps, in the order in which they began."""
    ended: int | None = None
    """Between two steps, the one whose end came last."""


class Marks:
    """Follows the marks of one run, and remembers when they came."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._stage = 0
        self._open: list[int] = []
        self.now = Flight()
        self.begun: set[int] = set()
        """Steps whose begin was seen."""
        self.ended: set[int] = set()
        """Steps whose end was seen."""
        self._times: list[float] = []
        self._flights: list[Flight] = []

    @property
    def step(self) -> int | None:
        """Index of the step in flight; None before, between and after steps, and without a token."""
        return self.now.step

    @property
    def over(self) -> bool:
        """The agent's last word, `lab: TOKEN end`, was seen."""
        return self._stage == _OVER

    def see(self, text: str, time_s: float | None = None) -> None:
        """Takes a message that begins with `lab: ` and its printk time in seconds.

        Ignored are other texts, other tokens, and marks against the order of a run: a step begins once, after all
        that have a lower number, and ends once; set-up, steps, tear-down and the last word follow one another.
        """
        mark = _MARK.fullmatch(text)
        if self._token is None or mark is None or mark["token"] != self._token or self._stage == _OVER:
            return
        if self._apply(mark) and time_s is not None:
            self._remember(time_s)

    def at(self, time_s: float) -> Flight:
        """What was in flight at a printk time. Before the first mark: nothing."""
        place = bisect_right(self._times, time_s)
        if place:
            return self._flights[place - 1]
        return self._flights[0] if len(self._times) == MAX_HISTORY else Flight()

    def restart(self) -> None:
        """printk's clock begins anew: the times so far say nothing any more."""
        self._times.clear()
        self._flights.clear()

    # -- applying a mark ------------------------------------------------------------------------------------

    def _apply(self, mark: re.Match[str]) -> bool:
        if mark["last"]:
            self._stage = _OVER
            self._open.clear()
            self.now = Flight()
            return True
        if mark["step"]:
            return self._step(int(mark["step"]), mark["edge"] == "begin")
        if mark["name"]:
            return self._background(mark["name"], mark["edge"] == "begin")
        return self._phase(_PHASES[mark["phase"], mark["edge"]])

    def _phase(self, stage: int) -> bool:
        if stage <= self._stage:
            return False
        self._stage = stage
        self._open.clear()
        self.now = replace(self.now, step=None, ended=None)
        return True

    def _step(self, step: int, begins: bool) -> bool:
        if begins:
            if self._stage >= _TEARDOWN or step <= max(self.begun, default=-1):
                return False
            self._stage = _STEPS
            self._open = [*self._open, step][-MAX_OPEN_STEPS:]
            self.begun.add(step)
        else:
            if step not in self._open:
                return False
            self._open.remove(step)
            self.ended.add(step)
        latest = self._open[-1] if self._open else None
        self.now = replace(self.now, step=latest, ended=step if latest is None else None)
        return True

    def _background(self, name: str, begins: bool) -> bool:
        names = self.now.background
        if (name in names) is begins or (begins and len(names) >= MAX_BACKGROUND):
            return False
        self.now = replace(self.now, background=(*names, name) if begins else tuple(n for n in names if n != name))
        return True

    def _remember(self, time_s: float) -> None:
        """CPUs stamp their messages a little out of order; the history's times only grow."""
        self._times.append(max(time_s, self._times[-1]) if self._times else time_s)
        self._flights.append(self.now)
        if len(self._times) > MAX_HISTORY:
            del self._times[0], self._flights[0]
