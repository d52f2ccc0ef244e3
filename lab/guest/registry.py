"""Drivers of steps by word. A driver takes the session, a deadline, and the word's own fields by keyword."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def carry_out(session: Session, word: str, arguments: dict[str, Any], deadline: float) -> Observation:
    """Carry out one step. What goes wrong in the system under test is an observation, never an exception."""
    try:
        return DRIVERS[word](session, deadline, **arguments)
    except Refused as error:
        return {"ok": False, "problem": str(error), **error.facts}
    except OSError as error:
        return of_oserror(error)
