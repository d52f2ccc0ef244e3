"""`lab check` and `lab schema`: the scenario language without a machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import places
from lab.scenario.load import load_library
from lab.scenario.schema import json_schema


def check(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="[FILE|FOLDER]...",
                                                        help="None: the whole library.")] = None,
) -> None:
    """Say everything that is wrong in scenario files, with file:line:column. Exit 0 or 2."""
    runs = 0
    for path in paths or [places.SCENARIOS]:
        library = load_library(path)
        library.raise_problems()
        runs += len(library.runs)
    print(f"no problems; {runs} runs after matrix expansion")


def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    print(json.dumps(json_schema(), indent=1))
