"""`lab scan`: find kernel failures in any console log or dmesg."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab.console.finding import Effect, Finding, describe
from lab.console.scan import scan_file
from lab.errors import LabError, UsageError


def scan(
    files: Annotated[list[Path], typer.Argument(help="Console logs, or what dmesg printed.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the kernel failures in FILES. Exit 1 when there is one, 0 when not."""
    found: list[tuple[Path, Finding]] = []
    for file in files:
        try:
            found += [(file, finding) for finding in scan_file(file)]
        except LabError as error:
            raise UsageError(str(error)) from error
    if as_json:
        print(json.dumps([_plain(file, finding) for file, finding in found], indent=1))
    else:
        for file, finding in found:
            print(f"{file}: {describe(finding)}")
    raise typer.Exit(1 if any(f.effect is Effect.FAIL for _, f in found) else 0)


def _plain(file: Path, finding: Finding) -> dict[str, object]:
    return {"file": str(file), **asdict(finding), "severity": finding.severity.name, "effect": finding.effect.value}
