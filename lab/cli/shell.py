"""`lab shell`: a terminal in a guest with a scenario's target set up."""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import sys
import tempfile
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import host
from lab.cli.host import say
from lab.cli.options import selected
from lab.errors import LabError, UsageError
from lab.kernels.resolve import default_spec
from lab.kernels.store import Store
from lab.machine.vm import Vm
from lab.scenario.load import ScenarioRun

_SETUP_S = 60.0
_DAY_S = 24 * 3600.0


def shell(
    scenario: Annotated[str | None, typer.Argument(help="Its backstores and targets are made first.")] = None,
    kernel: Annotated[str | None, typer.Option("-k", "--kernel", help="As for `lab run`.")] = None,
) -> None:
    """Open a terminal in a guest. The guest ends with it; nothing of it is kept."""
    chosen = selected([scenario])[0] if scenario else None
    one = host.ready(kernel or default_spec(), Store.default())
    with tempfile.TemporaryDirectory(prefix="lab-shell-") as workdir, \
            one.engine.guest(Path(workdir), cmdline=tuple(chosen.scenario.cmdline) if chosen else ()) as vm:
        if chosen:
            _set_up(vm, chosen, one.engine.shape.slowdown)
        say(f"{one.kernel.name} ({vm.hello.release}); leave with `exit` or Ctrl-D")
        _bridge(vm)


def _set_up(vm: Vm, chosen: ScenarioRun, slowdown: float) -> None:
    scenario = chosen.scenario.model_dump(mode="json", by_alias=True)
    reply = vm.link.request("setup", deadline_s=_SETUP_S * slowdown, scenario=scenario, token=secrets.token_hex(8),
                            seed=1)
    if "skip" in reply:
        raise UsageError(f"{chosen.id} cannot be set up on this kernel: {'; '.join(reply['skip'])}")
    if not reply.get("ok"):
        raise LabError(f"{chosen.id} could not be set up: {reply.get('problem', 'no reason given')}")
    say(f"set up: {chosen.id}")


def _bridge(vm: Vm) -> None:
    """Copy bytes between this terminal and the guest's until the guest's shell ends or the guest does."""
    ended = threading.Event()

    def wait() -> None:
        with contextlib.suppress(LabError):
            vm.link.request("shell", deadline_s=_DAY_S)
        ended.set()

    threading.Thread(target=wait, name="shell", daemon=True).start()
    with _raw_terminal():
        vm.machine.shell.sendall(_size_command())
        _copy(vm, ended)
    if vm.ended() != "running":
        say(f"the guest ended (QEMU: {vm.ended()})")


def _copy(vm: Vm, ended: threading.Event) -> None:
    sources = [vm.machine.shell.fileno(), sys.stdin.fileno()]
    while True:
        ready, _, _ = select.select(sources, [], [], 0.1)
        if vm.machine.shell.fileno() in ready:
            data = vm.machine.shell.recv(65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        elif ended.is_set():
            return
        if sys.stdin.fileno() in ready:
            data = os.read(sys.stdin.fileno(), 4096)
            vm.machine.shell.sendall(data or b"\x04")  # the end of our input is the end of the guest's
            if not data:
                sources.remove(sys.stdin.fileno())


def _size_command() -> bytes:
    """Tell the guest's terminal how large ours is; typed before anything else."""
    size = shutil.get_terminal_size()
    return f"stty rows {size.lines} cols {size.columns}; dmesg -n 1; clear\n".encode() if sys.stdin.isatty() else b""


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Every key goes to the guest, Ctrl-C too; put back as it was on every way out."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    on_term = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, on_term)
