"""`lab run --git-bisect`: what is good, bad, unclear; and that nothing else looks like an answer to git."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.cli import git_bisect
from lab.cli.git_bisect import Verdict, answer
from lab.errors import UsageError
from lab.report.result import Known, Outcome, Reason, Result
from tests.command import ROOT

F, OTHER = "0123456789ab", "ba9876543210"


def of(outcome: Outcome, fingerprint: str = F, kind: str = "step", known: bool = False, origin: str = "boot") -> Result:
    bug = [Known("b", "s", "open")] if known else []
    reasons = [] if outcome in (Outcome.PASS, Outcome.XPASS) else [
        Reason(Outcome.FAIL if outcome is Outcome.XFAIL else outcome, "text", kind=kind, bug="b" if known else "",
               fingerprint=fingerprint if outcome in (Outcome.FAIL, Outcome.XFAIL) else "")]
    return Result("one", "one", outcome, reasons, [], [], [], 0.0, origin, "", "", known=bug)


PASS, FAIL, SKIP, ERROR = (of(o) for o in (Outcome.PASS, Outcome.FAIL, Outcome.SKIP, Outcome.ERROR))
BOOT, ELSE, XFAIL = of(Outcome.FAIL, OTHER, "boot"), of(Outcome.FAIL, OTHER), of(Outcome.XFAIL, known=True)
XPASS = of(Outcome.XPASS, known=True)
PANIC = of(Outcome.FAIL, OTHER, "kernel", origin="")  # before any machine was ready


@pytest.mark.parametrize(("results", "fingerprint", "status"), [
    ([PASS], None, 0), ([PASS, PASS, FAIL], None, 1), ([SKIP], None, 125), ([], None, 125), ([ERROR, PASS], None, 125),
    ([BOOT, SKIP], None, 125), ([PANIC, SKIP], None, 125), ([FAIL, ERROR], None, 1), ([PASS, SKIP], None, 0),
    ([XFAIL], None, 0), ([XPASS], None, 0),
    ([PASS], F, 0), ([FAIL], F, 1), ([ELSE], F, 125), ([ELSE, FAIL], F, 1), ([ELSE, PASS], F, 125), ([XFAIL], F, 1),
    ([XFAIL], OTHER, 125), ([BOOT], F, 125), ([BOOT], OTHER, 1), ([SKIP], F, 125),
])
def test_the_answer(results: list[Result], fingerprint: str | None, status: int) -> None:
    assert answer(results, fingerprint)[0] == status
    assert answer(results, fingerprint, interrupted=True)[0] == 130


def test_strict_known_and_what_was_not_run() -> None:
    assert answer([XPASS], None, strict_known=True)[0] == 1
    assert answer([PASS, SKIP], None)[1] == "good, but 1 of 2 runs were skipped"


def ends(how: BaseException | None) -> Callable[[], None]:
    def command() -> None:
        if how is not None:
            raise how
    return command


@pytest.mark.parametrize(("how", "status"), [
    (Verdict(0), 0), (Verdict(1), 1), (Verdict(125), 125), (Verdict(130), 130),
    (SystemExit(0), 128), (SystemExit(1), 131), (SystemExit(2), 128), (SystemExit(3), 131), (SystemExit(130), 130),
    (SystemExit(None), 131), (SystemExit("words"), 131), (ZeroDivisionError("a bug"), 131), (KeyboardInterrupt(), 131),
    (MemoryError(), 131), (None, 131),
])
def test_only_a_verdict_is_an_answer(how: BaseException | None, status: int) -> None:
    with pytest.raises(SystemExit) as end:
        git_bisect.stopping(ends(how))
    assert end.value.code == status


@pytest.mark.parametrize(("kernels", "fingerprint"), [([], None), (["a", "b"], None), (["a"], "nonsense"), (["a"], "")])
def test_questions_that_are_not_those_of_one_commit(kernels: list[str], fingerprint: str | None) -> None:
    with pytest.raises(UsageError):
        git_bisect.check(kernels, fingerprint)


@pytest.mark.parametrize("words", [
    ["no-such-scenario", "-k", "debian"], ["read-capacity"], ["read-capacity", "-k", "debian", "--no-such-option"],
    ["read-capacity", "-k", "no-such-kernel"], ["read-capacity", "-k", "debian", "--fingerprint", "x"],
    ["read-capacity", "-k", "debian", "-k", "stock"], ["read-capacity", "-k", "debian", "--repeat", "0"],
    ["read-capacity", "--machine", "ssh://nobody@localhost", "-k", "debian"],
    ["read-capacity", "-k", "debian", "--flavor", "debug"],
])
def test_wrong_usage_stops_git(words: list[str]) -> None:
    done = _lab("run", "--git-bisect", *words)
    assert done.returncode == 128, done.stderr
    assert "Traceback" not in done.stderr


def test_a_failed_lab_stops_git(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _lab("run", "--git-bisect", "read-capacity", "-k", "debian", env={"LAB_STORE": str(tmp_path / "file/store")})
    assert done.returncode == 131, done.stderr
    assert "Traceback" not in done.stderr


def test_a_fingerprint_is_for_git_bisect() -> None:
    assert _lab("run", "read-capacity", "-k", "debian", "--fingerprint", F).returncode == 2


def test_a_slip_among_several_kernels_is_found_before_anything_runs() -> None:
    done = _lab("run", "read-capacity", "-k", "debian", "-k", "stok")
    assert done.returncode == 2 and "did you mean 'stock'" in done.stderr, done.stderr
    assert "runs," not in done.stderr


def _lab(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lab", *words], capture_output=True, text=True, timeout=120, cwd=ROOT,
                          env={**os.environ, **(env or {})})
