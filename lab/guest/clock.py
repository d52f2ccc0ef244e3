"""The clock of all deadlines in the guest. It stands still for what the host says was lost: seconds in which a busy
host did not let the guest run, and time that is granted to work that still moves."""

from __future__ import annotations

import threading
import time

_lock = threading.Lock()
_lost_s = 0.0


def now() -> float:
    """Seconds since some beginning, less those that were lost."""
    return time.monotonic() - _lost_s


def lose(seconds: float) -> None:
    """Every deadline that is under way comes that much later."""
    global _lost_s
    with _lock:
        _lost_s += max(0.0, seconds)
