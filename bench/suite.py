"""The scenarios in fresh guests through `lab run`, against the same work as shell scripts in boots of virtme-ng.

Usage: python bench/suite.py [-k KERNEL] [--rounds 1] [--sample 10] [--matrix] [SCENARIO|TAG|FILE]... Two guests side by
side on both sides. Prints a table and, as its last line, one JSON object. Exit: 0 measured, 1 not.

First `lab run` goes over all runs of the library: that gives the CPU time of the lab itself for each run, and which
runs this kernel can do. Then each round times the shell twins (shell_twin.py) of the chosen runs, and `lab run` on the
same ones before and after; the slower of the two counts.
Chosen is one run of each of 10 scenarios, the same ones each time; --sample N takes N, and 0 all of them; --matrix
chooses from every run of every matrix.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import vng  # noqa: E402
from shell_twin import twin  # noqa: E402

from lab import process  # noqa: E402
from lab.cli import host  # noqa: E402
from lab.cli.jobs import word_of  # noqa: E402
from lab.cli.options import selected  # noqa: E402
from lab.errors import LabError  # noqa: E402
from lab.kernels.resolve import default_spec  # noqa: E402
from lab.kernels.store import Store  # noqa: E402
from lab.scenario.load import ScenarioRun  # noqa: E402

WIDTH = 2  # guests side by side
_LAB_S, _TWIN_S = 120.0, 600.0  # deadlines: of each run of the lab, of one twin with its boot
_BEGIN_S = 150.0  # a boot that has not reached its script by then hangs; it is repeated, and its time not counted
_HANGS = 3  # boots that may hang in one round
# The lab's command, and then what the process itself used, without its children.
_COUNTED = """
import resource, sys
from lab.cli.main import entry
sys.argv[0] = "lab"
try:
    entry()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    open({path!r}, "w").write(str(used.ru_utime + used.ru_stime))
