"""Jobs on a machine that SSH reaches."""

from __future__ import annotations

from lab.cli.host import environment, say
from lab.cli.jobs import Manner, word_of
from lab.machine.ssh import SshMachine, parse_address
from lab.run.job import Job
from lab.run.plan import KernelFacts, RunPlan
from lab.scenario.load import ScenarioRun

_SLOWDOWN = 5.0  # nothing is known of the machine: it may itself be an emulated VM


def remote_jobs(machine: str, chosen: list[ScenarioRun], manner: Manner) -> list[Job]:
    """One job for each run and repeat on the machine's own kernel. UsageError for a bad address, LabError when it is
    not there."""
    address = parse_address(machine)
    guests = SshMachine(address)
    hello = guests.look()
    say(f"{address} runs {hello.release}")
    facts = KernelFacts(f"{address.host}-{hello.release}", hello.release, hello.boot_id, machine)
    around = environment("ssh", _SLOWDOWN, machine=machine)
    return [Job(RunPlan(id=r.id, word=word_of(r), scenario=r.scenario, values=r.values, path=str(r.path),
                        digest=r.digest, kernel=facts, environment=around, seed=manner.seed_of(number),
                        number=number), guests)
            for number in manner.numbers for r in chosen]
