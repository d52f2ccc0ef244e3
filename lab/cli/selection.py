"""`lab select`: the scenarios that reach what a patch changes, fastest first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.host import say
from lab.coverage import atlas
from lab.coverage.atlas import Atlas, Reached
from lab.coverage.patch import Patch, parse
from lab.coverage.place import places
from lab.coverage.selection import Selection, fewest
from lab.coverage.selection import select as select_runs
from lab.errors import LabError, UsageError
from lab.git import Git
from lab.kernels.store import Store

_FOLDERS = ("drivers/target", "include/target")


def select(
    diff: Annotated[Path | None, typer.Option("--diff", metavar="PATCH", help="A patch file; - is stdin.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="REF", help="What changed in the tree since then, "
                                                                             "uncommitted work included.")] = None,
    tree: Annotated[Path | None, typer.Option("--tree", metavar="DIR", help="The git tree of --since; default: that of "
                                                                            "which the coverage kernel was built "
                                                                            "from.")] = None,
    kernel: Annotated[str | None, typer.Option("-k", "--kernel", metavar="KERNEL",
                                               help="Whose coverage; default: the newest.")] = None,
    minimal: Annotated[bool, typer.Option("--minimal", help="A small set that reaches all that the whole one "
                                                            "does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the run ids that reach the changed lines of drivers/target, fastest first; what nothing reaches is told on
    stderr. Exit: 0 there are some, 2 usage, 3 nothing reaches what changed."""
    if (diff is None) == (since is None):
        raise UsageError("give either --diff PATCH or --since REF")
    known = atlas.newest(Store.default(), kernel)
    patch = _read(diff) if diff is not None else _changes(since or "", tree or Path(known.tree))
    selection = select_runs(places(patch.changes, known), known)
    _explain(patch, selection, known)
    chosen = fewest(selection) if minimal else selection.runs
    print(_as_json(chosen, selection, patch, known) if as_json else "\n".join(run.word for run in chosen))
    if not chosen:
        raise LabError("no scenario is known to reach what changed" if patch.changes or patch.new else
                       "nothing with code changed in drivers/target or include/target")


def _read(path: Path) -> Patch:
    if str(path) == "-":
        return parse(sys.stdin.read(), "stdin")
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read the patch {path}: {error.strerror}") from None
    return parse(text, str(path))


def _changes(since: str, tree: Path) -> Patch:
    if not tree.is_dir():
        raise UsageError(f"there is no directory {tree}; give the kernel's git tree with --tree")
    git = Git(tree)
    if git.commit(since) is None:
        raise UsageError(f"{tree} has no commit {since!r}, or is no git tree; give one with --tree")
    # Whatever the user's configuration makes of diffs.
    text = git("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false", "diff", "--no-ext-diff", "--no-color",
               "--no-textconv", "-U3", "-M", since, "--", *(f":(top){folder}" for folder in _FOLDERS))
    if not text:
        raise LabError(f"nothing changed in {' or '.join(_FOLDERS)} of {tree} since {since}")
    return parse(text + "\n", f"git diff {since}")


def _explain(patch: Patch, selection: Selection, known: Atlas) -> None:
    """What nothing reaches comes last: there it is seen."""
    say(f"by the coverage of {known.kernel}, {len(known.runs)} runs")
    for path in patch.others:
        say(f"{path} is not in {' or '.join(_FOLDERS)}: coverage says nothing of it")
    for one in sorted(selection.covered, key=lambda c: not c.runs):
        if one not in selection.unreached:
            say(one.said)
    for path in patch.new:
        say(f"NOT TESTED: {path} is new, so no scenario is known to reach it")
    for one in selection.unreached:
        say(f"NOT TESTED: {one.said}")


def _as_json(chosen: tuple[Reached, ...], selection: Selection, patch: Patch, known: Atlas) -> str:
    return json.dumps({
        "kernel": known.kernel,
        "runs": [{"id": run.id, "word": run.word, "seconds": run.seconds} for run in chosen],
        "places": [{"file": c.place.file, "function": c.place.function, "lines": sorted(c.place.lines),
                    "exact": c.place.exact, "runs": list(c.runs), "unreached": sorted(c.missed), "said": c.said}
                   for c in selection.covered],
        "new": list(patch.new), "others": list(patch.others)}, indent=1)
