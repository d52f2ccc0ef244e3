"""The most even way to split a set of culprits, as if each test told the truth: what `git bisect` does, and better."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from lab.bisect.belief import Share, positions

_EXACT = 12  # so many culprits are planned to the end; more, and the most even split has to do


def best_split(shares: Iterable[Share], options: Mapping[int, int]) -> int | None:
    """The position whose test splits the culprits in `shares` best; None when no test splits them.

    `options`: position -> mask of the culprits that make it fail. Of equals the lowest position is taken.
    """
    parts = [(share.members, share.each) for share in shares]
    members = functools.reduce(int.__or__, (mask for mask, _ in parts), 0)
    if members.bit_count() <= _EXACT:
        return _planned(members, parts, options)
    total = sum(mask.bit_count() * each for mask, each in parts)
    best, found = 0.0, None
    for position, mask in options.items():
        inside = sum((mask & own).bit_count() * each for own, each in parts)
        even = min(inside, total - inside)
        if even > best * (1 + 1e-9):
            best, found = even, position
    return found


def _planned(members: int, parts: list[tuple[int, float]], options: Mapping[int, int]) -> int | None:
    """The first test of the plan with the fewest tests on average; of equals, with the fewest at worst."""
    order = list(positions(members))
    weights = [next(each for mask, each in parts if mask >> k & 1) for k in order]
    cuts: dict[int, int] = {}
    for position, mask in options.items():
        cuts.setdefault(sum(1 << n for n, k in enumerate(order) if mask >> k & 1), position)

    @functools.cache
    def plan(left: int) -> tuple[float, int, int | None]:
        """(sum of weight times tests, tests at worst, the first cut)"""
        own = sum(weights[n] for n in positions(left))
        best: tuple[float, int, int | None] | None = None
        for cut in cuts if left & (left - 1) else ():
            inside = left & cut
            if inside in (0, left):
                continue
            one, two = plan(inside), plan(left ^ inside)
            cost = (round(own + one[0] + two[0], 12), 1 + max(one[1], two[1]))
            if best is None or cost < best[:2]:
                best = (*cost, cut)
        return best or (0.0, 0, None)

    cut = plan((1 << len(order)) - 1)[2]
    return None if cut is None else cuts[cut]
