"""Kernel modules: loading, unloading, and what references them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.guest import clock, program
from lab.guest.configfs import directories, entries, read_text
from lab.guest.settings import spell

# Kept equal to lab.scenario.objects.MODULES_OF_TYPE (a test compares them).
MODULES_OF_TYPE: Mapping[str, tuple[str, ...]] = {
    "ramdisk": (), "fileio": ("target_core_file",), "iblock": ("target_core_iblock",),
    "pscsi": ("target_core_pscsi",), "tcmu": ("target_core_user",),
    "loop": ("loop",), "brd": ("brd",), "scsi_debug": ("scsi_debug",), "null_blk": ("null_blk",), "dm": ("dm_mod",),
}
ALWAYS = ("target_core_mod", "tcm_loop", "sd_mod", "sg")
WATCHED = ("tcm_loop", "target_core_mod", "target_core_file", "target_core_iblock", "target_core_pscsi",
           "target_core_user", "loop", "brd", "scsi_debug", "null_blk", "dm_mod", "sd_mod", "sg")
# What shows that a built-in part is there, for kernels that come without modules.builtin.
_EVIDENCE = {
    "target_core_mod": "/sys/kernel/config/target", "tcm_loop": "/sys/bus/tcm_loop_bus", "loop": "/dev/loop-control",
    "dm_mod": "/dev/mapper/control", "null_blk": "/sys/kernel/config/nullb", "brd": "/dev/ram0",
    "scsi_debug": "/sys/bus/pseudo/drivers/scsi_debug", "sd_mod": "/sys/bus/scsi/drivers/sd",
    "sg": "/sys/class/scsi_generic",
}
_SYMBOLS = {"target_core_file": "fd_alloc_device", "target_core_iblock": "iblock_alloc_device",
            "target_core_pscsi": "pscsi_alloc_device"}
_SYS = Path("/sys/module")


def present(name: str) -> bool:
    """Whether the module is loaded, or built in and to be seen."""
    spelled = name.replace("-", "_")
    return (_SYS / spelled).is_dir() or os.path.exists(_EVIDENCE.get(spelled, "/nonexistent"))


def removable(name: str) -> bool:
    """Whether it is loaded as a module (a built-in part has no reference count)."""
    return (_SYS / name / "refcnt").exists()


def built_in(name: str) -> bool:
    """Whether it is there, and not as a module."""
    return present(name) and not removable(name)


def has_parameter(module: str, name: str) -> bool:
    """Whether the module is there with a parameter of this name that it shows."""
    return (_SYS / module.replace("-", "_") / "parameters" / name).exists()


def load(name: str, parameters: Mapping[str, object] | Sequence[str] = (), *, deadline: float) -> str | None:
    """Load a module with its parameters; None, or why it cannot be had."""
    if isinstance(parameters, Mapping):
        parameters = [f"{key}={spell(value)}" for key, value in parameters.items()]
    if not parameters and present(name):
        return None
    done = program.run(["modprobe", name, *parameters], deadline=deadline)
    if done.exit == 0 or (not parameters and (present(name) or _symbol(name))):
        return None
    return done.last_words()


def has(name: str, parameters: Mapping[str, object]) -> bool:
    """Whether a module has these values, as far as it shows them in sysfs."""
    shown = {path.name: read_text(path) for key in parameters if (path := _SYS / name / "parameters" / key).exists()}
    return all({"Y": "1", "N": "0"}.get(text, text) == spell(parameters[key]) for key, text in shown.items())


def _symbol(name: str) -> bool:
    wanted = _SYMBOLS.get(name)
    if wanted is None:
        return False
    with open("/proc/kallsyms") as file:
        return any(f" {wanted}\n" in line for line in file)


def unload(name: str, *, deadline: float) -> str | None:
    """Unload a module; None, or why it stays."""
    done = program.run(["modprobe", "-r", name], deadline=deadline)
    return None if done.exit == 0 else done.last_words()


def unload_ours(names: Sequence[str], *, deadline: float) -> list[str]:
    """Unload those that are there as modules, once nobody uses them; problems."""
    problems = []
    for name in names:
        while removable(name) and references(name) > 0 and clock.now() < deadline:
            time.sleep(0.05)
        if removable(name) and (why := unload(name, deadline=deadline + 10)):
            problems.append(f"module {name}: {why}")
    return problems


def references(name: str) -> int:
    """References that no other module holds; 0 for a built-in or missing one."""
    with contextlib.suppress(OSError, ValueError):
        return int(read_text(_SYS / name / "refcnt")) - len(entries(_SYS / name / "holders"))
    return 0


def loaded() -> list[str]:
    """Names of all modules that /sys/module shows."""
    return directories(_SYS)
