"""`lab check` and `lab schema`: the scenario language without a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import places
from lab.problems import Problems
from lab.scenario.library import Library, load_library
from lab.scenario.load import load
from lab.scenario.schema import json_schema


def check(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="FILE|FOLDER",
                                                        help="None: the whole library.")] = None,
) -> None:
    """Say everything that is wrong in scenario files, with file:line:column. Exit 0 or 2."""
    libraries = [load_library(path) if path.is_dir() else Library(path.parent, [load(path)])
                 for path in paths or [places.SCENARIOS]]
    problems = [problem for library in libraries for problem in library.problems]
    if problems:
        raise Problems(problems)
    print(f"no problems; {sum(len(library.runs) for library in libraries)} runs after matrix expansion")


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    print(json.dumps(json_schema(), indent=1))
