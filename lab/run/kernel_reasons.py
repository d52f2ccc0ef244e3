"""What the kernel did: its reports, each with its step, and taint that no report explains."""

from __future__ import annotations

from collections.abc import Iterator

from lab.console.finding import Effect, Finding, Severity
from lab.console.finding import worst as worst_of
from lab.console.taint import FLAGS, TaintFlag, added_flags
from lab.report.result import KernelFault, Outcome, Reason
from lab.run.evidence import Evidence
from lab.run.fingerprints import identity

# Which reports set which bit (add_taint in lib/bug.c, kernel/panic.c, kernel/watchdog.c, mm/kasan/report.c, mm/kfence,
# mm/slub.c, mm/page_alloc.c, kernel/sched/core.c, arch/*/kernel: die). A corrupt list is a WARN or a BUG.
_EXPLAINS = {
    "W": {"WARN", "refcount", "ODEBUG", "list-corruption", "ref-tracker", "atomic", "lockdep", "state", "slab", "oops"},
    "B": {"KASAN", "KFENCE", "KMSAN", "slab", "state"},
    "D": {"oops", "BUG", "panic", "list-corruption", "usercopy"},
    "L": {"soft-lockup"},
}


class Faults:
    """The reports of one run that fail it or are let pass, in the order of the log."""

    def __init__(self, evidence: Evidence, titles: list[str]) -> None:
        self._evidence, self._titles = evidence, titles
        found = [f for f in evidence.findings if f.effect is Effect.FAIL]
        self.passed = {id(f): why for f in found if (why := evidence.plan.allowed(f)) is not None}
        self.found = found
        self.failures = [f for f in found if id(f) not in self.passed]

    def reasons(self) -> Iterator[tuple[float, Reason]]:
        """One reason for each different failure (a hung task is reported again and again), with its position in time.
        The order of the log stands: what was reported first comes first."""
        latest = -1.0
        seen: set[str] = set()
        for finding in self.failures:
            if finding.fingerprint in seen:
                continue
            seen.add(finding.fingerprint)
            latest = max(latest, self._position(finding))
            times = sum(f.fingerprint == finding.fingerprint for f in self.failures)
            again = f" ({times} times)" if times > 1 else ""
            where = self._where(finding)
            text = f"kernel {finding.kind}{' ' * bool(where)}{where}: {finding.title}{again}"
            yield latest, Reason(Outcome.FAIL, text, finding.text, "kernel", finding.fingerprint)

    def _position(self, finding: Finding) -> float:
        if finding.step is not None:
            return float(finding.step)
        if finding.reported is not None:  # it began before the first of them
            return -1.0
        return self._evidence.places.position(finding.line, len(self._titles))

    def _where(self, finding: Finding) -> str:
        """`in step 2 (the write), reported 45 s later in step 4 (sleep)`."""
        if finding.step is None and finding.reported is not None:
            where = "before the first step"
        elif finding.step is None:
            where = self._evidence.places.when(finding.line, self._titles)
        else:
            where = self._step(finding.step)
        if finding.reported != finding.step:
            printed = self._step(finding.reported) if finding.reported is not None \
                else self._evidence.places.when(finding.line, self._titles)
            where += f", reported {finding.late_s:.0f} s later {printed}"
        if finding.beside:
            where += f" (with {' and '.join(finding.beside)} in the background)"
        return where

    def _step(self, index: int) -> str:
        return f"in step {index + 1}" + (f" ({self._titles[index]})" if index < len(self._titles) else "")

    def listed(self, cause: Reason | None) -> list[KernelFault]:
        """All of them in the terms of a report. `cause`: the run's first failure, which may be none of these."""
        first = self.failures[0] if self.failures and cause is not None and cause.kind == "kernel" else None
        return [_fault(f, self.passed.get(id(f)), first is f) for f in self.found]

    @property
    def worst(self) -> str:
        """Title of the most severe failure."""
        found = worst_of(self.failures)
        return found.title if found is not None else ""

    @property
    def fatal_but_allowed(self) -> Finding | None:
        """A report after which the machine is over, and which the scenario lets pass."""
        return next((f for f in self.found if f.fatal and id(f) in self.passed), None)


def _fault(finding: Finding, allowed: str | None, first: bool) -> KernelFault:
    role = "allowed" if allowed is not None else "cause" if first else "consequence"
    return KernelFault(finding.kind, finding.title, finding.fingerprint, finding.step, allowed, finding.text,
                       Severity(finding.severity).name.lower().replace("_", " "), role, finding.reported,
                       finding.late_s, finding.beside, finding.frames)


def unexplained_taint(added: object, faults: Faults, evidence: Evidence) -> tuple[list[TaintFlag], list[str]]:
    """Bits that a run added and that no report explains, and notes on those that the scenario lets pass."""
    left: list[TaintFlag] = []
    notes = []
    for flag in added_flags(0, added if isinstance(added, int) else 0):
        why = evidence.plan.allowed_anywhere(taint_title([flag]))
        if any(_explains(finding, flag) for finding in faults.found):
            continue
        if why is not None:
            notes.append(f"{taint_title([flag])}, let pass: {why}")
        else:
            left.append(flag)
    return left, notes


def taint_title(flags: list[TaintFlag]) -> str:
    """`kernel tainted: O (out-of-tree module was loaded)`."""
    return "kernel tainted: " + ", ".join(f"{flag.letter} ({flag.meaning})" for flag in flags)


def _explains(finding: Finding, flag: TaintFlag) -> bool:
    return finding.kind in _EXPLAINS.get(flag.letter, set())


def taint_reason(flags: list[TaintFlag]) -> Reason:
    """One reason for all bits; which they are is its fingerprint."""
    letters = [flag.letter if flag.bit < len(FLAGS) else f"bit{flag.bit}" for flag in flags]
    named = ", ".join(f"{letter} ({flag.meaning})" for letter, flag in zip(letters, flags, strict=True))
    return Reason(Outcome.FAIL, f"the kernel was tainted by this run: {named}, without a message that explains it",
                  kind="taint", fingerprint=identity("taint", " ".join(f"taint_{x}" for x in letters)))
