"""What a verify lets blocks be, and the count of what they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

_BAD_LIMIT = 8


class Ranges:
    """Inclusive ranges of LBAs."""

    def __init__(self, ranges: list[list[int]] | list[tuple[int, int]] | None) -> None:
        self._ranges = [(int(first), int(last)) for first, last in ranges or ()]

    def __contains__(self, lba: int) -> bool:
        return any(first <= lba <= last for first, last in self._ranges)

    def touch(self, lba: int, count: int) -> bool:
        """Whether any of `count` blocks from `lba` is in a range."""
        return any(first < lba + count and lba <= last for first, last in self._ranges)

    def transfers(self, size: int) -> Iterator[tuple[int, int]]:
        """(LBA, count) of the commands, of at most `size` blocks, that cover the ranges."""
        for first, last in self._ranges:
            for lba in range(first, last + 1, size):
                yield lba, min(size, last + 1 - lba)

    def holds(self, first: int, last: int) -> bool:
        """Whether a range lies in one of these."""
        return any(own_first <= first and last <= own_last for own_first, own_last in self._ranges)

    @property
    def last(self) -> int:
        return max((last for _, last in self._ranges), default=-1)


@dataclass(frozen=True)
class Rules:
    """What a verify lets blocks be: anything in `changed`, only zeros in `zero`, else by how their last write ended."""

    changed: Ranges = field(default_factory=lambda: Ranges(None))
    zero: Ranges = field(default_factory=lambda: Ranges(None))
    acknowledged: frozenset[str] = frozenset({"new"})
    failed: frozenset[str] = frozenset({"new", "old"})
    in_flight: frozenset[str] = frozenset({"new", "old"})

    def allowed(self, in_flight: list[bool]) -> frozenset[str]:
        """The states of a block that writes were begun on and not acknowledged; for each, whether it still runs."""
        if not in_flight:
            return self.acknowledged
        return self.in_flight if any(in_flight) else self.failed

    def touch(self, lba: int, count: int) -> bool:
        """Whether there is more to say of these blocks than that they are new."""
        return "new" not in self.acknowledged or self.changed.touch(lba, count) or self.zero.touch(lba, count)


@dataclass
class Tally:
    """Counts of judged blocks, and the first that are not as they must be."""

    counts: dict[str, int] = field(default_factory=dict)
    first_bad: list[dict[str, object]] = field(default_factory=list)

    def add(self, kind: str, number: int = 1) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + number

    def bad(self, kind: str, lba: int, found: str) -> None:
        self.add(kind)
        if len(self.first_bad) < _BAD_LIMIT:
            self.first_bad.append({"lba": lba, "found": found})

    @property
    def ok(self) -> bool:
        return not self.first_bad
