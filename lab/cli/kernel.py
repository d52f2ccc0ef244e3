"""`lab kernel`: the kernels that there are, those that can be had, and getting rid of them."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from lab.cli import kernel_build, places
from lab.cli.host import say
from lab.errors import LabError, UsageError
from lab.kernels import inventory
from lab.kernels.available import Available, available
from lab.kernels.inventory import Stored
from lab.kernels.patterns import expand, matches
from lab.kernels.resolve import resolve
from lab.kernels.store import Store

app = typer.Typer(no_args_is_help=True)
app.command("build")(kernel_build.build)
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
_DAY_S = 86400.0


@app.command("list")
def list_(
    pattern: Annotated[str | None, typer.Argument(metavar="PATTERN", help="6.12, 6.12.*, '*bpo*', ...")] = None,
    can_be_had: Annotated[bool, typer.Option("--available", help="What apt can give, not what the store has.")] = False,
    as_json: Json = False,
) -> None:
    """The kernels in the store, or with --available all that apt can give."""
    store = Store.default()
    if can_be_had:
        _show_available([k for k in available(store, say) if _wanted(k.word.partition(":")[2], pattern)], as_json)
    else:
        _show_stored([i for i in inventory.stored(store) if pattern is None or _wanted(i.name, pattern)
                      or _wanted(i.name.partition("-")[2], pattern)], as_json)


def _wanted(name: str, pattern: str | None) -> bool:
    return pattern is None or matches(name, pattern.removeprefix("debian:").removeprefix("ubuntu:"))


def _show_available(kernels: list[Available], as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(k) for k in kernels], indent=1))
        return
    for kernel in kernels:
        have = [name for name, there in (("stored", kernel.stored), ("headers", kernel.headers),
                                         ("debug", kernel.debug)) if there]
        note = f"not usable: {kernel.problem}" if kernel.problem else ", ".join(have)
        print(f"{kernel.word:<34} {kernel.fetch_bytes / 1e6:>5.0f} MB  {note}".rstrip())
    print(f"{sum(not k.problem for k in kernels)} kernels that can be used")


def _show_stored(items: list[Stored], as_json: bool) -> None:
    if as_json:
        print(json.dumps([{**asdict(i), "path": str(i.path)} for i in items], indent=1))
        return
    for item in (i for i in items if i.is_kernel and i.path.is_dir()):
        days = (time.time() - item.used_s) / _DAY_S
        print(f"{item.name:<46} {item.kind:<8} {item.bytes / 1e6:>6.0f} MB  used "
              + ("today" if days < 1 else f"{days:.0f} days ago"))
    print(_sums(items))


def _sums(items: Iterable[Stored]) -> str:
    sums: dict[str, int] = defaultdict(int)
    for item in items:
        sums[item.kind] += item.bytes
    parts = [f"{kind} {size / 1e6:.0f} MB" for kind, size in sums.items()]
    return f"in all {sum(sums.values()) / 1e6:.0f} MB" + (f": {', '.join(parts)}" if parts else "")


@app.command()
def fetch(specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="As for -k; debian:6.12.* is all of "
                                                                             "them.")]) -> None:
    """Fetch kernels into the store, and print the word of each one that is there; one that cannot be had stops none."""
    store = Store.default()
    failed: list[LabError] = []
    for word in [word for spec in specs for word in expand(spec, store, say)]:
        try:
            print(resolve(word, store, named=places.KERNELS, say=say).spec, flush=True)
        except LabError as error:
            say(str(error))
            failed.append(error)
    if failed:
        raise typer.Exit(failed[0].exit_code)


@app.command()
def remove(names: Annotated[list[str], typer.Argument(metavar="NAME|SPEC...")]) -> None:
    """Remove kernels, with their headers and debug information, from the store; not what a running lab uses."""
    store = Store.default()
    with store.lock("apt", say=say):  # nobody unpacks one meanwhile
        items = inventory.stored(store)
        gone, kept = inventory.remove({i.path: i for name in names for i in inventory.named(items, name)}.values())
    for item in gone:
        print(f"removed {item.name} ({item.kind}, {item.bytes / 1e6:.0f} MB)")
    if kept:
        raise LabError(f"{', '.join(i.name for i in kept)} is in use by a running lab; try again when that has ended")


@app.command()
def prune(
    older_than: Annotated[float, typer.Option("--older-than", min=0, metavar="DAYS",
                                              help="Remove what was not used for so long.")] = 30.0,
    keep_free: Annotated[float, typer.Option("--keep-free", min=0, metavar="GB", help="Then the oldest, until so much "
                                                                                      "of the disk is free.")] = 0.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove what nobody used for a while: kernels, builds and their objects, headers, images, checkpoints, ..."""
    if older_than < 1 and not dry_run and not keep_free:
        raise UsageError("--older-than below a day may take what a running lab has just made; remove single kernels "
                         "with `lab kernel remove`")
    store = Store.default()
    with store.lock("apt", say=say):
        items = inventory.stored(store)
        doomed = inventory.stale(store, items, older_than_days=older_than, keep_free_bytes=int(keep_free * 1e9))
        if dry_run:
            gone, kept = inventory.sorted_out(doomed)
        else:
            gone, kept = inventory.remove(doomed)
            inventory.sweep(inventory.leavings(store))
    for item in gone:
        print(f"{'would remove' if dry_run else 'removed'} {item.kind} {item.name} ({item.bytes / 1e6:.0f} MB)")
    print(_sums(gone))
    for item in kept:
        say(f"{item.name} is in use by a running lab")
