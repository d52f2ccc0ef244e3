"""Where a coverage kernel was built: its sources, the compiler's notes (.gcno) on them, the gcov that reads both."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError, MissingTool, UsageError
from lab.kernels import config as kconfig
from lab.kernels.kernel import Kernel

HOW = "lab kernel build --flavor coverage"
_STAMP = slice(4, 12)  # version of the format and checksum of the source, in counters and notes alike
_DEPENDENCY = re.compile(r"^ +(\S+\.[ch])(?: \\)?$", re.MULTILINE)


@dataclass(frozen=True)
class Build:
    """`tree`: the sources. `objects`: where kbuild's files are. `gcov`: the program of the kernel's own compiler.
    `origin`: the tree that the user named, of which `tree` may be a view without git."""

    tree: Path
    objects: Path
    gcov: Path
    origin: Path


def build_of(kernel: Kernel) -> Build:
    """UsageError: a kernel without counters. LabError, MissingTool: what it takes to read them is not here."""
    options = kconfig.options_of(kernel.config) if kernel.config else {}
    if kernel.config is not None and options.get("GCOV_KERNEL") != "y":
        raise UsageError(f"{kernel.name} does not count what it runs (CONFIG_GCOV_KERNEL is off); "
                         f"build one that does with `{HOW}`")
    if options.get("CC_IS_CLANG") == "y":
        raise UsageError(f"{kernel.name} was built by clang, whose counters gcov cannot read; build it with gcc")
    tree, objects, origin = _places(kernel)
    if not (tree / "drivers/target").is_dir():
        raise LabError(f"the sources of {kernel.name} are not in {tree} any more, and coverage is told by their lines")
    return Build(tree, objects, _gcov(int(options.get("GCC_VERSION", "0")) // 10000), origin)


def _places(kernel: Kernel) -> tuple[Path, Path, Path]:
    """What the builder or the stage wrote beside the kernel: (sources, objects, the tree that the user named)."""
    home = kernel.image.parent.parent
    if built := _json(home / "manifest.json"):
        return Path(str(built["tree"])), Path(str(built["objects"])), Path(str(built.get("origin", built["tree"])))
    if staged := _json(home / "staged.json"):
        objects = Path(str(staged["origin"]))
        if objects.is_file():  # arch/x86/boot/bzImage
            objects = objects.parents[3]
        source = objects / "source"  # kbuild's link to the sources of an O= directory
        sources = source.resolve() if source.exists() else objects
        return sources, objects, sources
    raise UsageError(f"the lab does not know where {kernel.name} was built; give the built tree, "
                     f"or build it with `{HOW}`")


def _json(path: Path) -> dict[str, object] | None:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    known = isinstance(data, dict) and ({"tree", "objects"} <= set(data) or "origin" in data)
    return data if known else None


def _gcov(major: int) -> Path:
    if not major:
        return process.find("gcov", "gcc")
    try:
        return process.find(f"gcov-{major}", f"gcc-{major}")
    except MissingTool:
        plain = process.find("gcov", f"gcc-{major}")
        said = process.run([plain, "--version"], timeout_s=20).stdout.splitlines()[0]
        if re.search(rf"\b{major}\.\d", said):
            return plain
        raise


def keep_notes(counters: Mapping[str, bytes], build: Build, folder: Path) -> dict[str, Path]:
    """Copy the notes on each object of the target below `folder`; object path (.gcda) -> its notes.

    Those too of modules that are not loaded yet. Copies, for the next build in the same place writes them anew.
    LabError: they are gone, or of another build than the one that has these counters.
    """
    kept: dict[str, Path] = {}
    for name in [*counters, *_not_loaded(counters, build)]:
        notes = _notes(name, build)
        if name in counters and notes.read_bytes()[:12][_STAMP] != counters[name][:12][_STAMP]:
            raise LabError(f"{notes} is not of the build that runs; build the kernel again (`{HOW}`)")
        kept[name] = folder / f"{len(kept)}-{notes.name}"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(notes, kept[name])
    return kept


def _not_loaded(counters: Mapping[str, bytes], build: Build) -> list[str]:
    """Object paths (.gcda) of what was built of the target and loopback, and has no counters."""
    home = next(iter(counters), "").rpartition("/drivers/target/")[0]
    found = [path for pattern in ("*.gcno", "loopback/*.gcno") for path in
             sorted((build.objects / "drivers/target").glob(pattern))]
    names = [f"{home}/{path.relative_to(build.objects).with_suffix('.gcda')}" for path in found]
    return [name for name in names if name not in counters]


def _notes(name: str, build: Build) -> Path:
    """Beside the object, where it was built; or where the objects are now."""
    there = Path(name).with_suffix(".gcno")
    inside = build.objects / f"drivers/target/{name.rpartition('/drivers/target/')[2]}"
    for path in (inside.with_suffix(".gcno"), there):
        if path.is_file():
            return path
    raise LabError(f"{there} is gone, without which counters mean nothing; build the kernel again (`{HOW}`)")


def changed_since(build: Build, notes: Mapping[str, Path], files: list[str]) -> list[str]:
    """Those of `files` (relative to the tree) that were written after the kernel's objects: their lines have moved."""
    built = max((_notes(name, build).stat().st_mtime for name in notes), default=0.0)
    return [name for name in files if (build.tree / name).is_file() and (build.tree / name).stat().st_mtime > built]


def includers(build: Build) -> dict[str, list[str]]:
    """Header of include/target or drivers/target -> the sources of drivers/target that include it (kbuild's .cmd)."""
    found: dict[str, set[str]] = {}
    for command in (build.objects / "drivers/target").rglob(".*.o.cmd"):
        names = [relative for path in _DEPENDENCY.findall(command.read_text(errors="replace"))
                 if (relative := _relative(path, build.tree))]
        source = command.relative_to(build.objects).with_name(command.name[1:].removesuffix(".o.cmd") + ".c")
        for name in names:
            if name.endswith(".h"):
                found.setdefault(name, set()).add(source.as_posix())
    return {name: sorted(sources) for name, sources in sorted(found.items())}


def _relative(path: str, tree: Path) -> str:
    """A path of a .cmd file below the tree (absolute, or relative to where make ran), if it is the target's."""
    name = path.removeprefix(f"{tree}/")
    return name if name.startswith(("include/target/", "drivers/target/")) else ""
