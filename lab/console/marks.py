"""The agent's marks in the kernel log: between which steps a message fell.

The agent writes `lab: <token> step <n> begin` and `... end` to /dev/kmsg. The token is random per run, so text that a
test prints cannot forge a mark.
"""

from __future__ import annotations

import re

MAX_OPEN_STEPS = 64
_MARK = re.compile(r"lab: (?P<token>[0-9a-f]{16}) (?:step (?P<step>\d{1,9})|setup|teardown) (?P<edge>begin|end)\s*")


class Marks:
    """The step in flight. Of several that overlap it is the one that began last."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._open: list[int] = []

    @property
    def step(self) -> int | None:
        """Index of the step in flight; None before, between and after steps, and without a token."""
        return self._open[-1] if self._open else None

    def see(self, text: str) -> None:
        """Takes a message that begins with `lab: `; others' tokens and other texts are ignored."""
        mark = _MARK.fullmatch(text)
        if self._token is None or mark is None or mark["token"] != self._token:
            return
        if mark["step"] is None:
            self._open.clear()
            return
        step = int(mark["step"])
        self._open = [other for other in self._open if other != step][-MAX_OPEN_STEPS:]
        if mark["edge"] == "begin":
            self._open.append(step)
