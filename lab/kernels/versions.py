"""Debian package versions: their order (deb-version(7)) and which of them a short one means."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

_PIECE = re.compile(r"(\D*)(\d*)")


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as dpkg orders the versions."""
    for one, other in zip(_split(left), _split(right), strict=True):
        if one != other and (result := _compare_part(one, other)):
            return result
    return 0


key = functools.cmp_to_key(compare)


def newest_first(versions: Iterable[str]) -> list[str]:
    """Sorted as dpkg does, newest first, without doubles."""
    return sorted(set(versions), key=key, reverse=True)


def matches(version: str, wanted: str) -> bool:
    """Whether `wanted` is the version, or its beginning up to a separator: 6.1 means 6.1.192-2, not 6.12.9-1."""
    return version == wanted or (version.startswith(wanted) and not version[len(wanted)].isalnum())


def newest_of_series(versions: Iterable[str], number: int) -> str:
    """For an error: the newest version of each of the newest series, `6.12.9-1, 6.1.192-2`; "" where there are none."""
    newest: dict[str, str] = {}
    for version in newest_first(versions):
        newest.setdefault(series(version), version)
    return ", ".join(list(newest.values())[:number])


def is_exact(wanted: str) -> bool:
    """Whether one package is named, with its revision: 6.12.117-1 is not its rebuild 6.12.117-1~deb12u1."""
    return "-" in wanted


def series(version: str) -> str:
    """6.12 of 6.12.117-1~deb12u1."""
    return ".".join(re.split(r"[.+~-]", version)[:2])


def _split(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch, upstream, revision


def _compare_part(left: str, right: str) -> int:
    for (text, number), (other_text, other_number) in _side_by_side(left, right):
        if text != other_text:
            one, other = [_weight(c) for c in text] + [0], [_weight(c) for c in other_text] + [0]
            if one != other:
                return -1 if one < other else 1
        if (a := int(number or 0)) != (b := int(other_number or 0)):
            return -1 if a < b else 1
    return 0


def _side_by_side(left: str, right: str) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    ours, theirs = _PIECE.findall(left), _PIECE.findall(right)
    for index in range(max(len(ours), len(theirs))):
        yield (ours[index] if index < len(ours) else ("", ""),
               theirs[index] if index < len(theirs) else ("", ""))


def _weight(character: str) -> int:
    """~ before the end (0), the end before letters, letters before all else."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
