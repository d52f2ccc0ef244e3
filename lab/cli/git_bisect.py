"""`lab run --git-bisect`: a session in the words of `git bisect run`: 0 good, 1 bad, 125 cannot tell, 128+ stop."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable, Sequence

from lab.errors import UsageError
from lab.report.result import Outcome, Result

OPTION = "--git-bisect"
GOOD, BAD, CANNOT_TELL = 0, 1, 125
USAGE, INTERRUPTED, LAB = 128, 130, 131  # git bisect run ends at 128 and above
_NO_VERDICT = {0: USAGE, 2: USAGE}  # of a command that ended without an answer: --help, and wrong usage
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")


def check(kernels: Sequence[str], fingerprint: str | None) -> None:
    """UsageError for what would answer another question than that of one commit."""
    if len(kernels) != 1:
        raise UsageError(f"{OPTION} tests one kernel, that of the commit: give one -k, such as -k .")
    if fingerprint is not None and not _FINGERPRINT.fullmatch(fingerprint):
        raise UsageError(f"{fingerprint!r} is no fingerprint: give the 12 hex digits that a failure prints")


def answer(results: Sequence[Result], fingerprint: str | None, *, interrupted: bool = False,
           strict_known: bool = False) -> tuple[int, str]:
    """Exit status and why, in one line.

    Bad is any failure of a kernel that booted, or with `fingerprint` only that one, also where it is a known bug. One
    bad run is enough. Good is at least one run that went well while none failed.
    """
    if interrupted:
        return INTERRUPTED, "stop: interrupted"
    bad = next((r for r in results if _is_bad(r, fingerprint, strict_known)), None)
    if bad is not None:
        return BAD, f"bad: {bad.case}: {bad.summary}"
    unclear = next((r for r in results if _is_unclear(r, fingerprint)), None)
    if unclear is not None:
        return CANNOT_TELL, f"cannot tell: {unclear.case}: {unclear.summary}"
    skipped = [r for r in results if r.outcome is Outcome.SKIP]
    if len(skipped) == len(results):
        return CANNOT_TELL, f"cannot tell: every run was skipped: {skipped[0].summary if skipped else 'there was none'}"
    return GOOD, "good" + (f", but {len(skipped)} of {len(results)} runs were skipped" if skipped else "")


def _is_bad(result: Result, fingerprint: str | None, strict_known: bool) -> bool:
    if fingerprint is not None:
        return any(r.outcome is Outcome.FAIL and r.fingerprint == fingerprint for r in result.reasons)
    if result.outcome is Outcome.XPASS:
        return strict_known
    cause = result.cause
    booted = bool(result.origin)  # a kernel that panics on the way up has that for its cause
    return result.outcome is Outcome.FAIL and cause is not None and cause.kind != "boot" and booted


def _is_unclear(result: Result, fingerprint: str | None) -> bool:
    """The lab failed, the kernel did not boot, or it failed otherwise than was asked for."""
    other = fingerprint is not None and result.outcome is Outcome.XFAIL
    return result.outcome in (Outcome.ERROR, Outcome.FAIL) or other


class Verdict(SystemExit):
    """The exit of a command that has an answer for git."""


def stopping(command: Callable[[], None]) -> None:
    """Run a command that prints its errors and exits. What is no Verdict must not be taken for one: the statuses of
    wrong usage (2), of a failed lab (3) and of a bug in it (1) would each be a bad commit for git."""
    try:
        command()
    except Verdict:
        raise
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else LAB
        sys.exit(status if status >= USAGE else _NO_VERDICT.get(status, LAB))
    except BaseException:
        traceback.print_exc()
        sys.exit(LAB)
    sys.exit(LAB)
