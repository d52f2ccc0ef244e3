"""The ledger: every way in which a block can be right or wrong is told apart."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.guest.allowance import Ranges, Rules, Tally
from lab.guest.ledger import Ledger

NONE = Ranges([])


def ledger(blocks: int = 64, size: int = 512) -> Ledger:
    return Ledger("disk", seed=7, blocks=blocks, block_size=size)


def written(book: Ledger, lba: int, count: int) -> bytes:
    generation = book.next_generation()
    book.done(book.begin(lba, [generation] * count))
    return book.run(lba, count, generation)


def judge(book: Ledger, lba: int, data: bytes, changed: Ranges = NONE, zero: Ranges = NONE) -> Tally:
    tally = Tally()
    book.judge(lba, data, book.contents(lba, len(data) // book.block_size), tally, Rules(changed, zero))
    return tally


@pytest.mark.parametrize("size", [512, 4096])
def test_what_was_written_is_new_and_what_was_not_is_zero(size: int) -> None:
    book = ledger(size=size)
    data = written(book, 4, 8)
    assert len(data) == 8 * size
    assert judge(book, 4, data).counts == {"new": 8}
    assert judge(book, 3, bytes(size) + data).counts == {"zero": 1, "new": 8}
    assert judge(book, 20, bytes(4 * size)).counts == {"zero": 4}


def test_no_two_blocks_are_alike() -> None:
    book, other, later = ledger(), Ledger("other", 7, 64, 512), Ledger("disk", 8, 64, 512)
    blocks = [book.block(lba, g) for lba in range(8) for g in (1, 2)] + [other.block(0, 1), later.block(0, 1)]
    assert len(set(blocks)) == len(blocks)


def test_a_lost_write_is_lost_whatever_was_there_before() -> None:
    book = ledger()
    old = written(book, 0, 2)
    written(book, 0, 3)
    seen = judge(book, 0, old + bytes(512))
    assert seen.counts == {"lost": 3} and not seen.ok
    assert seen.first_bad[0] == {"lba": 0, "found": "generation 1 instead of generation 2"}
    assert seen.first_bad[2] == {"lba": 2, "found": "zeros instead of generation 2"}


def test_a_torn_block_says_where_it_is_torn() -> None:
    book = ledger()
    old = written(book, 5, 1)
    new = written(book, 5, 1)
    seen = judge(book, 5, new[:256] + old[256:])
    assert seen.counts == {"torn": 1}
    assert seen.first_bad[0]["found"].startswith("generation 2 in bytes 0-255, generation 1 in bytes 256-511")


@pytest.mark.parametrize(("data", "words"), [
    (ledger().block(9, 1), "generation 1 of LBA 9"),
    (Ledger("other", 7, 64, 512).block(1, 1), "LBA 1 of another backstore"),
    (Ledger("disk", 8, 64, 512).block(1, 1), "a block of another run"),
    (b"\xaa" * 512, "other bytes"),
])
def test_foreign_contents_are_named(data: bytes, words: str) -> None:
    book = ledger()
    written(book, 1, 1)
    seen = judge(book, 1, data)
    assert seen.counts == {"foreign": 1} and words in str(seen.first_bad[0]["found"])


def test_one_flipped_bit_is_noticed_anywhere() -> None:
    book = ledger()
    good = written(book, 3, 1)
    for bit in random.Random(1).sample(range(512 * 8), 64):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        assert not judge(book, 3, bytes(bad)).ok


def test_a_block_nobody_wrote_must_stay_zero() -> None:
    seen = judge(ledger(), 0, b"\1" * 512)
    assert seen.counts == {"foreign": 1} and "instead of zeros" in str(seen.first_bad[0]["found"])


def test_after_a_failed_write_old_and_new_are_right_for_its_blocks_only() -> None:
    book = ledger()
    old = written(book, 0, 4)
    generation = book.next_generation()
    book.failed(book.begin(1, [generation] * 2))
    new = book.run(0, 4, generation)
    assert judge(book, 0, old[:512] + new[512:1024] + old[1024:]).counts == {"new": 3, "old": 1}
    assert judge(book, 0, new[:512]).counts == {"foreign": 1} or not judge(book, 0, new[:512]).ok


def test_a_refused_write_changes_nothing() -> None:
    book = ledger()
    old = written(book, 0, 1)
    generation = book.next_generation()
    book.refused(book.begin(0, [generation]))
    assert judge(book, 0, old).counts == {"new": 1}
    assert judge(book, 0, book.block(0, generation)).counts == {"lost": 1}


def test_what_was_read_after_a_failed_write_must_stay() -> None:
    book = ledger()
    old = written(book, 0, 1)
    generation = book.next_generation()
    book.failed(book.begin(0, [generation]))
    assert judge(book, 0, old).counts == {"old": 1}
    assert judge(book, 0, old).counts == {"new": 1}
    assert not judge(book, 0, book.block(0, generation)).ok


def test_a_good_write_ends_the_doubt_of_a_failed_one_for_its_own_blocks() -> None:
    book = ledger()
    old = written(book, 0, 6)
    failed = book.next_generation()
    book.failed(book.begin(0, [failed] * 6))
    new = written(book, 2, 2)
    doubted = book.run(0, 6, failed)
    assert judge(book, 2, new).counts == {"new": 2}
    assert judge(book, 2, doubted[1024:2048]).counts == {"lost": 2}
    assert judge(book, 0, doubted[:1024]).counts == {"new": 2}
    assert judge(book, 4, old[2048:]).counts == {"old": 2}


def test_during_a_write_both_are_right() -> None:
    book = ledger()
    old = written(book, 0, 1)
    generation = book.next_generation()
    write = book.begin(0, [generation])
    for _ in range(2):  # an unfinished write settles nothing
        assert judge(book, 0, old).ok and judge(book, 0, book.block(0, generation)).ok
    book.done(write)
    assert judge(book, 0, old).counts == {"lost": 1}


def test_a_write_that_ends_during_a_read() -> None:
    book = ledger()
    old = written(book, 0, 1)
    before = book.contents(0, 1)
    written(book, 0, 1)
    tally = Tally()
    book.judge(0, old, before, tally, Rules())
    assert tally.counts == {"old": 1}


def test_of_two_writes_at_once_either_may_be_last() -> None:
    book = ledger()
    a, b = book.next_generation(), book.next_generation()
    first, second = book.begin(0, [a]), book.begin(0, [b])
    book.done(second)
    book.done(first)
    assert judge(book, 0, book.block(0, b)).ok
    assert not judge(book, 0, book.block(0, a)).ok  # b was read: it stays


def test_other_contents_are_known_by_their_bytes() -> None:
    book = ledger()
    book.done(book.begin(2, [b"\x07" * 512, 0]))
    assert judge(book, 2, b"\x07" * 512 + bytes(512)).counts == {"new": 1, "zero": 1}
    assert judge(book, 2, b"\x08" * 512).counts == {"foreign": 1}


def test_an_acknowledged_hint_allows_old_and_zeros() -> None:
    book = ledger()
    old = written(book, 0, 2)
    book.may_be_zero(book.begin(0, [0, 0]))
    assert judge(book, 0, bytes(512) + old[512:]).counts == {"new": 1, "old": 1}


def test_zero_and_allow_changed() -> None:
    book = ledger()
    data = written(book, 0, 4)
    assert judge(book, 0, bytes(512) + data[512:], zero=Ranges([(0, 0)])).counts == {"zero": 1, "new": 3}
    seen = judge(book, 0, data, zero=Ranges([(1, 1)]))
    assert seen.counts == {"new": 3, "foreign": 1} and "not zeros but generation 1" in str(seen.first_bad[0]["found"])
    assert judge(book, 0, b"x" * 512 + data[512:], changed=Ranges([(0, 0)])).counts == {"changed": 1, "new": 3}


def test_forgotten_blocks_may_hold_anything_until_they_are_written() -> None:
    book = ledger()
    book.forget(0, 999)
    assert judge(book, 0, b"?" * 1024).counts == {"changed": 2}
    assert judge(book, 0, written(book, 0, 1)).counts == {"new": 1}


def test_a_write_over_the_end_is_kept_up_to_the_end() -> None:
    book = ledger(blocks=4)
    book.done(book.begin(2, [1, 1, 1, 1]))
    assert judge(book, 2, book.run(2, 2, 1)).counts == {"new": 2}


def test_ranges() -> None:
    ranges = Ranges([[0, 9], [20, 20]])
    assert list(ranges.transfers(4)) == [(0, 4), (4, 4), (8, 2), (20, 1)]
    assert 9 in ranges and 10 not in ranges and ranges.last == 20
    assert ranges.touch(10, 11) and not ranges.touch(10, 10)


class Device:
    """A disk that applies, loses or half applies writes, as a model to hold the ledger against."""

    def __init__(self, book: Ledger) -> None:
        self.blocks = [bytes(book.block_size)] * book.blocks


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(1, 6),
                          st.sampled_from(["good", "failed-done", "failed-lost"])), max_size=25), st.integers(0, 15))
def test_an_honest_device_is_never_blamed_and_a_lost_block_always(ops: list, victim: int) -> None:
    book = ledger(blocks=22)
    device = Device(book)
    for lba, count, outcome in ops:
        generation = book.next_generation()
        write = book.begin(lba, [generation] * count)
        if outcome != "failed-lost":
            for at in range(lba, lba + count):
                device.blocks[at] = book.block(at, generation)
        (book.done if outcome == "good" else book.failed)(write)
    assert judge(book, 0, b"".join(device.blocks)).ok
    assert judge(book, 0, b"".join(device.blocks)).ok  # and again, now that all is settled
    generation = book.next_generation()
    book.done(book.begin(victim, [generation]))
    assert judge(book, 0, b"".join(device.blocks)).counts.get("lost") == 1


@pytest.mark.parametrize(("end", "rules", "good"), [
    ("acknowledged", {}, {"new"}),
    ("acknowledged", {"acknowledged": {"lost"}}, {"old", "lost", "zero"}),
    ("acknowledged", {"acknowledged": {"new", "torn"}}, {"new", "torn"}),
    ("acknowledged", {"failed": {"torn", "lost"}, "in_flight": {"torn", "lost"}}, {"new"}),
    ("failed", {}, {"new", "old"}),
    ("failed", {"failed": {"old"}}, {"old"}),
    ("failed", {"failed": {"torn", "lost"}}, {"torn", "lost", "zero"}),
    ("failed", {"in_flight": {"torn"}}, {"new", "old"}),
    ("in_flight", {"in_flight": {"new"}}, {"new"}),
    ("in_flight", {"failed": {"torn"}}, {"new", "old"}),
])
def test_the_scenario_says_what_a_block_may_be_by_how_its_last_write_ended(end: str, rules: dict, good: set) -> None:
    book = ledger()
    first, old = written(book, 0, 1), written(book, 0, 1)
    generation = book.next_generation()
    new = book.block(0, generation)
    begun = book.begin(0, [generation])
    if end != "in_flight":
        (book.done if end == "acknowledged" else book.failed)(begun)
    found = {"new": new, "old": old, "torn": new[:256] + old[256:], "lost": first, "zero": bytes(512),
             "foreign": b"x" * 512}
    told = Rules(**{key: frozenset(states) for key, states in rules.items()})
    for name, data in found.items():
        fresh, tally = copy.deepcopy(book.contents(0, 1)), Tally()
        pending = list(book._pending)
        book.judge(0, data, fresh, tally, told)
        assert tally.ok == (name in good), (name, tally)
        assert tally.ok or tally.first_bad[0]["lba"] == 0
        book._current[0], book._pending[:] = fresh[0], pending  # as if it had not been read


def test_what_is_right_but_not_allowed_is_named() -> None:
    book = ledger()
    old = written(book, 0, 1)
    generation = book.next_generation()
    book.failed(book.begin(0, [generation]))
    tally = Tally()
    book.judge(0, book.block(0, generation), book.contents(0, 1), tally, Rules(failed=frozenset({"old"})))
    assert tally.first_bad == [{"lba": 0, "found": "generation 2, which is new"}]
    tally = Tally()
    book.judge(0, old, book.contents(0, 1), tally, Rules(failed=frozenset({"new"})))
    assert tally.first_bad == [{"lba": 0, "found": "generation 1, which is old"}]
