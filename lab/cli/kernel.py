"""`lab kernel`: the kernels that there are, and those that can be had."""

from __future__ import annotations

import typer

from lab.cli import kernel_build

app = typer.Typer(no_args_is_help=True)
app.command("build")(kernel_build.build)
