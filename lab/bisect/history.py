"""What is searched: candidates (commits, package versions) and which of them contain which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class History:
    """Candidates, parents before children; the last one is the bad end and contains all others.

    The good end is not in it: it is what all candidates without parents here follow. `parents[i]` are positions.
    The culprit is one of the candidates; a candidate fails when the culprit is itself or one of its ancestors.
    """

    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    containing: tuple[int, ...] = field(init=False, repr=False)  # [i]: bit j is set when i contains j; i contains i

    def __post_init__(self) -> None:
        """ValueError when a parent does not stand before its child, or lengths differ."""
        if len(self.names) != len(self.parents):
            raise ValueError("every candidate needs its parents")
        sets: list[int] = []
        for position, parents in enumerate(self.parents):
            own = 1 << position
            for parent in parents:
                if not 0 <= parent < position:
                    raise ValueError(f"{self.names[position]} stands before its parent")
                own |= sets[parent]
            sets.append(own)
        object.__setattr__(self, "containing", tuple(sets))

    @staticmethod
    def linear(names: Sequence[str]) -> History:
        """Each candidate follows the one before it."""
        return History(tuple(names), tuple((n - 1,) if n else () for n in range(len(names))))

    def contains(self, position: int, other: int) -> bool:
        """Whether `other` is the candidate at `position` or an ancestor of it."""
        return bool(self.containing[position] >> other & 1)

    def __len__(self) -> int:
        return len(self.names)
