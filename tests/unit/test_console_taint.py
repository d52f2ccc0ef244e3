"""Taint bits that a run added are a failure; those that were there before are not."""

from __future__ import annotations

import pytest

from lab.console.taint import FLAGS, added_flags


@pytest.mark.parametrize(("before", "after", "letters"), [
    (0, 0, ""), (512, 512, ""), (512, 0, ""), (0, 512, "W"), (4096, 4096 | 512 | 128, "DW"),
    (0, 1 << 40, "?"), (0, -1, ""),
])
def test_added_flags(before: int, after: int, letters: str) -> None:
    assert "".join(flag.letter for flag in added_flags(before, after)) == letters


def test_bit_numbers_are_the_kernels() -> None:
    assert {flag.letter: flag.bit for flag in FLAGS if flag.letter in "PBDWOELN"} == {
        "P": 0, "B": 5, "D": 7, "W": 9, "O": 12, "E": 13, "L": 14, "N": 18}
