"""What a SCSI command is going to change, told to the ledger before it is sent."""

from __future__ import annotations

from typing import Any

from lab.guest.ledger import Content, Ledger, Pending
from lab.t10.fields import parse_descriptor

WRITES = ("write6", "write10", "write12", "write16", "write32", "write_and_verify10", "write_and_verify12",
          "write_and_verify16", "write_atomic16")
_SAME = ("write_same10", "write_same16", "write_same32")
Change = tuple[Ledger, Pending]
Piece = tuple[int, list[Content]]  # first LBA, and what each block from there on will hold


def begin(ledger: Ledger | None, pieces: list[Piece]) -> list[Change]:
    """The writes that the ledger now knows to be under way; of none where there is no ledger."""
    if ledger is None:
        return []
    return [(ledger, ledger.begin(first, contents)) for first, contents in pieces
            if contents and first < ledger.blocks]


def pieces(ledger: Ledger, command: str, lba: int, count: int, arguments: dict[str, Any], payload: bytes,
           generation: int) -> list[Piece]:
    """The blocks that a command with this data-out writes; `generation` is that of its ledger blocks, 0: none."""
    if command in WRITES:
        return [(lba, _contents(ledger, payload, lba, generation))]
    if command == "compare_and_write":
        return [(lba, _contents(ledger, payload[len(payload) // 2:], lba, generation))]
    if command in _SAME:
        number = count or ledger.blocks - lba
        block = payload[:ledger.block_size] or bytes(ledger.block_size)
        # Past the limit of WRITE SAME the command fails; the ledger then allows old and new, which is right.
        return [_filled(ledger, lba, number, block if any(block) else 0)]
    if command == "unmap":
        return [_filled(ledger, first, number, 0) for first, number in _unmapped(lba, count, arguments)]
    return []


def _filled(ledger: Ledger, lba: int, number: int, content: Content) -> Piece:
    """The same in blocks that there are; scenarios send any LBA, up to 2^64 - 1."""
    return lba, [content] * max(0, min(number, ledger.blocks - lba))


def copied(source: Ledger | None, lba: int, destination: Ledger | None, to: int, count: int) -> list[Piece]:
    """EXTENDED COPY: the destination holds what the source holds now, byte for byte."""
    if source is None or destination is None or to >= destination.blocks:
        return []
    held = source.contents(lba, min(count, destination.blocks - to))
    return [(to, [_bytes(source, lba + i, content) for i, content in enumerate(held)])]


def _bytes(ledger: Ledger, lba: int, content: Content) -> Content:
    """Zeros stay a generation, which is shorter; what the source is not known to hold is not known of the copy."""
    return ledger.block(lba, content) if isinstance(content, int) and content else content


def _contents(ledger: Ledger, payload: bytes, lba: int, generation: int) -> list[Content]:
    size = ledger.block_size
    listed: list[Content] = [payload[i:i + size] for i in range(0, len(payload) - size + 1, size)]
    return [generation if generation and c == ledger.block(lba + i, generation)
            else 0 if isinstance(c, bytes) and not any(c) else c for i, c in enumerate(listed)]


def _unmapped(lba: int, count: int, arguments: dict[str, Any]) -> list[tuple[int, int]]:
    listed = arguments.get("descriptors")
    if listed is None:
        return [(lba, count)]
    return [parse_descriptor(d) for d in (listed if isinstance(listed, list) else [listed])]
