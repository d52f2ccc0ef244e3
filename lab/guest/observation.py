"""Observations: the flat dicts that say what a step saw, and the two ways in which a step ends early."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

Observation = dict[str, Any]

# Python spells these otherwise than the kernel's sources, or not at all (include/linux/errno.h).
_NAMES = {95: "EOPNOTSUPP", 11: "EAGAIN", 35: "EDEADLK", 524: "ENOTSUPP"}


class Refused(Exception):
    """The step cannot be carried out, or did not do what it is for; str() is the sentence for the report."""

    def __init__(self, problem: str, **facts: Any) -> None:
        super().__init__(problem)
        self.facts = facts


class Skip(Exception):
    """This kernel or machine lacks what the scenario needs; every reason at once. `boot`: kernel parameters of a boot
    that would have it."""

    def __init__(self, *reasons: str, boot: Sequence[str] = ()) -> None:
        super().__init__("; ".join(reasons))
        self.reasons, self.boot = list(reasons), list(boot)


def errno_name(number: int | None) -> str:
    """`EINVAL` of 22; numbers without a name come as `errno 512`."""
    return _NAMES.get(number or 0) or errno.errorcode.get(number or 0, f"errno {number}")


def of_oserror(error: OSError, doing: str = "") -> Observation:
    """The observation of a system call that failed."""
    name = errno_name(error.errno)
    where = f"{doing or error.filename or 'a system call'}"
    return {"ok": False, "errno": name, "problem": f"{where}: {name} ({error.strerror})"}
