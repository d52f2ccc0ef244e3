"""`lab check` and `lab schema`: the scenario language without a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import places
from lab.coverage.unreachable import check_unreachable
from lab.problems import Problems
from lab.run.known import check_known
from lab.scenario.library import Library, load_library
from lab.scenario.load import load
from lab.scenario.schema import json_schema


def check(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="FILE|FOLDER",
                                                        help="None: the whole library, the known bugs and what is "
                                                             "listed as unreachable.")] = None,
) -> None:
    """Say everything that is wrong in scenario files, known-bugs.yaml and unreachable.yaml, with file:line:column.
    Exit 0 or 2."""
    given = paths or [places.SCENARIOS, *(path for path in (places.KNOWN_BUGS, places.UNREACHABLE) if path.exists())]
    known = [path for path in given if path.name == places.KNOWN_BUGS.name]
    listed = [path for path in given if path.name == places.UNREACHABLE.name]
    libraries = [load_library(path) if path.is_dir() else Library(path.parent, [load(path)])
                 for path in given if path not in known + listed]
    problems = [problem for library in libraries for problem in library.problems]
    problems += [problem for path in known for problem in check_known(path, _names(libraries))]
    problems += [problem for path in listed for problem in check_unreachable(path)]
    if problems:
        raise Problems(problems)
    print(f"no problems; {sum(len(library.runs) for library in libraries)} runs after matrix expansion")


def _names(checked: list[Library]) -> set[str]:
    """The scenarios that a known bug can be of: of the library, of docs/findings, and those that were given."""
    folders = [load_library(path) for path in (places.SCENARIOS, places.FINDINGS) if path.is_dir()]
    return {file.name for library in (*checked, *folders) for file in library.files if file.name is not None}


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    print(json.dumps(json_schema(), indent=1))
