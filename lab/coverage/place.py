"""From a changed place of a patch to lines of the source that a coverage kernel was built of, however it drifted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lab.coverage.atlas import Atlas, Source
from lab.coverage.patch import Change
from lab.coverage.reach import Function


@dataclass(frozen=True)
class Place:
    """Lines of a file that are to be reached. `exact`: they are the changed ones; else `why` says what stands for them.

    `function` is "" where the lines are in none. A file without lines has no code of its own: see `why`.
    """

    file: str
    function: str
    lines: frozenset[int]
    exact: bool
    why: str = ""

    @property
    def title(self) -> str:
        return f"{self.function}() in {self.file}" if self.function else self.file


def places(changes: Iterable[Change], atlas: Atlas) -> list[Place]:
    """All places, each function once for its exact lines. Nothing that changed is left out."""
    found: dict[tuple[str, str, bool, str], frozenset[int]] = {}
    for change in changes:
        for place in _places(change, atlas):
            key = place.file, place.function, place.exact, place.why
            found[key] = found.get(key, frozenset()) | place.lines
    return [Place(file, function, lines, exact, why) for (file, function, exact, why), lines in found.items()]


def _places(change: Change, atlas: Atlas) -> Iterator[Place]:
    source = atlas.sources.get(change.file)
    if source is None:
        yield from _of_includers(change.file, atlas)
        return
    spots = _spots(change, source.text)
    if spots is None:
        yield _by_name(change, source)
        return
    for spot in spots:
        yield from _at(change.file, spot, source, atlas)


def _spots(change: Change, text: Sequence[str]) -> list[tuple[int, ...]] | None:
    """Groups of line numbers in `text` that stand for the change; None when it is not to be found there.

    The text may be from before the patch or, when the kernel was built with it, from after.
    """
    if (at := find(change.before, change.start - 1, text)) is not None:
        return [*((at + p + 1,) for p in change.touched), *(tuple(at + p + 1 for p in pair) for pair in change.beside)]
    if change.touched_after and (at := find(change.after, change.start - 1, text)) is not None:
        return [(at + p + 1,) for p in change.touched_after]
    return None


def find(wanted: Sequence[str], nominal: int, text: Sequence[str]) -> int | None:
    """Where these lines stand in a text (0 is the first line), the place nearest to `nominal`; None: nowhere."""
    if not wanted:
        return None
    starts = [n for n, line in enumerate(text) if line == wanted[0] and tuple(text[n:n + len(wanted)]) == tuple(wanted)]
    return min(starts, key=lambda n: abs(n - nominal), default=None)


def _at(file: str, spot: Sequence[int], source: Source, atlas: Atlas) -> Iterator[Place]:
    """One changed line, or the two between which lines came."""
    functions = [f for line in spot if (f := source.function_at(line)) is not None]
    if not functions:
        yield from _outside(file, source, atlas)
        return
    function = functions[0]
    if len(spot) == 1 and spot[0] in source.code:
        yield Place(file, function.name, frozenset(spot), exact=True)
        return
    code = [line for line in source.code if function.first <= line <= function.last]
    near = {max((n for n in code if n <= spot[0]), default=None), min((n for n in code if n >= spot[-1]), default=None)}
    lines = frozenset(n for n in near if n is not None)
    yield Place(file, function.name, lines, exact=True)


def _by_name(change: Change, source: Source) -> Place:
    """The source is another one: the function that the patch names, if it is here at all."""
    named = next((f for f in source.functions if f.name == change.function), None)
    if named is not None:
        return Place(change.file, named.name, _body(named, source), exact=False,
                     why="its lines are others in the coverage kernel's source, so the whole function counts")
    return Place(change.file, "", source.code, exact=False,
                 why=f"the lines at {change.start} are not in the coverage kernel's source, so the whole file counts")


def _body(function: Function, source: Source) -> frozenset[int]:
    return frozenset(n for n in source.code if function.first <= n <= function.last)


def _outside(file: str, source: Source, atlas: Atlas) -> Iterator[Place]:
    if file.endswith(".h"):
        yield from _of_includers(file, atlas)
    else:
        yield Place(file, "", source.code, exact=False,
                    why="what changed is in no function (data, a macro), so the whole file counts")


def _of_includers(header: str, atlas: Atlas) -> Iterator[Place]:
    """Of a header that declares, nobody can tell who depends on what: all that include it count."""
    users = [name for name in atlas.includers.get(header, ()) if name in atlas.sources]
    for name in users:
        yield Place(name, "", atlas.sources[name].code, exact=False,
                    why=f"{header} changed, which cannot be told by lines, so all that include it count")
    if not users:
        yield Place(header, "", frozenset(), exact=False, why="it has no code in the coverage kernel")
