"""Breaks drivers/target on purpose and looks whether the scenarios notice.

For each mutant: apply its patch to a private copy of the sources, build the modules, run the scenarios that it expects
to be red, and, if none is, the whole library. All of these must first be green on the unbroken sources.
Exit: 0 all as meant, 1 one survived, or one was caught that its patch says survives, 2 usage, 3 not judged.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab.errors import LabError  # noqa: E402
from tests.mutants.bench import Bench  # noqa: E402
from tests.mutants.hunt import Control, ControlFailed, Verdict, as_meant, hunt  # noqa: E402
from tests.mutants.mutant import Mutant, chosen, read_mutants  # noqa: E402
from tests.mutants.table import PAGE, load_found, page, save_found  # noqa: E402

KERNEL = "debian:6.12"  # the patches are made for its source


def hunt_all(mutants: list[Mutant], bench: Bench, *, library: bool, write: bool) -> dict[str, Verdict]:
    """One after the other, told as it goes. ControlFailed, LabError when the unbroken sources cannot be judged."""
    control = Control(bench.runs)
    control.ensure([word for mutant in mutants for word in mutant.expects])
    print(f"control: {len(control.passed)} runs are green without a mutant", flush=True)
    found = {}
    for number, mutant in enumerate(mutants, 1):
        begin = time.monotonic()
        found[mutant.name] = verdict = judged(mutant, bench, control, library)
        print(f"[{number}/{len(mutants)}] {verdict.outcome:8}  {mutant.name}  {time.monotonic() - begin:.0f} s  "
              f"{', '.join(verdict.by)}: {verdict.said or mutant.survives}", flush=True)
        if write:
            record(mutant, verdict)
    return found


def judged(mutant: Mutant, bench: Bench, control: Control, library: bool) -> Verdict:
    """A patch that does not apply or build any more is an error of this mutant alone."""
    try:
        return hunt(mutant, partial(bench.runs, patch=mutant.path), control, library=library)
    except LabError as error:
        return Verdict("error", said=str(error))


def record(mutant: Mutant, verdict: Verdict) -> None:
    """Keep what was found, and renew the page's table."""
    save_found({**load_found(), mutant.name: verdict})
    PAGE.write_text(page(PAGE.read_text(), read_mutants(), load_found()))


def status(mutants: list[Mutant], found: dict[str, Verdict]) -> int:
    """The exit status."""
    if any(found[m.name].outcome == "error" for m in mutants):
        return 3
    return 0 if all(as_meant(m, found[m.name]) for m in mutants) else 1


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the lab is ended
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="MUTANT", help="default: all")
    parser.add_argument("-k", "--kernel", default=KERNEL, help=f"a stock kernel, debian:VERSION; default {KERNEL}")
    parser.add_argument("-j", type=int, default=None, metavar="N", help="guests side by side")
    parser.add_argument("--expected", action="store_true", help="never run the whole library")
    parser.add_argument("--write", action="store_true", help="keep what is found, and renew docs/mutants.md")
    given = parser.parse_args()
    try:
        mutants = chosen(given.names)
    except ValueError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory(prefix="lab-mutants-", ignore_cleanup_errors=True) as tmp:
        bench = None
        try:
            bench = Bench(Path(tmp), given.kernel, given.j)
            found = hunt_all(mutants, bench, library=not given.expected, write=given.write)
        except (LabError, ControlFailed) as error:
            print(f"not judged: {error}", file=sys.stderr)
            return 3
        finally:
            if bench:
                bench.close()
    outcomes = [found[m.name].outcome for m in mutants]
    print(", ".join(f"{outcomes.count(word)} {word}" for word in ("caught", "survived", "error") if word in outcomes))
    return status(mutants, found)


if __name__ == "__main__":
    sys.exit(main())
