"""`lab judge`: the verdict on a run directory, again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli import places
from lab.cli.options import Known, NoKnown, StrictKnown, known_bugs
from lab.errors import LabError
from lab.report.result import Outcome, exit_status
from lab.report.table import table
from lab.report.text import known_entry
from lab.run.known import apply_known
from lab.run.verdict import verdict


def judge(
    directory: Annotated[Path, typer.Argument(help="A run's directory, below a session's.")],
    known: Known = places.KNOWN_BUGS,
    no_known: NoKnown = False,
    strict_known: StrictKnown = False,
) -> None:
    """Judge a saved run directory again; the verdict depends on its files and the known bugs. Exit as for `lab run`."""
    bugs = [] if no_known else known_bugs(known)
    try:
        result = apply_known(verdict(directory), bugs)
    except (OSError, ValueError) as error:
        raise LabError(f"{directory} is not a run directory that can be judged: {error}") from error
    print(table({result.properties["kernel.name"]: [result]}, directory))
    if result.outcome is Outcome.FAIL:
        print(f"\nas an entry of kernels/known-bugs.yaml, if it is known:\n{known_entry(result)}")
    raise typer.Exit(exit_status([result.outcome], interrupted=False, strict_known=strict_known))
