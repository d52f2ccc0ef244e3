"""Which kernel modules a scenario needs: what the host looks for in a kernel before it boots it."""

from __future__ import annotations

from lab.scenario.faults import FAULTS, Kind
from lab.scenario.objects import MODULES_OF_TYPE, Backstore
from lab.scenario.steps import walk
from lab.scenario.types import Scenario

ALWAYS = ("target_core_mod", "tcm_loop", "sd_mod", "sg")
_EXT4 = ("loop", "ext4")  # a file system on a loop device


def config(scenario: Scenario) -> dict[str, str]:
    """The kernel options that a scenario asks for: name -> y, m, or nothing where either will do."""
    options = [*scenario.requires.config, *(option for kind in _faults(scenario) for option in kind.config)]
    if any(step.repeat is not None and step.repeat.fails_below for step in walk(scenario.steps)):
        options += [*FAULTS["failslab"].config, "CONFIG_FAULT_INJECTION_STACKTRACE_FILTER"]
    return dict(option.partition("=")[::2] for option in options)


def _faults(scenario: Scenario) -> list[Kind]:
    """What the faults that it injects are."""
    return [FAULTS[step.inject.fault] for step in walk(scenario.steps) if step.inject is not None]


def modules(scenario: Scenario) -> list[str]:
    """The modules, each once, in the order in which they are needed; they may be built in."""
    found = list(ALWAYS)
    for backstore in scenario.backstores.values():
        found += _of_backstore(backstore)
    for step in walk(scenario.steps):
        if step.module is not None and step.module.action == "load" and step.expect is None:
            found.append(step.module.name.replace("-", "_"))
    found += [module for kind in _faults(scenario) for module in kind.modules]
    return list(dict.fromkeys([*found, *scenario.requires.modules]))


def _of_backstore(backstore: Backstore) -> list[str]:
    found = list(MODULES_OF_TYPE[backstore.type])
    if backstore.type == "fileio" and backstore.filesystem == "ext4":
        found += _EXT4
    if backstore.on is not None:
        found += [*MODULES_OF_TYPE[backstore.on.type], *MODULES_OF_TYPE[backstore.on.bottom]]
    return found
