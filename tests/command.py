"""The real `lab` command for tests: a process of its own with a deadline, and what it left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
DEADLINE_S = 300.0


@dataclass(frozen=True)
class Ran:
    """A finished `lab`: exit status, output, and the folder below which its sessions are."""

    status: int
    stdout: str
    stderr: str
    results: Path

    @property
    def said(self) -> str:
        """stdout and stderr, for asserting on words wherever they stand."""
        return self.stdout + self.stderr

    @property
    def session(self) -> Path:
        """The folder of the newest session."""
        return self.results / "latest"

    def result(self, run_id: str) -> dict[str, Any]:
        """result.json of one run of the newest session."""
        found = [r for r in self.all_results() if r["id"] == run_id]
        assert len(found) == 1, f"{run_id}: {len(found)} results; the lab said:\n{self.said}"
        return found[0]

    def all_results(self) -> list[dict[str, Any]]:
        """Every result.json of the newest session."""
        return [json.loads(path.read_text()) for path in sorted(self.session.glob("*/*/result.json"))]

    def wrong(self) -> list[tuple[str, str, list[str]]]:
        """The runs that neither passed nor failed as a known bug does that has a fix upstream."""
        return [(r["id"], r["outcome"], [x["text"] for x in r["reasons"]]) for r in self.all_results()
                if r["outcome"] != "pass" and not (r["outcome"] == "xfail" and r["known"]
                                                   and all(bug["fixed"] != "open" for bug in r["known"]))]

    def outcomes(self) -> dict[str, str]:
        """Run id -> outcome, of every case of junit.xml: pass, skip, error or fail."""
        cases = ElementTree.parse(self.session / "junit.xml").iter("testcase")
        return {case.attrib["name"]: _outcome(case) for case in cases}


def _outcome(case: ElementTree.Element) -> str:
    for tag, outcome in (("failure", "fail"), ("error", "error"), ("skipped", "skip")):
        if case.find(tag) is not None:
            return outcome
    return "pass"


@dataclass
class Running:
    """A `lab` that runs, in a session of its own as a shell starts it."""

    child: subprocess.Popen[bytes]
    out: Path
    err: Path
    results: Path

    def signal(self, number: int) -> None:
        """To its whole process group, as a terminal does at Ctrl-C."""
        os.killpg(self.child.pid, number)

    def wait(self, timeout_s: float = DEADLINE_S) -> Ran:
        """Its end. Fails the test, and ends it, when it does not come in time."""
        try:
            self.child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"the lab did not end within {timeout_s:g} s; it said:\n{self.said()}") from None
        return Ran(self.child.returncode, self.out.read_text(errors="replace"), self.err.read_text(errors="replace"),
                   self.results)

    def said(self) -> str:
        """What it printed so far."""
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace")

    def stop(self) -> None:
        """Kill and reap it; its QEMUs die with it."""
        if self.child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
        """What `condition` returns as soon as that is true; fails the test when the lab ends or time runs out."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if found := condition():
                return found
            assert self.child.poll() is None, f"the lab ended before {what}; it said:\n{self.said()}"
            time.sleep(0.02)
        raise AssertionError(f"{what} did not happen within {timeout_s:g} s; the lab said:\n{self.said()}")


@dataclass
class Lab:
    """Starts the command. `where` is a directory of the test's own; `spec` the kernel that tests run on."""

    where: Path
    spec: str
    _started: list[Running] = field(default_factory=list)

    def __call__(self, *words: str | Path, timeout_s: float = DEADLINE_S, **how: Any) -> Ran:
        """Run it to its end; see `start`."""
        return self.start(*words, **how).wait(timeout_s)

    def start(self, *words: str | Path, env: Mapping[str, str] | None = None, patch: Mapping[str, object] | None = None,
              prefix: Sequence[str | Path] = (), results: Path | None = None, kernel: str | Path | None = None,
              ) -> Running:
        """Start `lab WORDS`. `run` gets the tests' kernel and a results folder of this test's own.

        patch: {"lab.machine.vm.BOOT_DEADLINE_S": 2} sets constants before the command begins. prefix: words before
        the command, such as unshare's.
        """
        number = len(self._started)
        results = results or self.where / "results"
        argv = [*map(str, prefix), sys.executable, *_entry(patch or {}), *map(str, words)]
        if words[0] == "run":
            argv += ["--results", str(results), *(() if kernel == "" else ("-k", str(kernel or self.spec)))]
        out, err = self.where / f"stdout-{number}", self.where / f"stderr-{number}"
        with out.open("wb") as to_out, err.open("wb") as to_err:
            child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=to_out, stderr=to_err, cwd=ROOT,
                                     env={**os.environ, "COLUMNS": "80", **(env or {})}, start_new_session=True)
        self._started.append(Running(child, out, err, results))
        return self._started[-1]

    def stop(self) -> None:
        """End whatever a test left running."""
        for running in self._started:
            running.stop()


def _entry(patch: Mapping[str, object]) -> list[str]:
    if not patch:
        return ["-m", "lab"]
    lines = ["import importlib, pathlib"]
    for name, value in patch.items():
        module, _, attribute = name.rpartition(".")
        lines.append(f"setattr(importlib.import_module({module!r}), {attribute!r}, "
                     + (f"pathlib.Path({str(value)!r}))" if isinstance(value, Path) else f"{value!r})"))
    return ["-c", "\n".join([*lines, "from lab.cli.main import entry", "entry()"])]


def qemus(below: Path) -> list[int]:
    """Pids of the QEMUs whose command line names a file below a directory; nobody else's."""
    return [pid for pid, words in _processes() if "qemu" in words[0] and any(str(below) in w for w in words)]


def _processes() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0]:
                yield int(entry.name), words


def assert_no_qemu(below: Path) -> None:
    """A QEMU whose lab was killed gets a moment to die; then there is none."""
    end = time.monotonic() + 5
    while (left := qemus(below)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left, f"QEMUs are left, with files below {below}: {left}"
