"""The end of a session: the table on stdout, junit.xml and matrix.json in its folder, and the exit status."""

from __future__ import annotations

from pathlib import Path

from lab.cli.execute import Done
from lab.cli.host import say
from lab.report import junit
from lab.report.matrix import Matrix
from lab.report.matrix_text import matrix_table
from lab.report.result import Result, exit_status
from lab.report.table import table

_OF_SUITE = ("kernel.name", "kernel.release", "kernel.version", "kernel.hash", "kernel.spec", "accelerator", "qemu",
             "virtme-ng", "lab", "machine", "seed")


def report(directory: Path, done: Done, *, strict_known: bool) -> int:
    """Print and write; what is known is printed even when it cannot be written. The exit status of `lab run`."""
    by_kernel = done.by_kernel
    matrix = Matrix.of(by_kernel)
    print(table(by_kernel, directory) if len(by_kernel) < 2 else matrix_table(matrix, directory))
    status = exit_status((r.outcome for r in done.results), interrupted=done.interrupted, strict_known=strict_known)
    try:
        junit.write(directory / "junit.xml", [(name, _common(results), results)
                                              for name, results in by_kernel.items()], strict_known=strict_known)
        matrix.write(directory / "matrix.json")
    except OSError as error:
        say(f"cannot write {error.filename or directory}: {error.strerror}; the table above is all that is left")
        return status or 3
    return status


def _common(results: list[Result]) -> dict[str, str]:
    return {name: results[0].properties[name] for name in _OF_SUITE}
