"""Which kernel modules a scenario needs: what the host looks for in a kernel before it boots it."""

from __future__ import annotations

from lab.scenario.objects import MODULES_OF_TYPE, Backstore
from lab.scenario.types import Scenario

ALWAYS = ("target_core_mod", "tcm_loop", "sd_mod", "sg")
MODULES_OF_FAULT = {"dm-error": ("dm_mod",), "dm-suspend": ("dm_mod",)}
_EXT4 = ("loop", "ext4")  # a file system on a loop device


def config(scenario: Scenario) -> dict[str, str]:
    """The kernel options that a scenario asks for: name -> y, m, or nothing where either will do."""
    return dict(option.partition("=")[::2] for option in scenario.requires.config)


def modules(scenario: Scenario) -> list[str]:
    """The modules, each once, in the order in which they are needed; they may be built in."""
    found = list(ALWAYS)
    for backstore in scenario.backstores.values():
        found += _of_backstore(backstore)
    for step in scenario.steps:
        inner = step.background.step if step.background is not None else step
        if inner.inject is not None:
            found += MODULES_OF_FAULT[inner.inject.fault]
        if inner.module is not None and inner.module.action == "load" and inner.expect is None:
            found.append(inner.module.name.replace("-", "_"))
    return list(dict.fromkeys([*found, *scenario.requires.modules]))


def _of_backstore(backstore: Backstore) -> list[str]:
    found = list(MODULES_OF_TYPE[backstore.type])
    if backstore.type == "fileio" and backstore.filesystem == "ext4":
        found += _EXT4
    if backstore.on is not None:
        found += [*MODULES_OF_TYPE[backstore.on.type], *MODULES_OF_TYPE[backstore.on.bottom]]
    return found
