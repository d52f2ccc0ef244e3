"""`lab new` and `lab import`: files to begin with."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.errors import UsageError
from lab.problems import listed, nearest
from lab.scenario.beginnings import KINDS, beginning, text_of
from lab.scenario.load import load
from lab.scenario.saveconfig import Imported, imported
from lab.scenario.types import SCENARIO_NAME

Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: NAME.yaml, here.")]


def new(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What the scenario is called.")] = None,
    summary: Annotated[str | None, typer.Option(help="One sentence: what must be true.")] = None,
    kind: Annotated[str | None, typer.Option(help=f"What it is about: {', '.join(KINDS)}.")] = None,
    backstore: Annotated[str | None, typer.Option(help="Where the data are: ramdisk, fileio, iblock, ...")] = None,
    output: Output = None,
) -> None:
    """Begin a scenario: writes a file that passes `lab check` and runs. Asks for what the options do not say."""
    name = name or _asked("NAME", "What is it called")
    if not re.match(SCENARIO_NAME, name):
        raise UsageError(f"{name!r} is no name of a scenario: small letters, digits and -")
    if kind is None and sys.stdin.isatty():
        for word, (meaning, _, _) in KINDS.items():
            print(f"  {word:<10}{meaning}")
    kind = _one_of("--kind", kind or _asked("--kind", "What is it about", "io"), list(KINDS))
    summary = summary or _asked("--summary", "What must be true, in one sentence",
                                f"Begun to ask whether {KINDS[kind][0]}.")
    fitting = KINDS[kind][2]
    backstore = _one_of("--backstore", backstore or fitting[0], list(fitting))
    path = output or Path(f"{name}.yaml")
    _write(path, beginning(name, summary, kind, backstore))
    print(f"{path} is written; run it: lab run {path}")


def import_(
    saved: Annotated[Path, typer.Argument(metavar="SAVECONFIG", help="targetcli's saveconfig.json.")],
    name: Annotated[str, typer.Option(help="What the scenario is called.")] = "imported",
    output: Output = None,
) -> None:
    """Make a scenario of a configuration that targetcli saved, and say what a scenario cannot have of it."""
    try:
        found = imported(json.loads(saved.read_bytes()))
    except OSError as error:
        raise UsageError(f"{saved} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{saved} is no JSON: {error}") from error
    except UsageError as error:
        raise UsageError(f"{saved}: {error}") from error
    if not re.match(SCENARIO_NAME, name):
        raise UsageError(f"{name!r} is no name of a scenario: small letters, digits and -")
    path = output or Path(f"{name}.yaml")
    _write(path, text_of(_scenario(name, found), [f"Made of {saved.name}. What is otherwise there:", *found.left_out]))
    for line in found.left_out:
        print(f"otherwise: {line}", file=sys.stderr)
    print(f"{path} is written; run it: lab run {path}")


def _scenario(name: str, found: Imported) -> dict[str, Any]:
    """With steps that use every LUN once."""
    luns = {f"{t['name']}/{number}": backstore for t in found.targets for number, backstore in t["luns"].items()}
    holding = {n for n, b in found.backstores.items() if not b.get("readonly") and not b.get("nullio")}
    first = {backstore: lun for lun, backstore in reversed(luns.items()) if backstore in holding}
    usable = [lun for lun, backstore in luns.items() if first.get(backstore) == lun]
    steps: list[dict[str, Any]] = [{"write": {"lun": lun, "blocks": "0-7"}} for lun in usable]
    steps += [{"verify": {"lun": lun, "blocks": "0-7"}} for lun in usable]
    steps += [{"scsi": {"lun": lun, "command": "test_unit_ready"}} for lun in luns if lun not in usable]
    return {"scenario": name, "summary": "The LUNs of this configuration take data and give them back.",
            "tags": ["imported"], "backstores": found.backstores, "targets": found.targets,
            "steps": steps or [{"configfs": {"read": "version"}, "expect": {"match": "Target Engine"}}]}


def _asked(option: str, question: str, default: str | None = None) -> str:
    """A person at a terminal is asked; anybody else must have said it."""
    if not sys.stdin.isatty():
        if default is not None:
            return default
        raise UsageError(f"{option} is missing, and there is no terminal to ask for it")
    return str(typer.prompt(question, default=default))


def _one_of(option: str, word: str, known: list[str]) -> str:
    if word not in known:
        near = nearest(word, known)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"{option} {word!r} cannot be here; there are {listed(known, 'and')}{hint}")
    return word


def _write(path: Path, text: str) -> None:
    """Write a scenario file that is right, and never over another. UsageError, Problems, OSError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already; choose another with --output") from None
    load(path).required_runs()
