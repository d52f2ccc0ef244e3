"""The table of several kernels for a terminal of 80 columns, and below it each different failure once."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.report.difference import Trouble, troubles
from lab.report.headings import headings
from lab.report.matrix import Cell, Matrix
from lab.report.result import Outcome
from lab.report.text import counts, kernel_notes

WIDTH = 80
WORDS = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.ERROR: "ERROR", Outcome.SKIP: "skip",
         Outcome.XFAIL: "XFAIL", Outcome.XPASS: "XPASS"}
_RUN_WIDTH = 30  # of the first column, at least
_NO_RUN = "-"
_NAMED = 3  # runs that one failure names


def matrix_table(matrix: Matrix, directory: Path) -> str:
    """Plain text, no line over 80 columns but those with a path or a command to paste. As many kernels side by side as
    fit; the others in blocks below."""
    short = dict(zip(matrix.kernels, headings(matrix.kernels), strict=True))
    lines = ["", *_legend(matrix, short)]
    for block in _blocks(matrix, short):
        lines += ["", *_block(matrix, block, short)]
    for trouble in troubles(matrix.results):
        lines += ["", *_trouble(trouble, matrix, short)]
    return "\n".join([*lines, "-" * WIDTH, f"files: {directory}", f"in all: {counts(matrix.results)}"])


def cell_text(cell: Cell | None) -> str:
    """`pass`, `FAIL`, ... where all repeats came out the same; else `7/10 pass`: how many of them were good."""
    if cell is None:
        return _NO_RUN
    if not cell.mixed:
        return WORDS[cell.outcome]
    good = sum(cell.counts.get(outcome, 0) for outcome in (Outcome.PASS, Outcome.XPASS))
    return f"{good}/{len(cell.results)} pass"


def _legend(matrix: Matrix, short: dict[str, str]) -> Iterator[str]:
    width = max(map(len, short.values()))
    for kernel in matrix.kernels:
        results = matrix.of_kernel(kernel)
        release = results[0].properties.get("kernel.release", "")
        yield from textwrap.wrap(f"{short[kernel]:<{width}}  {kernel} ({release}): {counts(results)}", WIDTH,
                                 subsequent_indent=" " * (width + 2))
        for note in kernel_notes(results):
            yield from textwrap.wrap(f"note: {note}", WIDTH, initial_indent=" " * (width + 2),
                                     subsequent_indent=" " * (width + 8), max_lines=3, placeholder=" ...")


def _blocks(matrix: Matrix, short: dict[str, str]) -> list[Sequence[str]]:
    """The kernels, as many at a time as fit beside the names of runs."""
    fit = max(1, (WIDTH - min(_RUN_WIDTH, max(map(len, matrix.runs)))) // _column(matrix, short))
    return [matrix.kernels[n:n + fit] for n in range(0, len(matrix.kernels), fit)]


def _column(matrix: Matrix, short: dict[str, str]) -> int:
    return 2 + max(map(len, [*short.values(), *map(cell_text, matrix.cells.values())]))


def _block(matrix: Matrix, kernels: Sequence[str], short: dict[str, str]) -> Iterator[str]:
    column = _column(matrix, short)
    first = min(max(map(len, matrix.runs)), WIDTH - column * len(kernels))
    yield " " * first + "".join(f"{short[k]:>{column}}" for k in kernels)
    yield "-" * (first + column * len(kernels))
    for run in matrix.runs:
        cells = "".join(f"{cell_text(matrix.cells.get((run, k))):>{column}}" for k in kernels)
        if len(run) > first:  # never cut: values at its end tell runs apart
            yield from textwrap.wrap(run, WIDTH, break_on_hyphens=False)
            yield " " * first + cells
        else:
            yield f"{run:<{first}}{cells}"


def _trouble(trouble: Trouble, matrix: Matrix, short: dict[str, str]) -> Iterator[str]:
    first = trouble.first
    yield from _wrapped(f"{WORDS[trouble.outcome]:<6}{trouble.text}", "", 4)
    if trouble.outcome is not Outcome.SKIP or len(trouble.kernels) < len(matrix.kernels):
        yield from _wrapped(f"seen: {_seen(trouble, matrix, short)}", "      ", 6)
    yield from _wrapped(f"in: {_named(trouble.runs)}", "      ", 4)
    if trouble.outcome in (Outcome.FAIL, Outcome.ERROR):
        if trouble.fingerprint:
            yield f"      fingerprint: {trouble.fingerprint}"
        yield from _wrapped(f"first: {first.properties['kernel.name']}, {first.case}", "      ", 4)
        yield f"      repeat: {first.repeat}" + _again(trouble, matrix)


def _again(trouble: Trouble, matrix: Matrix) -> str:
    """A failure that does not show every time takes as many runs as it took here."""
    first = trouble.first
    cell = matrix.cells[first.id, first.properties["kernel.name"]]
    return f" --repeat {len(cell.results)}" if cell.mixed else ""


def _seen(trouble: Trouble, matrix: Matrix, short: dict[str, str]) -> str:
    """`3 times: 6.1.192-2 (3 of 10)`, of the runs that have it."""
    parts = []
    for kernel, times in trouble.kernels.items():
        of = sum(len(matrix.cells[run, kernel].results) for run in trouble.runs if (run, kernel) in matrix.cells)
        parts.append(f"{short[kernel]} ({times} of {of})")
    whole = len(trouble.results)
    return f"{whole} time{'' if whole == 1 else 's'}: {', '.join(parts)}"


def _named(runs: Sequence[str]) -> str:
    more = len(runs) - _NAMED
    return ", ".join(runs[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _wrapped(text: str, indent: str, lines: int) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "      ", max_lines=lines,
                         placeholder=" ...", break_on_hyphens=False)
