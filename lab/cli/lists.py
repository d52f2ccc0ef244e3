"""`lab list scenarios` and `lab list kernels`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lab.cli import places
from lab.kernels.named import named_kernels
from lab.problems import Problems
from lab.scenario.library import load_library, select

app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def scenarios(
    words: Annotated[list[str] | None, typer.Argument(metavar="SCENARIO|TAG|FILE")] = None,
    as_json: Json = False,
) -> None:
    """The scenarios: for each file its name, tags and runs after matrix expansion."""
    places.need_checkout()
    library = load_library(places.SCENARIOS)
    if library.problems:
        raise Problems(library.problems)
    runs = select(library, words) if words else library.runs
    by_file: dict[str, list[str]] = {}
    for run in runs:
        by_file.setdefault(str(run.path), []).append(run.id)
    entries = []
    for path, ids in by_file.items():
        first = next(r for r in runs if str(r.path) == path).scenario
        entries.append({"file": path, "name": first.scenario, "summary": first.summary, "tags": first.tags,
                        "runs": ids})
    if as_json:
        print(json.dumps(entries, indent=1))
        return
    for entry in entries:
        number = len(entry["runs"])
        print(f"{entry['name']:<40} {number:>3} run{'s' * (number != 1)}  {', '.join(entry['tags'])}")
    print(f"{len(entries)} scenarios, {len(runs)} runs")


@app.command()
def kernels(as_json: Json = False) -> None:
    """The named kernels of kernels/*.yaml."""
    places.need_checkout()
    named = named_kernels(places.KERNELS)
    if as_json:
        print(json.dumps([{"name": k.name, "summary": k.summary, "spec": k.spec} for k in named], indent=1))
        return
    for kernel in named:
        print(f"{kernel.name:<24} {kernel.spec:<24} {kernel.summary}")
