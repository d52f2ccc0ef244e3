"""`lab scan`: find kernel failures in any console log or dmesg."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.scan_text import Log, render
from lab.console.finding import Effect, Finding, first_cause
from lab.console.scan import Scanner, scan_log
from lab.console.source import open_log
from lab.errors import LabError


def scan(
    files: Annotated[list[Path], typer.Argument(
        help="Console logs, or what dmesg or journalctl -k printed; also .gz, .xz, .bz2; - is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object for each report.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Also print the lines of each different failure.")] = False,
) -> None:
    """Print the kernel failures in FILES. Exit 1 when there is one, 0 when not, 2 when a file cannot be read."""
    logs: list[Log] = []
    unread = 0
    for file in files:
        try:
            logs.append(_read(file))
        except LabError as error:
            print(f"lab: {error}", file=sys.stderr)
            unread += 1
    if as_json:
        print(json.dumps([_plain(log, finding) for log in logs for finding in log.findings], indent=1))
    else:
        print("\n".join(render(log, raw=raw) for log in logs), end="")
    if unread:
        raise typer.Exit(2)
    raise typer.Exit(1 if any(f.effect is Effect.FAIL for log in logs for f in log.findings) else 0)


def _read(file: Path) -> Log:
    scanner = Scanner()
    with open_log(file) as stream:
        findings = scan_log(stream, scanner)
    return Log(str(file), findings, scanner.lines, scanner.dropped)


def _plain(log: Log, finding: Finding) -> dict[str, object]:
    """A finding for programs; `role` says what it is beside the others of its log."""
    role = "consequence" if finding.effect is Effect.FAIL else "note"
    if finding is first_cause(log.findings):
        role = "first cause"
    return {"file": log.name, **asdict(finding), "severity": finding.severity.name, "effect": finding.effect.value,
            "role": role}
