"""Drivers of steps by word. A driver takes the session, a deadline, and the word's own fields by keyword."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from lab.guest import clock
from lab.guest.observation import Observation, Refused, of_oserror
from lab.guest.session import Session

Driver = Callable[..., Observation]
DRIVERS: dict[str, Driver] = {}


def driver(word: str) -> Callable[[Driver], Driver]:
    """Register the driver of a word."""
    def register(function: Driver) -> Driver:
        DRIVERS[word] = function
        return function
    return register


def word_of(step: dict[str, Any]) -> str:
    """The word of a step that is part of another one (wire.py: {WORD: arguments, "timeout_s": ...})."""
    return next(word for word, arguments in step.items() if word in DRIVERS and arguments is not None)


def carry_out_part(session: Session, step: dict[str, Any], deadline: float = math.inf) -> Observation:
    """Carry out a step that is part of another one, within its own timeout and that one's `deadline`."""
    word, started = word_of(step), time.monotonic()
    own = clock.now() + step.get("timeout_s", 60.0)
    seen = carry_out(session, word, step[word], min(deadline, own))
    return {**seen, "seconds": round(time.monotonic() - started, 6)}


def carry_out(session: Session, word: str, arguments: dict[str, Any], deadline: float) -> Observation:
    """Carry out one step. What goes wrong in the system under test is an observation, never an exception."""
    try:
        return DRIVERS[word](session, deadline, **arguments)
    except Refused as error:
        return {"ok": False, "problem": str(error), **error.facts}
    except OSError as error:
        return of_oserror(error)
