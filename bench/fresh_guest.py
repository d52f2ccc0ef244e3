"""How fast a fresh guest is there, against a boot by virtme-ng, and what memory guests side by side cost.

Usage: python bench/fresh_guest.py [-k KERNEL] [--rounds 5] [--guests 4]. Prints a table and, as its last line, one
JSON object. Both sides run without KVM, one VM at a time, in turn. Exit: 0 measured, 1 not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import vng  # noqa: E402

from lab.cli import host  # noqa: E402
from lab.errors import LabError  # noqa: E402
from lab.kernels.resolve import default_spec  # noqa: E402
from lab.kernels.store import Store  # noqa: E402
from lab.machine.accel import Accelerator  # noqa: E402
from lab.machine.vm import Engine  # noqa: E402

_PROOF = 42  # exit status that only a guest which ran our command can give


def emulated(one: host.Ready) -> Engine:
    """The kernel's engine without KVM: the other side has none either."""
    engine = one.engine
    return replace(engine, shape=replace(engine.shape, accelerator="tcg"),
                   accelerator=Accelerator("tcg", "emulation: for the comparison"))


def prove_vng(kernel: Path, release: str, folder: Path) -> None:
    """One boot that is not measured: files are cached after it, and it shows that vng boots this very kernel."""
    status, printed = vng.run(vng.argv(kernel, "sh", "-c", f"uname -r; exit {_PROOF}"), folder, "proof")
    if status != _PROOF or release not in printed:
        raise LabError(f"vng did not boot {release}: exit {status}, it printed {printed.strip()[-200:]!r}")


def time_vng(kernel: Path, folder: Path) -> float:
    """Seconds of a whole `vng ... -- true`."""
    begin = time.monotonic()
    status, printed = vng.run(vng.argv(kernel, "true"), folder, "true")
    seconds = time.monotonic() - begin
    if status != 0:
        raise LabError(f"vng failed: exit {status}, it printed {printed.strip()[-200:]!r}")
    return seconds


def time_guest(engine: Engine, folder: Path) -> float:
    """Seconds from asking for a guest to its agent's first answer."""
    workdir = Path(tempfile.mkdtemp(dir=folder))
    begin = time.monotonic()
    with engine.guest(workdir) as vm:
        seconds = time.monotonic() - begin
        if vm.origin != "checkpoint":
            raise LabError("the guest was booted, not forked from a checkpoint: " + "; ".join(vm.notes))
    return seconds


def pss_mib(pid: int) -> float:
    """The process's share of memory: pages that N processes share count 1/N."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LabError(f"/proc/{pid}/smaps_rollup has no Pss")


def side_by_side(engine: Engine, number: int, folder: Path) -> list[float]:
    """MiB of PSS of all QEMUs together, with 1, 2, ... `number` guests that have answered and wait."""
    totals, pids = [], []
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            vm = stack.enter_context(engine.guest(Path(tempfile.mkdtemp(dir=folder))))
            pids.append(vm.machine.child.pid)
            totals.append(sum(pss_mib(pid) for pid in pids))
    return totals


def measure(spec: str, rounds: int, guests: int) -> dict[str, object]:
    """All numbers; prints the table as they come."""
    one = host.ready(spec, Store.default())
    engine, kernel = emulated(one), one.kernel
    engine.prepare()
    with tempfile.TemporaryDirectory(prefix="lab-bench-") as tmp:
        folder = Path(tmp)
        prove_vng(kernel.image, kernel.release, folder)
        time_guest(engine, folder)
        print(f"{'round':>5} {'fork, s':>9} {'vng, s':>9} {'ratio':>7}", flush=True)
        forks, boots = [], []
        for number in range(rounds):
            forks.append(time_guest(engine, folder))
            boots.append(time_vng(kernel.image, folder))
            print(f"{number + 1:5} {forks[-1]:9.3f} {boots[-1]:9.2f} {boots[-1] / forks[-1]:7.0f}", flush=True)
        totals = side_by_side(engine, guests, folder)
    fork_s, vng_s = statistics.median(forks), statistics.median(boots)
    each = (totals[-1] - totals[0]) / (guests - 1)
    print(f"{'all':>5} {fork_s:9.3f} {vng_s:9.2f} {vng_s / fork_s:7.0f}   medians\n")
    print(f"memory (PSS) of guests of {engine.shape.memory_mib} MiB that wait: one {totals[0]:.0f} MiB, "
          f"{guests} together {totals[-1]:.0f} MiB, each further one {each:.0f} MiB")
    return {"ratio": round(vng_s / fork_s, 1), "fork_s": round(fork_s, 3), "vng_s": round(vng_s, 2),
            "fork_s_by_round": [round(x, 3) for x in forks], "vng_s_by_round": [round(x, 2) for x in boots],
            "rounds": rounds, "kernel": kernel.name, "release": kernel.release, "guests": guests,
            "pss_mib": round(totals[-1], 1), "pss_mib_by_guests": [round(x, 1) for x in totals],
            "pss_mib_per_guest": round(each, 1)}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception: every `with` ends its guests
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-k", "--kernel", default=None, help="as for `lab run`; default: the default kernel")
    parser.add_argument("--rounds", type=int, default=5, help="forks and boots, in turn")
    parser.add_argument("--guests", type=int, default=4, help="side by side, for the memory; at least 2")
    given = parser.parse_args()
    if given.rounds < 1 or given.guests < 2:
        parser.error("--rounds must be at least 1, --guests at least 2")
    try:
        found = measure(given.kernel or default_spec(), given.rounds, given.guests)
    except (LabError, OSError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
