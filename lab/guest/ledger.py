"""What every block of a backstore must hold. The contents name LBA and generation, so any block can be judged.

A block is filled with copies of one 32-byte record (magic, generation, LBA, seed, backstore, CRC). A write is
`begin`, then `done` or `failed`. After a failed write the old contents or the new are right, for these blocks only.
"""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

MAGIC = b"LIOL"
RECORD = 32
_HEAD = struct.Struct("<4sIQQI")
_BAD_LIMIT = 8

# What a block holds: a generation of the ledger (0: zeros), these very bytes, or anything.
Content = int | bytes | None
ZERO = 0


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


class Ledger:
    """The blocks of one backstore, shared by all its LUNs. Safe for many threads."""

    def __init__(self, name: str, seed: int, blocks: int, block_size: int) -> None:
        self.blocks, self.block_size = blocks, block_size
        self._tag, self._seed = zlib.crc32(name.encode()), seed & (1 << 64) - 1
        self._current: list[Content] = [ZERO] * blocks
        self._pending: list[Pending] = []
        self._generation = 0
        self._lock = threading.Lock()
        self._zeros = bytes(block_size)

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
        if generation == ZERO:
            return self._zeros * count
        copies = self.block_size // RECORD
        return b"".join([self._record(at, generation) * copies for at in range(lba, lba + count)])

    def _record(self, lba: int, generation: int) -> bytes:
        # A command may name a block that no LUN can have, such as the one after 2^64 - 1.
        head = _HEAD.pack(MAGIC, generation, lba & (1 << 64) - 1, self._seed, self._tag)
        return head + zlib.crc32(head).to_bytes(4, "little")

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
            if data == self._zeros:
                tally.add("zero")
            else:
                tally.bad("foreign", lba, f"not zeros but {self.name(lba, data)}")
        elif lba in rules.changed or current is None or any(p.content(lba) is None for p in pending):
            tally.add("changed")
        else:
            state, content = self._state(lba, data, current, pending)
            if state == "zero" or state in rules.allowed(pending):
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
        kinds = {self._kind(lba, data[i:i + RECORD]) for i in range(0, len(data), RECORD)}
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
        found, wanted = self.name(lba, data), _named(current)
        if state in ("new", "old"):  # right by itself, but not what the scenario says
            return f"{found}, which is {state}"
        if pending:
            wanted += "".join(f" or {word}" for word in dict.fromkeys(_named(p.content(lba)) for p in pending))
        return f"{found} instead of {wanted}"

    def _is(self, lba: int, data: bytes, content: Content) -> bool:
        return data == (self.block(lba, content) if isinstance(content, int) else content)

    def _kind(self, lba: int, record: bytes) -> int | str:
        """Generation of a record of this very block, 0 for zeros, else a text that says what it is."""
        if record == bytes(len(record)):
            return ZERO
        if record[:4] != MAGIC or zlib.crc32(record[:-4]).to_bytes(4, "little") != record[-4:]:
            return "other bytes"
        _, generation, at, seed, tag = _HEAD.unpack(record[:-4])
        if seed != self._seed:
            return "a block of another run"
        if tag != self._tag:
            return f"LBA {at} of another backstore"
        return int(generation) if at == lba else f"generation {generation} of LBA {at}"

    def name(self, lba: int, data: bytes) -> str:
        """What a block holds, in words: `generation 2 in bytes 0-511, zeros in bytes 512-4095`."""
        parts: list[tuple[int | str, int]] = []
        for start in range(0, len(data), RECORD):
            kind = self._kind(lba, data[start:start + RECORD])
            if not parts or parts[-1][0] != kind:
                parts.append((kind, start))
        words = [f"generation {k}" if isinstance(k, int) and k else "zeros" if k == ZERO else str(k)
                 for k, _ in parts]
        if len(parts) == 1:
            return words[0]
        ends = [start for _, start in parts[1:]] + [len(data)]
        listed = [f"{word} in bytes {start}-{end - 1}"
                  for word, (_, start), end in zip(words, parts, ends, strict=True)]
        return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more pieces" if len(listed) > 4 else "")


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

    def allowed(self, pending: list[Pending]) -> frozenset[str]:
        """The states of a block with these writes, that were begun and not acknowledged."""
        if not pending:
            return self.acknowledged
        return self.in_flight if any(p.in_flight for p in pending) else self.failed

    def touch(self, lba: int, count: int) -> bool:
        """Whether there is more to say of these blocks than that they are new."""
        return "new" not in self.acknowledged or self.changed.touch(lba, count) or self.zero.touch(lba, count)


def _named(content: Content) -> str:
    if content is None:
        return "anything"
    return "the bytes that were sent" if isinstance(content, bytes) else f"generation {content}" if content else "zeros"
