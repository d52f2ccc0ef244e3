"""blktests on a LUN's disk: its tests by GROUP/NNN, each by a `check` of its own, and what each came to.

`check` leaves a file for each test and device in RESULTS/DEVICE/GROUP/NNN, lines of a key, a tab and a value: status
(pass, fail, not run), reason of a failure (output, exit, dmesg), exit_status, runtime. Why a test was not run it only
prints.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.guest import clock, program
from lab.guest.observation import Refused
from lab.guest.suite import Case, Told

PLACE = Path("/opt/blktests")
# Without these `check` itself does not work; what busybox has of them is not enough.
NEEDS = {"bash": "bash", "gawk": "gawk", "find": "findutils", "diff": "diffutils", "sed": "sed", "grep": "grep",
         "column": "bsdextrautils", "getopt": "util-linux", "blockdev": "util-linux", "sort": "coreutils",
         "stat": "coreutils", "realpath": "coreutils", "date": "coreutils", "mktemp": "coreutils"}
_TIMED_S = 10  # of a test that runs for as long as it is told
_NOT_RUN = "[not run]"
_CHANGED = re.compile(r"^ *[+-](?!\+\+ |-- )")
_OF_MODULES = re.compile(r"(scsi_debug|null_blk|brd)\.")


def missing(given: dict[str, Any]) -> str | None:
    """Why the guest cannot run it; None when it can."""
    if not (PLACE / "check").exists():
        return "blktests is not in the guest: name a checkout of it by BLKTESTS=/path, for guests of the lab's own QEMU"
    lacking = " ".join(sorted({package for tool, package in NEEDS.items() if not _has(tool)}))
    if lacking:
        return f"blktests cannot be run: install {lacking} on the host, of whose tools the guest is made"
    return None


def _has(tool: str) -> bool:
    path = program.which(tool)
    return path is not None and Path(os.path.realpath(path)).name != "busybox"


def names(given: dict[str, Any], deadline: float) -> list[str]:
    """All its tests."""
    found = (PLACE / "tests").glob("*/[0-9][0-9][0-9]")
    return sorted(f"{path.parent.name}/{path.name}" for path in found)


def run(chosen: list[str], told: Told) -> Iterator[Case]:
    """One after the other, until one does not end."""
    config = told.work / "config"
    config.write_text(f"TEST_DEVS=({told.disk.node})\nQUICK_RUN=1\nTIMEOUT={_TIMED_S}\n")
    (told.work / "cmdline").write_text(_cmdline(Path("/proc/cmdline").read_text()))
    with _bound(told.work / "cmdline", "/proc/cmdline"), _bound(Path("/lib/modules", os.uname().release), "/boot"):
        for name in chosen:
            results = told.work / "results"
            shutil.rmtree(results, ignore_errors=True)
            argv = [str(PLACE / "check"), "-c", str(config), "-o", str(results), name]
            heard = program.listen(argv, deadline=told.deadline, folder=str(PLACE), stopping=told.stopping)
            case = case_of(name, heard, results)
            yield case
            if case.ends == "hung":
                return


def _cmdline(text: str) -> str:
    """The kernel's command line without the parameters of drivers that may be built in: modprobe gives them to modules
    too, and the tests mean the modules' own."""
    return " ".join(word for word in text.split() if not _OF_MODULES.match(word)) + "\n"


@contextlib.contextmanager
def _bound(what: Path, place: str) -> Iterator[None]:
    """A file or folder at another place for a while; the kernel's configuration lies beside its modules. What is not
    there stays away."""
    there = what.exists() and Path(place).exists()
    if there:
        _busybox("mount", "-o", "bind", str(what), place)
    try:
        yield
    finally:
        if there:
            _busybox("umount", place)


def _busybox(*argv: str) -> None:
    done = program.run(["busybox", *argv], deadline=clock.now() + 10)
    if done.exit:
        raise Refused(f"{argv[0]}: {done.last_words()}", exit=done.exit)


def case_of(name: str, heard: program.Heard, results: Path) -> Case:
    """What `check` printed of one test, and the files that it left of it, one for each device and condition."""
    lines = [line for _, line in heard.lines]
    output, seconds = "\n".join(lines), heard.lines[-1][0] if heard.lines else 0.0
    if heard.exit is None:
        return Case(name, "hung", "", output, seconds)
    found = [_result(path) for path in sorted(results.glob(f"*/{name}"))]
    ends = [result.get("status", "") for result in found]
    if "fail" in ends:
        return Case(name, "fail", _why(found[ends.index("fail")], lines), output, seconds)
    if "pass" in ends:
        return Case(name, "pass", "", output, seconds)
    if any(line.rstrip().endswith(_NOT_RUN) for line in lines):
        return Case(name, "skip", "; ".join(_not_run(lines)) or "it does not say why", output, seconds)
    return Case(name, "crashed", f"exit {heard.exit}, and it left no result", output, seconds)


def _result(path: Path) -> dict[str, str]:
    pairs = (line.partition("\t") for line in path.read_text(errors="replace").splitlines())
    return {key: value for key, _, value in pairs}


def _not_run(lines: list[str]) -> Iterator[str]:
    """The reasons: indented lines below `[not run]` without the tabs of the result."""
    below = False
    for line in lines:
        if line.rstrip().endswith(_NOT_RUN):
            below = True
        elif below and line.startswith("    ") and not re.match(r" +(runtime|\S+) {2,}\.\.\.", line):
            yield line.strip()


def _why(result: dict[str, str], lines: list[str]) -> str:
    """The reason in the result, and the first line that says more."""
    reason = result.get("reason", "")
    if reason == "exit":
        return f"it ended with status {result.get('exit_status', '?')}"
    if reason == "dmesg":
        at = next((i for i, line in enumerate(lines) if "something found in dmesg" in line), len(lines))
        told = next((line.strip() for line in lines[at + 1:] if re.search(r"WARNING:|BUG|Oops|error|fault", line)), "")
        return f"the kernel log has a report: {told}"
    told = next((line.strip() for line in lines if _CHANGED.match(line)), "")
    return f"its output is not as it should be: {told}"
