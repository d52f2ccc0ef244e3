"""What the ledger is told of a SCSI command: which blocks it changes, and to what."""

from __future__ import annotations

import ctypes

from lab.guest import effects, sg
from lab.guest.allowance import Rules, Tally
from lab.guest.ledger import Ledger

SIZE = 512


def ledger(name: str = "disk", blocks: int = 16) -> Ledger:
    return Ledger(name, seed=1, blocks=blocks, block_size=SIZE)


def written(book: Ledger, lba: int, count: int) -> int:
    generation = book.next_generation()
    book.done(book.begin(lba, [generation] * count))
    return generation


def judged(book: Ledger, lba: int, data: bytes) -> Tally:
    tally = Tally()
    book.judge(lba, data, book.contents(lba, len(data) // SIZE), tally, Rules())
    return tally


def test_a_copy_holds_the_bytes_of_its_source_and_nothing_else() -> None:
    source, destination = ledger("a"), ledger("b")
    generation = written(source, 0, 16)
    written(destination, 0, 16)
    for book, change in effects.begin(destination, effects.copied(source, 2, destination, 5, 3)):
        book.done(change)
    assert judged(destination, 5, source.run(2, 3, generation)).ok
    assert not judged(destination, 5, source.run(3, 3, generation)).ok
    assert not judged(destination, 5, destination.run(5, 3, 1)).ok
    assert judged(destination, 8, destination.run(8, 8, 1)).ok


def test_a_copy_that_was_refused_leaves_what_was_there() -> None:
    source, destination = ledger("a"), ledger("b")
    generation = written(source, 0, 16)
    for book, change in effects.begin(destination, effects.copied(source, 0, destination, 0, 4)):
        book.refused(change)
    assert judged(destination, 0, bytes(4 * SIZE)).ok
    assert not judged(destination, 0, source.run(0, 4, generation)).ok


def test_what_lies_beyond_the_end_is_not_told() -> None:
    book = ledger()
    assert effects.copied(book, 0, book, 16, 1) == []
    assert [len(contents) for _, contents in effects.copied(book, 0, book, 14, 4)] == [2]
    assert effects.begin(book, effects.pieces(book, "write16", 16, 1, {}, bytes(SIZE), 0)) == []
    assert effects.begin(None, [(0, [0])]) == []
    for command in ("unmap", "write_same16", "write16"):
        assert effects.begin(book, effects.pieces(book, command, (1 << 64) - 1, 2, {}, bytes(SIZE), 0)) == []


def test_write_same_unmap_and_writes() -> None:
    book = ledger()
    assert effects.pieces(book, "write_same32", 14, 0, {}, b"\1" * SIZE, 0) == [(14, [b"\1" * SIZE] * 2)]
    assert effects.pieces(book, "write_same16", 1, 2, {"ndob": 1}, b"", 0) == [(1, [0, 0])]
    assert effects.pieces(book, "unmap", 0, 1, {"descriptors": ["4+2", "9+1"]}, b"", 0) == [(4, [0, 0]), (9, [0])]
    assert effects.pieces(book, "compare_and_write", 3, 1, {}, b"\1" * SIZE + b"\2" * SIZE, 0) == [(3, [b"\2" * SIZE])]
    assert effects.pieces(book, "read16", 3, 1, {}, b"", 0) == []


def test_a_buffer_begins_where_it_is_told(monkeypatch) -> None:
    seen = []

    def ioctl(fd: int, request: int, header: bytearray) -> None:
        fields = sg._HEADER.unpack(header)
        seen.append((fields[6] % 4096, ctypes.string_at(fields[6], fields[5])))

    monkeypatch.setattr(sg.fcntl, "ioctl", ioctl)
    sg.command(0, bytes(6), send=b"abc" * 400, page_offset=3584)
    sg.command(0, bytes(6), send=b"xyz")
    assert seen == [(3584, b"abc" * 400), (0, b"xyz")]
