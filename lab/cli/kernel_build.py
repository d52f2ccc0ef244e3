"""`lab kernel build`: a kernel from sources, in a flavor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.cli.host import say
from lab.kernels import flavors
from lab.kernels.build import Recipe, build_tree, manifest_of
from lab.kernels.build_words import built
from lab.kernels.store import Store


def build(
    word: Annotated[str, typer.Argument(metavar="TREE|git:REF|source:VERSION",
                                        help="A source tree; git:v6.12, git:PATH@REF; source:6.12 is Debian's "
                                             "linux-source package.")],
    flavor: Annotated[str | None, typer.Option("--flavor", metavar="F", help=f"One of {', '.join(flavors.names())}; "
                                               "the default is base.")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE",
                                                help="A complete configuration instead of a flavor.")] = None,
) -> None:
    """Build a kernel once, out of tree, into the store; prints the word that -k takes for it. docs/building.md."""
    store = Store.default()
    if config is not None:
        if flavor is not None:
            raise typer.BadParameter("--config is a complete configuration; leave --flavor out")
        kernel = build_tree(Path(word).expanduser(), Recipe(config=config), store, say)
    else:
        kernel = built(word, flavor, store, say)
    facts = manifest_of(kernel) or {}
    say(f"{kernel.release}, built by {facts.get('compiler')} from {facts.get('content')}, flavor {facts.get('flavor')}")
    say(f"image {kernel.image}")
    print(kernel.spec)
