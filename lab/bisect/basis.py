"""What the kernels of a bisection are made of, beside what it searches: steps on another basis say nothing of each
other. The journal keeps it, and it is looked at again before each kernel is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab.errors import LabError

Parts = Mapping[str, str]  # "the compiler" -> "gcc (Debian 12.2.0-14) 12.2.0"


@dataclass(frozen=True)
class Basis:
    """`began` is what the bisection began with, `now` looks at what there is at this moment."""

    began: Parts
    now: Callable[[], Parts]

    def check(self) -> None:
        """LabError when something is not what it was."""
        now = self.now()
        for what, was in self.began.items():
            if now.get(what, was) != was:
                raise LabError(f"{what} is {now[what]} now, and was {was} when this bisection began; put that back and "
                               "resume, or begin a new bisection")


def begun(began: Parts, now: Callable[[], Parts]) -> Basis:
    """Of a new bisection (nothing of `began` is known) as things are, of a resumed one as they were. LabError when that
    is not the same."""
    basis = Basis(began or now(), now)
    basis.check()
    return basis
