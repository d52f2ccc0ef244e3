"""`lab doctor`: everything that is missing or weak on this host, at once, each with the command that mends it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from lab import process
from lab.cli import host, places
from lab.cli.packages import HOST_TOOLS
from lab.errors import LabError, MissingTool
from lab.kernels.resolve import default_spec, resolve
from lab.kernels.store import Store
from lab.machine.accel import accelerator
from lab.machine.image import GUEST_TOOLS
from lab.machine.plan import qemu_version

_NEED_MEMORY_MIB, _GOOD_MEMORY_MIB = 800, 2048
_NEED_DISK_MIB, _GOOD_DISK_MIB = 1500, 5000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `missing`: a run cannot work; `weak`: it works, but worse than it could."""

    what: str
    state: Literal["good", "weak", "missing"]
    detail: str
    mend: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """List what is missing or weak on this host. Exit 0 only when a run would work, else 3."""
    findings = list(examine())
    if as_json:
        print(json.dumps([asdict(f) for f in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.state:<8}{finding.what}: {finding.detail}")
            if finding.mend:
                print(f"        mend: {finding.mend}")
    raise typer.Exit(3 if any(f.state == "missing" for f in findings) else 0)


def examine() -> Iterator[Finding]:
    """Every finding; no check stops another."""
    for look in (_tools, _qemu, _memory, _disk, _kernel):
        try:
            yield from look()
        except LabError as error:
            yield Finding(look.__name__.strip("_"), "missing", str(error))


def _tools() -> Iterator[Finding]:
    lacking: dict[str, list[str]] = {}
    for tool, package in {**GUEST_TOOLS, **HOST_TOOLS}.items():
        try:
            process.find(tool, package)
        except MissingTool:
            lacking.setdefault(package, []).append(tool)
    for package, tools in lacking.items():
        yield Finding(f"package {package}", "missing", f"{', '.join(tools)} not found", f"apt-get install {package}")
    if not lacking:
        yield Finding("tools", "good", f"all {len(GUEST_TOOLS) + len(HOST_TOOLS)} programs are there")


def _qemu() -> Iterator[Finding]:
    yield Finding("QEMU", "good", qemu_version())


def _memory() -> Iterator[Finding]:
    mib = host.available_mib()
    state: Literal["good", "weak", "missing"] = "good"
    if mib < _GOOD_MEMORY_MIB:
        state = "weak" if mib >= _NEED_MEMORY_MIB else "missing"
    yield Finding("memory", state, f"{mib} MiB available; {host.default_width()} guests side by side",
                  "" if state == "good" else "end programs that need much memory")


def _disk() -> Iterator[Finding]:
    store = Store.default()
    for name, path, mend in (("store", store.root, "free space, or set LAB_STORE to a directory on a larger disk"),
                             ("results", places.RESULTS, "free space, or use --results DIR")):
        mib = shutil.disk_usage(path if path.exists() else Path.cwd()).free >> 20
        enough = mib >= _NEED_DISK_MIB or name == "results" and mib >= 100
        state: Literal["good", "weak", "missing"] = "missing" if not enough else \
            "weak" if mib < _GOOD_DISK_MIB else "good"
        yield Finding(f"disk of the {name}", state, f"{mib} MiB free at {path}", "" if state == "good" else mend)


def _kernel() -> Iterator[Finding]:
    """The default kernel is resolved for real; then the accelerator is probed by booting it."""
    store = Store.default()
    said: list[str] = []
    note: Callable[[str], None] = said.append
    kernel = resolve(default_spec(), store, named=places.KERNELS, say=note)
    lacking = kernel.missing_modules(["target_core_mod", "tcm_loop"])
    yield Finding("kernel", "missing" if lacking else "good", "; ".join(lacking) or f"{kernel.name} ({kernel.release})")
    found = accelerator(kernel.image, store.root / "accelerator.json")
    yield Finding("accelerator", "good" if found.name == "kvm" else "weak", found.why,
                  "" if found.name == "kvm" else "enable (nested) virtualisation here; runs work, but 5-10x slower")
