"""What a filter hides right before an answer: may it be the culprit instead?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lab.bisect.criterion import Counts


@dataclass(frozen=True)
class Outside:
    """`parents(position)`: positions of the real parents of a candidate that a filter hides; they can be run.
    `left_out(position)`: whether a filter left out what stands right before a candidate, and it is not to be run.

    `totals` and `untestable` are what is known, and change; `enough()`: passes that show that something does not fail.
    """

    parents: Callable[[int], Sequence[int]]
    left_out: Callable[[int], bool]
    title: Callable[[int], str]
    totals: Mapping[int | None, Counts]
    untestable: Mapping[int, str]
    enough: Callable[[], int]
    find_fix: bool

    def next(self, positions: Sequence[int]) -> tuple[int, int] | None:
        """A parent of which too little is known, and how many runs it takes. Those of a range are not run: what of it
        is the culprit cannot be told, so neither can what stands before."""
        for parent in self.parents(positions[0]) if len(positions) == 1 else ():
            total = self._total(parent)
            if parent not in self.untestable and not total.bad and total.good < self.enough():
                return parent, self.enough() - total.good
        return None

    def hidden(self, positions: Sequence[int]) -> str:
        """Why a single answer may be none; empty when its parents are as the old end is."""
        for parent in self.parents(positions[0]) if len(positions) == 1 else ():
            what = f"its real parent, {self.title(parent)}, which the path filter hides,"
            if parent in self.untestable:
                return f"{what} cannot be tested ({self.untestable[parent]})"
            if not self._is_old(parent):
                return f"{what} {'does not fail' if self.find_fix else 'fails'} already"
        return ""

    def unseen(self, positions: Sequence[int]) -> bool:
        """Whether something before one of these may be the culprit, and was not run or not often enough."""
        return any(self.left_out(position) or not all(map(self._is_old, self.parents(position)))
                   for position in positions)

    def _is_old(self, parent: int) -> bool:
        total = self._total(parent)
        return bool(total.bad) if self.find_fix else not total.bad and total.good >= self.enough()

    def _total(self, parent: int) -> Counts:
        return self.totals.get(parent, Counts())
