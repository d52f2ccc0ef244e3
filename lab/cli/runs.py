"""`lab run` and `lab prepare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from lab.cli import git_bisect, host, places, words
from lab.cli.execute import execute, stoppable
from lab.cli.host import say
from lab.cli.jobs import Manner, vm_batches, vm_jobs
from lab.cli.options import Kernels, Known, NoKnown, Results, StrictKnown, Words, known_bugs, selected
from lab.cli.report import report
from lab.errors import BuildFailed, UsageError
from lab.kernels.resolve import default_spec
from lab.kernels.store import Store
from lab.run.job import Batch, batch_of
from lab.run.session import new_directory
from lab.scenario.load import ScenarioRun

__all__ = ["known_bugs", "prepare", "run", "selected", "stoppable"]


def run(
    scenarios: Words = None,
    kernels: Kernels = None,
    flavor: Annotated[str, typer.Option("--flavor", metavar="NAME", help="Build kernels that are given as source (a "
                                                                         "tree, git:, source:) in this flavor.")] = "",
    repeat: Annotated[int, typer.Option("--repeat", min=1, max=1000, metavar="N",
                                        help="Make each run N times, each in a fresh guest.")] = 1,
    vary_seed: Annotated[bool, typer.Option("--vary-seed", help="Another seed for each repeat.")] = False,
    results: Results = places.RESULTS,
    jobs: Annotated[int | None, typer.Option("-j", min=1, help="Guests side by side; default: what cores and "
                                                               "memory allow.")] = None,
    fresh_boot: Annotated[bool, typer.Option("--fresh-boot", help="Boot for every scenario.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Drives all that is random in a scenario.")] = 1,
    dump_core: Annotated[bool, typer.Option("--dump-core", help="Keep the memory of a guest that hangs or dies, for "
                                                                "crash or drgn: artifacts/vmcore of its run.")] = False,
    decode: Annotated[bool, typer.Option("--decode", help="Source lines for kernel failures: fetch the debug "
                                                          "information of a stock kernel (about 1 GB). A tree's own is "
                                                          "used anyway.")] = False,
    machine: Annotated[str | None, typer.Option(metavar="ssh://[USER@]HOST[:PORT]",
                                                help="Run on this machine instead of VMs.")] = None,
    bisecting: Annotated[bool, typer.Option(git_bisect.OPTION, help="For `git bisect run`. Exit: 0 good, 1 bad, 125 "
                                                                    "cannot tell, 128 and above: stop.")] = False,
    fingerprint: Annotated[str | None, typer.Option(metavar="F", help="With --git-bisect: only this failure is bad.")
                           ] = None,
    known: Known = places.KNOWN_BUGS,
    no_known: NoKnown = False,
    strict_known: StrictKnown = False,
) -> None:
    """Run scenarios on kernels, and say what happened. Exit: 0 passed, 1 a kernel failed, 2 usage, 3 lab, 130 stop."""
    chosen = selected(scenarios or [])
    bugs = [] if no_known else known_bugs(known)
    manner = Manner(seed=seed, fresh_boot=fresh_boot, dump_core=dump_core, decode=decode, repeat=repeat,
                    vary_seed=vary_seed, flavor=flavor)
    wanted = _wanted(kernels or [], machine, flavor, bisecting=bisecting, fingerprint=fingerprint)
    try:
        batches = _batches(chosen, wanted, machine, manner)
    except BuildFailed as error:
        if not bisecting:
            raise
        _answer(git_bisect.CANNOT_TELL, f"cannot tell: {error}")
    directory = new_directory(results)
    done = execute(batches, directory, width=1 if machine else jobs, bugs=bugs)
    status = report(directory, done, strict_known=strict_known)
    if bisecting:
        _answer(*git_bisect.answer(done.results, fingerprint, interrupted=done.interrupted, strict_known=strict_known))
    raise typer.Exit(status)


def _answer(status: int, why: str) -> NoReturn:
    say(f"for git bisect: {why}")
    raise git_bisect.Verdict(status)


def _wanted(kernels: Sequence[str], machine: str | None, flavor: str, *, bisecting: bool, fingerprint: str | None,
            ) -> list[str]:
    """The kernels that are asked for, patterns expanded. UsageError for options that do not go together."""
    if machine is not None and (kernels or flavor):
        raise UsageError("--machine runs on the kernel that the machine runs; leave -k and --flavor out")
    if fingerprint is not None and not bisecting:
        raise UsageError(f"--fingerprint is the failure that {git_bisect.OPTION} looks for; give both")
    found = [] if machine is not None else words.expanded(kernels or [default_spec()], flavor)
    if bisecting:
        git_bisect.check(found if kernels else [], fingerprint)
    return found


def _batches(chosen: list[ScenarioRun], kernels: list[str], machine: str | None, manner: Manner) -> list[Batch]:
    """One kernel is made ready now, and what is wrong with it is an error of the command; of several one that cannot be
    had is a result, and the others run."""
    if machine is not None:
        from lab.cli.remote import remote_jobs  # paramiko takes a third of a second to import

        return [batch_of(remote_jobs(machine, chosen, manner))]
    return [batch_of(vm_jobs(chosen, kernels, manner))] if len(kernels) == 1 else vm_batches(chosen, kernels, manner)


def prepare(kernels: Kernels = None) -> None:
    """Make ready all that a run needs: kernel, guest image, checkpoint. `make setup` ends with this."""
    store = Store.default()
    for spec in words.expanded(kernels or [default_spec()], ""):
        one = host.ready(spec, store)
        one.engine.prepare()
        say(f"{one.kernel.name} is ready ({one.engine.accelerator.why})")
