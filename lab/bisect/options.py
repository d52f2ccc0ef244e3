"""The smallest set of options that makes the difference: delta debugging (ddmin), with tests that may not tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from lab.bisect.search import Contradiction

Options = frozenset[str]


class Told(Enum):
    """What is known of a set of options; UNRESOLVED: it gives no kernel, or one that fails in another way."""

    GOOD = "good"
    BAD = "bad"
    UNRESOLVED = "unresolved"


@dataclass(frozen=True)
class Smallest:
    """`options` make the difference together; without any one it is gone, or (`unsure`) nobody can tell."""

    options: Options
    unsure: Options
    tests: int  # sets that were tried beside none and all, each once


@dataclass
class _Tests:
    """Each set is tried once."""

    test: Callable[[Options], Told]
    survivors: Callable[[Options], Options]
    seen: dict[Options, Told]

    def bad(self, options: Options) -> bool:
        if options not in self.seen:
            self.seen[options] = self.test(options)
        return self.seen[options] is Told.BAD

    def shrunk(self, options: Options) -> Options:
        """Without those that the configuration did not keep, where it fails like that too."""
        kept = options & self.survivors(options)
        return kept if kept != options and self.bad(kept) else options


def minimise(groups: Sequence[Options], test: Callable[[Options], Told], *,
             survivors: Callable[[Options], Options] = lambda options: options) -> Smallest:
    """The smallest subset of all options in `groups` that is BAD: no option can be left out (1-minimal).

    None of them must be GOOD: the caller knows that. All together are tried first; Contradiction when they are not BAD,
    for then something else than these options makes the difference. Options of a group are left out together
    first and only then one by one. `survivors(options)`: those that a configuration made with them really has. The
    sets that are tried depend on nothing but the answers, so a journal of them is enough to go on after a break.
    """
    tests = _Tests(test, survivors, {frozenset(): Told.GOOD})
    if not tests.bad(_union(groups)):
        raise Contradiction("the good configuration with all options of the bad one does not fail; something else "
                            "than options makes the difference, such as the order of the files' lines")
    found = _ddmin(list(groups), tests)
    singles = [frozenset((option,)) for group in groups for option in sorted(group) if option in _union(found)]
    options = _union(_ddmin(singles, tests))
    unsure = [o for o in options if tests.seen.get(options - {o}) is Told.UNRESOLVED]
    return Smallest(options, frozenset(unsure), len(tests.seen) - 2)


def _ddmin(units: list[Options], tests: _Tests) -> list[Options]:
    """The units that are left when no part of them, at last no single one, can go."""
    pieces = 2
    while len(units) > 1:
        smaller = _smaller(units, min(pieces, len(units)), tests)
        if smaller is None:
            if pieces >= len(units):
                break
            pieces *= 2
            continue
        was_part, left = smaller
        kept = tests.shrunk(_union(left))
        units = [unit & kept for unit in left if unit & kept]
        pieces = 2 if was_part else max(2, pieces - 1)
    return units


def _smaller(units: list[Options], pieces: int, tests: _Tests) -> tuple[bool, list[Options]] | None:
    """A piece that is BAD by itself (True), or what is left without one (False)."""
    bounds = [len(units) * n // pieces for n in range(pieces + 1)]
    cuts = list(zip(bounds, bounds[1:], strict=False))
    for start, end in cuts:
        if tests.bad(_union(units[start:end])):
            return True, units[start:end]
    for start, end in cuts if pieces > 2 else ():
        rest = units[:start] + units[end:]
        if tests.bad(_union(rest)):
            return False, rest
    return None


def _union(groups: Iterable[Options]) -> Options:
    return frozenset().union(*groups)