"""


@dataclass(frozen=True)
class LabRun:
    """One `lab run`: wall and CPU seconds, and for each run that had a guest its outcome and seconds."""

    wall_s: float
    cpu_s: float
    outcomes: dict[str, str]
    seconds: dict[str, float]


@dataclass
class TwinRun:
    """The twins of a round: wall seconds, and seconds and last word of each."""

    wall_s: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    hung: int = 0


def lab_run(spec: str, chosen: Sequence[ScenarioRun], folder: Path) -> LabRun:
    """`lab run -j 2` on these runs, as a process of its own. LabError when it does not end or leaves no results."""
    results = Path(tempfile.mkdtemp(dir=folder, prefix="results-"))
    words = list(dict.fromkeys(word_of(run) for run in chosen))
    argv = [sys.executable, "-c", _COUNTED.format(path=str(results / "cpu")), "run", "-k", spec, "-j", str(WIDTH),
            "--results", str(results), *words]
    with open(results / "output", "wb") as output:
        begin = time.monotonic()
        with process.start(argv, stdout=output, stderr=output, cwd=ROOT) as child:
            if not process.ended(child, 120 + _LAB_S * len(chosen)):
                raise LabError("`lab run` did not end in time")
            wall_s = time.monotonic() - begin
    found = [json.loads(file.read_text()) for file in results.glob("latest/*/*/result.json")]
    ran = [r for r in found if r["origin"]]
    if child.returncode not in (0, 1, 3) or not ran:
        raise LabError(f"`lab run` measured nothing: exit {child.returncode}, "
                       f"{(results / 'output').read_text(errors='replace').strip()[-300:]}")
    return LabRun(wall_s, float((results / "cpu").read_text()), {r["id"]: r["outcome"] for r in ran},
                  {r["id"]: r["seconds"] for r in ran})


def twins_run(kernel: Path, kvm: bool, chosen: Sequence[ScenarioRun], folder: Path) -> TwinRun:
    """Each twin in a boot of its own, two at a time. LabError when vng hangs again and again."""
    scripts = Path(tempfile.mkdtemp(dir=folder, prefix="twins-"))
    todo = []
    for number, run in enumerate(chosen):
        (scripts / f"{number}.sh").write_text(twin(run.scenario).script)
        todo.append((run.id, scripts / f"{number}.sh"))
    done, lost_s, begin = TwinRun(), 0.0, time.monotonic()
    with ExitStack() as stack:
        running: list[_Slot] = []
        stack.callback(_end_all, running)
        while todo or running:
            while todo and len(running) < WIDTH:
                running.append(_Slot(*todo.pop(0), kernel, kvm))
            time.sleep(0.05)
            for slot in [s for s in running if s.over()]:
                running.remove(slot)
                slot.stack.close()
                if slot.hung:
                    lost_s += slot.seconds
                    done.hung += 1
                    if done.hung > _HANGS:
                        raise LabError(f"{done.hung} boots of vng hung; the last was that of {slot.name}")
                    todo.append((slot.name, slot.script))
                    continue
                done.seconds[slot.name], done.ends[slot.name] = slot.seconds, slot.last_word()
                print(f"  {slot.seconds:6.1f} s  {slot.name}: {slot.last_word()}", flush=True)
    done.wall_s = time.monotonic() - begin - lost_s / WIDTH
    return done


class _Slot:
    """One twin in its boot."""

    def __init__(self, name: str, script: Path, kernel: Path, kvm: bool) -> None:
        self.name, self.script, self.hung, self.seconds = name, script, False, 0.0
        self.stack = ExitStack()
        command = vng.argv(kernel, "sh", str(script), kvm=kvm, root=True)
        self._begin = time.monotonic()
        self._boot = self.stack.enter_context(vng.started(command, script.parent, script.stem))

    def over(self) -> bool:
        """Whether it has ended, or hangs."""
        self.seconds = time.monotonic() - self._begin
        if process.ended(self._boot.child):
            return True
        self.hung = self.seconds > _BEGIN_S and "twin: begin" not in self._boot.printed()
        return self.hung or self.seconds > _TWIN_S

    def last_word(self) -> str:
        """`done`, or its problems; a script that did not come to its end has one too."""
        lines = self._boot.printed().replace("\r", "").splitlines()
        if not any(x.startswith("twin: end") for x in lines):
            return f"no end after {self.seconds:.0f} s (exit {self._boot.child.returncode}): {' / '.join(lines[-2:])}"
        problems = [x.removeprefix("twin: problem: ") for x in lines if x.startswith("twin: problem")]
        return "; ".join(problems) or "done"


def _end_all(running: list[_Slot]) -> None:
    for slot in running:
        slot.stack.close()


def pick(runs: Sequence[ScenarioRun], sample: int, matrix: bool) -> list[ScenarioRun]:
    """The runs that are compared, in the order of the library; which ones does not depend on chance."""
    words = {word_of(run): run.scenario.scenario for run in runs}  # a file outside of the library goes as a whole
    lots = sorted(words, key=lambda word: hashlib.sha256(word.encode()).hexdigest())
    if not matrix:
        of_scenario = {words[word]: word for word in reversed(lots)}
        lots = [word for word in lots if of_scenario[words[word]] == word]
    taken = set(lots[:sample or None])
    return [run for run in runs if word_of(run) in taken]


def measure(given: argparse.Namespace) -> dict[str, object]:
    """All numbers; prints what is done as it goes."""
    spec = given.kernel or default_spec()
    library = selected(given.words)
    one = host.ready(spec, Store.default())
    boot_s = one.engine.prepare()
    kvm = one.engine.accelerator.name == "kvm"
    with tempfile.TemporaryDirectory(prefix="lab-bench-", ignore_cleanup_errors=True) as tmp:
        folder = Path(tmp)
        print(f"the lab on all {len(library)} runs ...", flush=True)
        whole = lab_run(spec, library, folder)
        able = [run for run in library if run.id in whole.outcomes]
        chosen = pick(able, given.sample, given.matrix)
        rounds = []
        for number in range(given.rounds):
            print(f"round {number + 1}: {len(chosen)} runs by the lab, as shell scripts, by the lab ...", flush=True)
            before = lab_run(spec, chosen, folder)
            twins = twins_run(one.kernel.image, kvm, chosen, folder)
            # The twins take long, and the machine may be busier by then: the slower of two runs counts.
            rounds.append((max(before, lab_run(spec, chosen, folder), key=lambda lab: lab.wall_s), twins))
    report(chosen, *rounds[-1])
    return numbers(given, one, whole, chosen, rounds, boot_s)


def report(chosen: Sequence[ScenarioRun], lab: LabRun, twins: TwinRun) -> None:
    """The table for people."""
    print(f"\n{'run':54} {'lab, s':>7} {'shell in vng, s':>15}  ends")
    for run in chosen:
        name = run.id if len(run.id) <= 54 else run.id[:51] + "..."
        print(f"{name:54} {lab.seconds.get(run.id, 0):7.1f} {twins.seconds[run.id]:15.1f}  "
              f"{lab.outcomes.get(run.id, '?')}, {twins.ends[run.id][:60]}")
    print(f"{'all, two at a time (wall)':54} {lab.wall_s:7.1f} {twins.wall_s:15.1f}")
    left = Counter(sentence for run in chosen for sentence in twin(run.scenario).left_out)
    for sentence, times in left.items():
        print(f"the twins leave out ({times} of {len(chosen)}): {sentence}")


def compared(lab: LabRun, twins: TwinRun) -> tuple[float, float]:
    """Wall seconds of both sides. A twin with problems did other work, so its run does not count on either side."""
    odd = [name for name, end in twins.ends.items() if end != "done"]
    if 2 * len(odd) > len(twins.ends):
        raise LabError(f"{len(odd)} of {len(twins.ends)} shell twins did not do their work; "
                       f"{odd[0]}: {twins.ends[odd[0]]}")
    return (lab.wall_s - sum(lab.seconds.get(name, 0) for name in odd) / WIDTH,
            twins.wall_s - sum(twins.seconds[name] for name in odd) / WIDTH)


def numbers(given: argparse.Namespace, one: host.Ready, whole: LabRun, chosen: Sequence[ScenarioRun],
            rounds: Sequence[tuple[LabRun, TwinRun]], boot_s: float | None) -> dict[str, object]:
    """The JSON object; its main lines are printed too."""
    walls = [compared(lab, twins) for lab, twins in rounds]
    lab_s, twins_s = (statistics.median(x) for x in zip(*walls, strict=True))
    ratio = statistics.median(b / a for a, b in walls)
    cpu = whole.cpu_s / len(whole.outcomes)
    cold = twins_s / (lab_s + (boot_s or 0))
    print(f"\n{ratio:.1f} times faster ({cold:.1f} with the one boot that makes the checkpoint); "
          f"CPU of the lab itself for each of {len(whole.outcomes)} runs: {cpu:.3f} s")
    return {
        "ratio": round(ratio, 2), "lab_s": round(lab_s, 2), "vng_s": round(twins_s, 2), "rounds": given.rounds,
        "runs": len(chosen), "width": WIDTH, "ratio_with_checkpoint_boot": round(cold, 2),
        "checkpoint_boot_s": round(boot_s, 1) if boot_s else None, "cpu_per_run_s": round(cpu, 4),
        "cpu_runs": len(whole.outcomes), "cpu_s": round(whole.cpu_s, 2), "library_wall_s": round(whole.wall_s, 1),
        "lab_outcomes": dict(Counter(whole.outcomes.values())),
        "twins_with_problems": sorted({name for _, twins in rounds for name, end in twins.ends.items()
                                       if end != "done"}),
        "hung_boots": sum(twins.hung for _, twins in rounds), "kernel": one.kernel.name,
        "release": one.kernel.release, "accelerator": one.engine.accelerator.name,
        "cores": len(os.sched_getaffinity(0))}


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception: every `with` ends its guests
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("words", nargs="*", metavar="SCENARIO|TAG|FILE", help="as for `lab run`; default: the library")
    parser.add_argument("-k", "--kernel", default=None, help="as for `lab run`; default: the default kernel")
    parser.add_argument("--rounds", type=int, default=1, help="of the comparison")
    parser.add_argument("--sample", type=int, default=10, metavar="N", help="compare on N runs; 0: on all")
    parser.add_argument("--matrix", action="store_true", help="choose from every run, not one of each scenario")
    given = parser.parse_args()
    if given.rounds < 1 or given.sample < 0:
        parser.error("--rounds must be at least 1, --sample at least 0")
    try:
        found = measure(given)
    except (LabError, OSError, ValueError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
