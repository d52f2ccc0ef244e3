"""What a bisection needs of its kind of subject, beyond the search: names, texts, a place to build in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.bisect.asked import Asked
from lab.bisect.inquiry import Inquiry
from lab.bisect.journal import Journal
from lab.bisect.report import Report, Texts
from lab.bisect.subject import Subject
from lab.bisect.trial import Trial
from lab.errors import UsageError
from lab.kernels.kernel import Kernel

Say = Callable[[str], None]


def nothing() -> None:
    """For a subject that keeps no state of its own."""


def no_revert(position: int, say: Say) -> Kernel:
    """For a subject of which nothing can be taken out again."""
    raise UsageError("only a commit can be reverted; --again runs the answer once more")


@dataclass(frozen=True)
class Plug:
    """A subject with all around it. `asked` names its ends so that they stay the same when branches move on."""

    asked: Asked
    subject: Subject
    name: Callable[[int | None], str]
    texts: Callable[[Inquiry, Journal], Texts]
    believed: Callable[[Inquiry, Journal], Callable[[], None]] = lambda inquiry, journal: nothing
    hidden_parents: Callable[[int], Sequence[int]] = lambda position: ()
    check: Callable[[Sequence[Trial]], None] = lambda trials: None  # whether a journal's trials are still to be had
    reverted: Callable[[int, Say], Kernel] = no_revert
    title_reverted: Callable[[int], str] = str
    done: Callable[[], None] = nothing
    left_out: Callable[[int], bool] = lambda position: False
    inquiry: type[Inquiry] = Inquiry
    report: type[Report] = Report
