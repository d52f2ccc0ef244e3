"""`lab decode`: the kernel failures in a console log, with the source line of each stack frame."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import host, places
from lab.console.decode import Decoder, as_text
from lab.console.finding import Effect
from lab.console.scan import scan_file
from lab.errors import LabError, UsageError
from lab.kernels.resolve import resolve
from lab.kernels.store import Store
from lab.kernels.symbols import Symbols, symbols_of


def decode(
    file: Annotated[Path, typer.Argument(help="A console log, or what dmesg printed.")],
    vmlinux: Annotated[Path | None, typer.Option(help="The kernel's vmlinux with debug information.")] = None,
    modules: Annotated[list[Path] | None, typer.Option(
        help="A directory with its modules (NAME.ko, NAME.ko.debug); more than once.")] = None,
    kernel: Annotated[str | None, typer.Option(
        "-k", "--kernel", metavar="KERNEL", help="The kernel, as in lab run; of debian:VERSION the -dbg package is "
                                                 "fetched (about 1 GB).")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Print and decode the whole log, not its failures.")] = False,
) -> None:
    """Print the kernel failures in FILE with `function at file:line` below each frame.

    Files of another build are not used; stderr says so. Exit 0 also when there was nothing to decode.
    """
    texts = [_read(file)] if whole else _failures(file)
    decoder = _decoder(vmlinux, modules or [], kernel)
    blocks = decoder.decode(texts)
    for problem in decoder.problems:
        print(f"lab: {problem}", file=sys.stderr)
    if blocks:
        sys.stdout.write(as_text(blocks))
    else:
        host.say(f"no kernel failure in {file}")


def _decoder(vmlinux: Path | None, modules: list[Path], kernel: str | None) -> Decoder:
    """What was given by hand goes before what the kernel has."""
    for path in (*([vmlinux] if vmlinux else []), *modules):
        if not path.exists():
            raise UsageError(f"there is no {path}")
    if kernel is None and vmlinux is None and not modules:
        raise UsageError("say where the debug information is: --vmlinux FILE, --modules DIR, or -k KERNEL")
    symbols = _symbols(kernel) if kernel else Symbols(None, (), "", "")
    return Decoder(vmlinux or symbols.vmlinux, [*modules, *symbols.modules], release=symbols.release,
                   version=symbols.version)


def _symbols(spec: str) -> Symbols:
    store = Store.default()
    found = symbols_of(resolve(spec, store, named=places.KERNELS, say=host.say), store, host.say, fetch=True)
    if found is None:
        raise UsageError(f"{spec} has no vmlinux and no modules with debug information; build it with "
                         "CONFIG_DEBUG_INFO, or give --vmlinux and --modules")
    return found


def _failures(file: Path) -> list[str]:
    try:
        return [finding.text for finding in scan_file(file) if finding.effect is Effect.FAIL]
    except LabError as error:
        raise UsageError(str(error)) from error


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
