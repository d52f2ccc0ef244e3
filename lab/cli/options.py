"""Options and words that several commands take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import places
from lab.problems import Problems
from lab.run.known import KnownBug, load_known
from lab.scenario.library import Library, load_library, select, whole
from lab.scenario.load import ScenarioRun

Words = Annotated[list[str] | None, typer.Argument(
    metavar="SCENARIO|TAG|FILE", help="Names, tags, run ids or files of scenarios; none: all of the library.")]
Kernels = Annotated[list[str] | None, typer.Option(
    "-k", "--kernel", metavar="KERNEL",
    help="A name of kernels/*.yaml, debian:6.12, 'debian:6.12.*', a built tree, a bzImage. Repeatable.")]
Results = Annotated[Path, typer.Option("--results", help="Where session folders are made.")]
Known = Annotated[Path, typer.Option("--known", metavar="FILE", help="Known bugs; docs/known-bugs.md.")]
NoKnown = Annotated[bool, typer.Option("--no-known", help="No bug is known: every failure is one.")]
StrictKnown = Annotated[bool, typer.Option("--strict-known",
                                           help="A pass in spite of a known bug is a failure.")]


def selected(words: list[str]) -> list[ScenarioRun]:
    """The runs that words choose from the library; a file outside of it may be named by its path."""
    library = _library()
    if library.problems and not words:
        raise Problems(library.problems)
    return select(library, words)


def settled(words: Iterable[str]) -> list[str]:
    """The words as they choose the same from any folder, to be kept for later."""
    library = _library()
    return [whole(library, word) for word in words]


def _library() -> Library:
    places.need_checkout()
    return load_library(places.SCENARIOS)


def known_bugs(path: Path) -> list[KnownBug]:
    """The bugs of a file; without the lab's own file none is known. Raises Problems for what is wrong in it."""
    return load_known(path) if path != places.KNOWN_BUGS or path.exists() else []
