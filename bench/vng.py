"""A boot with virtme-ng, as the benchmarks compare with it: one command in one fresh VM of the host's own tree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab import process  # noqa: E402
from lab.errors import LabError  # noqa: E402

DEADLINE_S = 240.0  # for one boot; an emulated one takes 10 to 30


def argv(kernel: Path, *command: str, kvm: bool = False, root: bool = False) -> list[str]:
    """`vng --run KERNEL --disable-kvm --force-9p -- COMMAND`, with the vng beside this Python."""
    tool = Path(sys.executable).parent / "vng"
    if not tool.exists():
        raise LabError("vng is not installed beside this Python; type: make setup")
    options = [*([] if kvm else ["--disable-kvm"]), *(["--user", "root"] if root else [])]
    return [str(tool), "--run", str(kernel), *options, "--force-9p", "--", *command]


@dataclass
class Boot:
    """A vng that runs. What it prints is in two files: QEMU opens each again, so one file would be overwritten."""

    child: process.Child
    out: Path
    err: Path

    def printed(self) -> str:
        return self.out.read_text(errors="replace")


@contextmanager
def started(command: list[str], folder: Path, name: str) -> Iterator[Boot]:
    """Start a vng command; its whole session, QEMU with it, is killed and reaped when the block is left."""
    boot_out, boot_err = folder / f"{name}.out", folder / f"{name}.err"
    with ExitStack() as stack:
        out = stack.enter_context(open(boot_out, "wb"))
        err = stack.enter_context(open(boot_err, "wb"))
        yield Boot(stack.enter_context(process.start(command, stdout=out, stderr=err)), boot_out, boot_err)


def run(command: list[str], folder: Path, name: str) -> tuple[int, str]:
    """Run one to its end: exit status, what it printed. LabError when it does not end in time."""
    with started(command, folder, name) as boot:
        if not process.ended(boot.child, DEADLINE_S):
            raise LabError(f"vng did not end within {DEADLINE_S:g} s")
        return boot.child.returncode, boot.printed()
