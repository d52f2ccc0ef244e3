"""Allocations that fail one after the other, below a function of the kernel (mm/failslab.c, lib/fault-inject.c)."""

from __future__ import annotations

import os
import signal
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.guest import clock, configfs
from lab.guest.injection import wherever
from lab.guest.observation import Refused
from lab.guest.settings import change

FAILSLAB = Path("/sys/kernel/debug/failslab")
SYMBOLS = Path("/proc/kallsyms")
_SELF = Path("/proc/self/make-it-fail")
_EVERYWHERE = (0, (1 << 64) - 1)
# The last one is put back first.
_AT_FIRST = (("interval", "1"), ("times", "0"), ("task-filter", "0"), ("require-start", "0"),
             ("require-end", str(_EVERYWHERE[1])), ("ignore-gfp-wait", "0"), ("verbose", "1"), ("probability", "0"))
_SETTLE_S = 20.0


def extent(function: str, symbols: Path = SYMBOLS) -> tuple[int, int]:
    """Where the code of a kernel function is: [first, last) address. Refused when there is none or more than one.

    The compiler may have put .isra.0 or .constprop.0 behind its name; .cold is another piece of it.
    """
    found, all_of_them = [], []
    with symbols.open() as lines:
        for line in lines:
            address, kind, name = line.split()[:3]
            if kind in "tTwW":
                all_of_them.append(int(address, 16))
                if name == function or (name.startswith(f"{function}.") and ".cold" not in name):
                    found.append(all_of_them[-1])
    if len(found) != 1 or not found[0]:
        raise Refused(f"this kernel has {len(found) if found and found[0] else 'no'} function {function}()")
    all_of_them.sort()
    behind = bisect_right(all_of_them, found[0])
    return found[0], all_of_them[behind] if behind < len(all_of_them) else found[0] + 1


def lacking(scenario: dict[str, Any], symbols: Path = SYMBOLS) -> list[str]:
    """Why allocations cannot be made to fail where a scenario wants it."""
    reasons = []
    for function in dict.fromkeys(wherever(scenario.get("steps"), "fails_below")):
        try:
            extent(function, symbols)
        except (Refused, OSError) as error:
            reasons.append(str(error))
    return reasons


class Allocations:
    """failslab, with the kernel's own count of allocations: what cannot be read has to be known.

    It counts, when `interval` is more than 1 and `times` is not 0, what its other settings let through, and lets every
    allocation fail whose number is a multiple of `interval`.
    """

    def __init__(self, folder: Path = FAILSLAB) -> None:
        self._folder = folder
        self._counted = self._at_most = 0  # the count is between these; a guest has counted nothing before

    @contextmanager
    def below(self, function: str) -> Iterator[None]:
        """Only allocations with this function in their call chain; everything is as before afterwards."""
        first, end = extent(function)
        undo = change([(self._folder / name, value) for name, value in _AT_FIRST])
        try:
            self._settle()
            self._set(require_start=first, require_end=end)
            yield
        finally:
            self._set(probability=0)
            undo()

    def arm(self, number: int) -> None:
        """The next `number`-th allocation is to fail, and none after it."""
        assert self._counted == self._at_most
        goal = self._counted + number
        self._set(probability=0)
        self._set(interval=goal, times=1, probability=100)
        self._at_most = goal if goal > 1 else 0  # an interval of 1 lets the next one fail, and counts nothing

    def struck(self) -> bool:
        """Whether it has come to that."""
        self._set(probability=0)
        if int(configfs.read_text(self._folder / "times")) != 0:
            return False  # an unknown number was counted, fewer than wanted
        self._counted = self._at_most
        return True

    def _settle(self) -> None:
        """Know the count again: let a child allocate until one of its allocations fails, which is then the first
        multiple of what the count cannot have reached."""
        if self._counted == self._at_most:
            return
        goal = self._at_most + 1
        self._set(require_start=_EVERYWHERE[0], require_end=_EVERYWHERE[1], task_filter=1, interval=goal, times=1)
        child = os.fork()
        if child == 0:
            _allocate_for_ever()
        try:
            self._set(probability=100)
            end = clock.now() + _SETTLE_S
            while int(configfs.read_text(self._folder / "times")) != 0:
                if clock.now() > end:
                    raise Refused("the kernel's count of allocations could not be found out")
                time.sleep(0.01)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self._set(probability=0, task_filter=0)
        self._counted = self._at_most = goal

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            configfs.write(self._folder / name.replace("_", "-"), str(value))


def _allocate_for_ever() -> None:
    """In a child of its own, which is killed: each round allocates, whatever of it fails."""
    try:
        _SELF.write_text("1")
        while True:
            try:
                for end in os.pipe():
                    os.close(end)
            except OSError:
                pass
    finally:
        os._exit(1)
