"""The `lab` command: reads words, calls the rooms, prints. Errors that a user can mend are one sentence."""

from __future__ import annotations

import os
import sys

import typer

from lab.cli import (
    bisection,
    check,
    coverage,
    decode,
    doctor,
    git_bisect,
    judge,
    kernel,
    lists,
    new,
    runs,
    scan,
    selection,
    shell,
)
from lab.errors import LabError
from lab.problems import Problems

app = typer.Typer(
    name="lab", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Boots Linux kernels in light VMs, drives the LIO target through tcm_loop, and reports JUnit.",
)
app.command("run")(runs.run)
app.command("bisect", cls=bisection.WithPaths)(bisection.bisect)
app.command("judge")(judge.judge)
app.add_typer(lists.app, name="list", help="What there is: scenarios, kernels.")
app.add_typer(kernel.app, name="kernel", help="Kernels: list, fetch, build, remove, prune.")
app.command("check")(check.check)
app.command("schema")(check.schema)
app.command("new")(new.new)
app.command("import")(new.import_)
app.command("doctor")(doctor.doctor)
app.command("shell")(shell.shell)
app.command("scan")(scan.scan)
app.command("decode")(decode.decode)
app.command("coverage")(coverage.coverage)
app.command("select")(selection.select)
app.command("prepare")(runs.prepare)


def entry() -> None:
    """The console script. Under `git bisect run` no error may look like a bad commit."""
    if git_bisect.OPTION in sys.argv:
        git_bisect.stopping(_entry)
    _entry()


def _entry() -> None:
    """Exit codes: architecture.md; 2 wrong usage, 3 the lab failed, 130 interrupted."""
    try:
        app()
    except Problems as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        sys.exit(error.exit_code)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `lab list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        print(f"lab: {error.strerror or error}: {error.filename or 'a file of the lab'}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    entry()
