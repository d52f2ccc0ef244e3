"""What every block of a backstore must hold.

A write is `begin`, then `done` or `failed`. After a failed write the old contents or the new are right, for these
blocks only.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from lab.guest.allowance import Rules, Tally
from lab.guest.pattern import RECORD, ZERO, Pattern

# What a block holds: a generation of the ledger (0: zeros), these very bytes, or anything.
Content = int | bytes | None


@dataclass(eq=False)
class Pending:
    """A write that was begun: blocks first..last may already hold `contents` (of the block: contents[lba - first])."""

    first: int
    last: int
    contents: list[Content]
    in_flight: bool = True
    rivals: list[Pending] = field(default_factory=list)

    def content(self, lba: int) -> Content:
        return self.contents[lba - self.first]


class Ledger:
    """The blocks of one backstore, shared by all its LUNs. Safe for many threads."""

    def __init__(self, name: str, seed: int, blocks: int, block_size: int) -> None:
        self.blocks, self.block_size = blocks, block_size
        self.pattern = Pattern(name, seed, block_size)
        self._current: list[Content] = [ZERO] * blocks
        self._pending: list[Pending] = []
        self._generation = 0
        self._lock = threading.Lock()

    def next_generation(self) -> int:
        """The generation of one more write step."""
        with self._lock:
            self._generation += 1
            return self._generation

    def block(self, lba: int, generation: int) -> bytes:
        """The contents of a block in a generation."""
        return self.run(lba, 1, generation)

    def run(self, lba: int, count: int, generation: int) -> bytes:
        """The contents of `count` blocks from `lba` in one generation."""
        return self.pattern.run(lba, count, generation)

    def begin(self, lba: int, contents: list[Content]) -> Pending:
        """A write of these contents starts. Blocks beyond the end are not kept."""
        last = min(lba + len(contents), self.blocks) - 1
        write = Pending(lba, last, contents)
        with self._lock:
            write.rivals = [p for p in self._pending if p.in_flight and p.first <= last and lba <= p.last]
            for rival in write.rivals:
                rival.rivals.append(write)
            self._pending.append(write)
        return write

    def done(self, write: Pending) -> None:
        """The write was acknowledged: from now on only its contents are right."""
        with self._lock:
            self._pending.remove(write)
            write.in_flight = False
            self._forget_failed(write.first, write.last)
            for lba in range(write.first, write.last + 1):
                self._current[lba] = write.content(lba)
            # Two writes at once: either may have come last.
            self._pending += [Pending(p.first, p.last, p.contents, in_flight=False)
                              for p in write.rivals if not p.in_flight]

    def failed(self, write: Pending) -> None:
        """The write was refused or lost: old or new contents are right until the next good write."""
        with self._lock:
            write.in_flight = False

    def refused(self, write: Pending) -> None:
        """The write was turned away before it touched anything: only what was right before is right."""
        with self._lock:
            self._pending.remove(write)
            write.in_flight = False
            for rival in write.rivals:
                rival.rivals.remove(write)

    def forget(self, first: int, last: int) -> None:
        """Anything may be in these blocks: someone else (fio) wrote them."""
        with self._lock:
            last = min(last, self.blocks - 1)
            if first <= last:
                self._current[first:last + 1] = [None] * (last - first + 1)

    def may_be_zero(self, write: Pending) -> None:
        """An acknowledged hint such as UNMAP (SBC-4 4.7.3): old contents or zeros, both are right."""
        self.failed(write)

    def _forget_failed(self, first: int, last: int) -> None:
        kept: list[Pending] = []
        for old in self._pending:
            if old.in_flight or old.last < first or last < old.first:
                kept.append(old)
                continue
            if old.first < first:
                kept.append(Pending(old.first, first - 1, old.contents[:first - old.first], in_flight=False))
            if last < old.last:
                kept.append(Pending(last + 1, old.last, old.contents[last + 1 - old.first:], in_flight=False))
        self._pending = kept

    def contents(self, lba: int, count: int) -> list[Content]:
        """What the last good writes left in these blocks."""
        with self._lock:
            return self._current[lba:lba + count]

    def judge(self, lba: int, data: bytes, before: list[Content], tally: Tally, rules: Rules) -> None:
        """Hold what was read from `lba` on against the ledger and count it in `tally`.

        `before` is `contents()` from before the read: a write that ended during the read may not be in the data.
        """
        size, count = self.block_size, len(data) // self.block_size
        with self._lock:
            current = self._current[lba:lba + count]
            pending = [p for p in self._pending if p.first < lba + count and lba <= p.last]
        if not pending and not rules.touch(lba, count):
            first = current[0]
            if isinstance(first, int) and current.count(first) == count \
                    and data == self.run(lba, count, first):
                tally.add("new" if first else "zero", count)
                return
        for index in range(count):
            at = lba + index
            if before[index] != current[index] and self._is(at, data[index * size:(index + 1) * size], before[index]):
                tally.add("old")
                continue
            self._judge_block(at, data[index * size:(index + 1) * size], current[index],
                              [p for p in pending if p.first <= at <= p.last], tally, rules)

    def _judge_block(self, lba: int, data: bytes, current: Content, pending: list[Pending], tally: Tally,
                     rules: Rules) -> None:
        if lba in rules.zero:
            if data == bytes(len(data)):
                tally.add("zero")
            else:
                tally.bad("foreign", lba, f"not zeros but {self.pattern.name(lba, data)}")
        elif lba in rules.changed or current is None or any(p.content(lba) is None for p in pending):
            tally.add("changed")
        else:
            state, content = self._state(lba, data, current, pending)
            if state == "zero" or state in rules.allowed([p.in_flight for p in pending]):
                tally.add(state)
                if state in ("new", "old", "zero"):
                    self._settle(lba, content, pending)
            else:
                tally.bad(state, lba, self._told(lba, data, state, current, pending))

    def _state(self, lba: int, data: bytes, current: Content, pending: list[Pending]) -> tuple[str, Content]:
        """What a block is, and its content where that is a known one. Zeros that nobody wrote over are `zero`."""
        if self._is(lba, data, current):
            return "old" if pending else "zero" if current == ZERO else "new", current
        if found := next((p for p in pending if self._is(lba, data, p.content(lba))), None):
            return "new", found.content(lba)
        kinds = {self.pattern.kind(lba, data[i:i + RECORD]) for i in range(0, len(data), RECORD)}
        if len(kinds) > 1 and any(isinstance(kind, int) and kind > 0 for kind in kinds):
            return "torn", None
        one = len(kinds) == 1 and isinstance(next(iter(kinds)), int)
        return "lost" if one and (current != ZERO or pending) else "foreign", None

    def _settle(self, lba: int, content: Content, pending: list[Pending]) -> None:
        """What was once read after a failed write must stay; a change after that is a fault."""
        if not pending or any(p.in_flight for p in pending):
            return
        with self._lock:
            if all(p in self._pending for p in pending):
                self._current[lba] = content
                self._forget_failed(lba, lba)

    def _told(self, lba: int, data: bytes, state: str, current: Content, pending: list[Pending]) -> str:
        found, wanted = self.pattern.name(lba, data), _named(current)
        if state in ("new", "old"):  # right by itself, but not what the scenario says
            return f"{found}, which is {state}"
        if pending:
            wanted += "".join(f" or {word}" for word in dict.fromkeys(_named(p.content(lba)) for p in pending))
        return f"{found} instead of {wanted}"

    def _is(self, lba: int, data: bytes, content: Content) -> bool:
        return data == (self.block(lba, content) if isinstance(content, int) else content)


def _named(content: Content) -> str:
    if content is None:
        return "anything"
    return "the bytes that were sent" if isinstance(content, bytes) else f"generation {content}" if content else "zeros"
