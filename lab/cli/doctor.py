"""`lab doctor`: everything that is missing or weak on this host, at once, each with the command that mends it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer
from packaging.requirements import Requirement

from lab import process
from lab.cli import host, places
from lab.cli.packages import HOST_TOOLS, lacking_for_builds
from lab.errors import LabError, MissingTool
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import default_spec, resolve
from lab.kernels.store import Store
from lab.machine.accel import accelerator
from lab.machine.image import GUEST_TOOLS, OPTIONAL_TOOLS
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
    looks = {"tools": _tools, "test suites": _suites, "building": _building, "Python packages": _python,
             "QEMU": _qemu, "memory": _memory, "disk": _disk, "kernel": _kernel, "accelerator": _accelerator}
    for name, look in looks.items():
        try:
            yield from look()
        except MissingTool as error:
            if name != "QEMU":  # the tools' own line says it
                yield Finding(name, "missing", f"cannot be looked at without {error.tool}")
        except LabError as error:
            yield Finding(name, "missing", str(error))


def _python() -> Iterator[Finding]:
    """The lab's own requirements, at the versions that pyproject.toml asks for."""
    wrong = []
    for requirement in map(Requirement, metadata.requires("lio-lab") or []):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is not installed")
            continue
        if version not in requirement.specifier:
            wrong.append(f"{requirement.name} is {version}, wanted {requirement.specifier}")
    yield Finding("Python packages", "missing" if wrong else "good", "; ".join(wrong) or "all there",
                  "make setup" if wrong else "")


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


def _suites() -> Iterator[Finding]:
    """Runs work without: the scenarios that need one of these are skipped."""
    lacking = {tool: package for tool, package in OPTIONAL_TOOLS.items() if not _has(tool)}
    yield Finding("test suites", "weak" if lacking else "good",
                  f"{', '.join(lacking)} not found: scenarios that run it are skipped" if lacking else
                  f"{', '.join(OPTIONAL_TOOLS)} can be run on LUNs",
                  f"apt-get install {' '.join(sorted(set(lacking.values())))}" if lacking else "")


def _building() -> Iterator[Finding]:
    """Runs work without: only kernels and modules of a source tree have to be built."""
    lacking = lacking_for_builds(_has)
    things = ", ".join(thing for things in lacking.values() for thing in things)
    yield Finding("building", "weak" if lacking else "good",
                  f"kernels and modules cannot be built here: {things} not found" if lacking else
                  "kernels and modules can be built here",
                  f"apt-get install {' '.join(sorted(lacking))}" if lacking else "")


def _has(tool: str) -> bool:
    try:
        return bool(process.find(tool, tool))
    except MissingTool:
        return False


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
    """The default kernel is resolved for real: what is not in the store is fetched, as a run would."""
    kernel = _default_kernel()
    lacking = kernel.missing_modules(["target_core_mod", "tcm_loop"])
    yield Finding("kernel", "missing" if lacking else "good", "; ".join(lacking) or f"{kernel.name} ({kernel.release})",
                  "name another one with -k" if lacking else "")


def _accelerator() -> Iterator[Finding]:
    found = accelerator(_default_kernel().image, Store.default().root / "accelerator.json")
    yield Finding("accelerator", "good" if found.name == "kvm" else "weak", found.why,
                  "" if found.name == "kvm" else "enable (nested) virtualisation here; runs work, but 5-10x slower")


def _default_kernel() -> Kernel:
    return resolve(default_spec(), Store.default(), named=places.KERNELS, say=host.say)
