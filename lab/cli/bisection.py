"""`lab bisect`: which commit (or version of Debian's package) broke it, or with --find-fix repaired it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from lab.bisect import journal as journals
from lab.bisect.asked import Asked
from lab.cli import bisections, places
from lab.errors import UsageError


class WithPaths(TyperCommand):
    """What stands after `--` are paths, as git has it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Hand them on as --path."""
        if "--" in args:
            cut = args.index("--")
            args = [*args[:cut], *(f"--path={path}" for path in args[cut + 1:])]
        return super().parse_args(ctx, args)


Words = Annotated[list[str] | None, typer.Argument(
    metavar="SCENARIO... [-- PATH...]", help="Scenarios as for `lab run`. After --: only commits that touch a path.")]
Tree = Annotated[Path | None, typer.Option("--tree", metavar="DIR", help="A git checkout of the kernel; it is not "
                                                                         "touched.")]
Good = Annotated[str, typer.Option("--good", metavar="REF", help="The end that does not fail.")]
Bad = Annotated[str, typer.Option("--bad", metavar="REF", help="The end that fails.")]
Packages = Annotated[bool, typer.Option("--packages", help="The ends are versions of Debian's kernel, such as 6.12.43; "
                                                           "nothing is built.")]
Among = Annotated[list[str] | None, typer.Option("--among", metavar="PATTERN", help="Of --packages only such versions "
                                                 "(6.12.9*), and the ends; repeatable.")]
ModulesOf = Annotated[str, typer.Option("--modules-of", metavar="debian:VERSION", help="Build only drivers/target of a "
                                        "commit, for this stock kernel: seconds a step.")]
Flavor = Annotated[str, typer.Option("--flavor", help="Which kernel is built of a commit.")]
Paths = Annotated[list[str] | None, typer.Option("--path", metavar="PATH", help="Only commits that touch it; "
                                                                                "repeatable.")]
FindFix = Annotated[bool, typer.Option("--find-fix", help="The old end fails, the new one does not: what repaired it?")]
Fingerprint = Annotated[str, typer.Option("--fingerprint", metavar="F", help="The failure to look for. Default: the "
                                                                             "bad end's most frequent.")]
AnyFailure = Annotated[bool, typer.Option("--any-failure", help="Every failure is bad, whatever it is.")]
Confidence = Annotated[float, typer.Option(min=0.5, max=0.999999, help="How sure the answer has to be.")]
Patience = Annotated[int, typer.Option(min=1, help="Runs of the bad end until it is believed not to fail.")]
Config = Annotated[tuple[Path, Path] | None, typer.Option(
    "--config", metavar="GOOD BAD", help="Two configuration files: which options of the bad one make it fail?")]
Seed = Annotated[int, typer.Option(min=0, help="Drives all that is random in a scenario.")]
Jobs = Annotated[int | None, typer.Option("-j", min=1, help="Guests side by side.")]
Results = Annotated[Path, typer.Option("--results", help="Where the folder bisect-DATE-TIME is made.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a bisection that was broken off: the newest, or the "
                                                       "one whose folder is given.")]
Again = Annotated[Path | None, typer.Option("--again", metavar="DIR", help="Run the answer of a bisection once more.")]
CheckRevert = Annotated[Path | None, typer.Option("--check-revert", metavar="DIR", help="Revert the answer of a "
                                                  "bisection on its newest commit, and run that.")]


def bisect(
    words: Words = None, tree: Tree = None, good: Good = "", bad: Bad = "", packages: Packages = False,
    among: Among = None, config: Config = None, modules_of: ModulesOf = "", flavor: Flavor = "base", path: Paths = None,
    find_fix: FindFix = False, fingerprint: Fingerprint = "", any_failure: AnyFailure = False,
    confidence: Confidence = 0.99, patience: Patience = 30, seed: Seed = 1, jobs: Jobs = None,
    results: Results = places.RESULTS, resume: Resume = False, again: Again = None, check_revert: CheckRevert = None,
) -> None:
    """Find the commit that broke it. Exit: 0 found, 1 a range is left, 2 usage, 3 no answer, 130 interrupted."""
    places.need_checkout()
    if done := again or check_revert:
        raise typer.Exit(bisections.once_more(journals.load(done), reverted=again is None, width=jobs))
    if resume:
        if len(words or []) > 1:
            raise UsageError("--resume takes one folder; scenarios and all else come from its journal")
        journal = journals.load(Path(words[0]) if words else journals.newest(results))
        raise typer.Exit(bisections.go_on(journal, width=jobs))
    asked = Asked(str(tree.absolute()) if tree else "", good, bad, packages, modules_of, flavor, tuple(path or ()),
                  find_fix, fingerprint, any_failure, confidence, patience, seed, tuple(words or ()),
                  tuple(among or ()), tuple(str(path.absolute()) for path in config or ()))
    raise typer.Exit(bisections.begin(asked, results, width=jobs))
