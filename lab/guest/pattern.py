"""The contents of written blocks: they name LBA and generation, so any block can be judged by itself.

A block is filled with copies of one 32-byte record (magic, generation, LBA, seed, backstore, CRC).
"""

from __future__ import annotations

import struct
import zlib

MAGIC = b"LIOL"
RECORD = 32  # bytes
_HEAD = struct.Struct("<4sIQQI")

ZERO = 0  # the generation of blocks that nobody wrote


class Pattern:
    """What the blocks of one backstore hold in each generation."""

    def __init__(self, name: str, seed: int, block_size: int) -> None:
        self._block_size = block_size
        self._tag, self._seed = zlib.crc32(name.encode()), seed & (1 << 64) - 1

    def run(self, lba: int, count: int, generation: int) -> bytes:
        """The contents of `count` blocks from `lba` in one generation."""
        if generation == ZERO:
            return bytes(self._block_size) * count
        copies = self._block_size // RECORD
        return b"".join([self._record(at, generation) * copies for at in range(lba, lba + count)])

    def _record(self, lba: int, generation: int) -> bytes:
        # A command may name a block that no LUN can have, such as the one after 2^64 - 1.
        head = _HEAD.pack(MAGIC, generation, lba & (1 << 64) - 1, self._seed, self._tag)
        return head + zlib.crc32(head).to_bytes(4, "little")

    def kind(self, lba: int, record: bytes) -> int | str:
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
            kind = self.kind(lba, data[start:start + RECORD])
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
