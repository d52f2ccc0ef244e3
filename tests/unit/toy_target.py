"""A toy "drivers/target" of ordinary C, built by the real gcc with counters, and its runs as run directories."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.coverage import gcovr
from lab.coverage.atlas import Atlas, atlas_of
from lab.coverage.build import Build, keep_notes
from lab.coverage.reach import Reach, load
from lab.coverage.report import RunReach
from lab.kernels.kernel import Kernel
from lab.run import counters

TOY = """#include "toy.h"

static int limit = 3;

int never_called(int x)
{
	int y = x + 1;

	return y * 2;
}

int big(int x)
{
	if (x == 77)
		return never_called(x);
	return x - 1;
}

int small(int x)
{
	return in_header(x);
}

int main(int argc, char **argv)
{
	if (argc > limit)
		return big(argc) == -1;
	return small(argc) == -1;
}
"""
HEADER = """static inline int in_header(int x)
{
	return x + 1;
}
"""


@dataclass(frozen=True)
class Toy:
    """`build`: where it was built. `runs`: run id -> what it reached."""

    build: Build
    everything: Reach
    runs: Mapping[str, RunReach]
    folder: Path
    kernel: Kernel

    def atlas(self, **how: object) -> Atlas:
        return atlas_of(self.kernel, self.build, self.everything, list(self.runs.values()),
                        stale=how.get("stale", ()),  # type: ignore[arg-type]
                        includers={"include/target/base.h": ["drivers/target/toy.c"]})


def make(where: Path, *, inside: bool = False) -> Toy:
    """Build it, run it with few and with many words, and measure both. `inside`: in the tree, by relative names."""
    tree = where / "linux"
    objects = tree if inside else where / "obj"
    for folder in (tree / "drivers/target", objects / "drivers/target"):
        folder.mkdir(parents=True, exist_ok=True)
    (tree / "drivers/target/toy.c").write_text(TOY)
    (tree / "drivers/target/toy.h").write_text(HEADER)
    program, name = objects / "drivers/target/toy.o", f"{objects}/drivers/target/toy.gcda"
    source = Path("drivers/target/toy.c")
    _run("gcc", "--coverage", "-c", "-o", program, source if inside else tree / source, cwd=tree)
    _run("gcc", "--coverage", "-o", objects / "toy", program)
    build, folder = Build(tree, objects, Path("/usr/bin/gcov"), tree), where / "coverage"
    notes: dict[str, Path] = {}
    runs = {}
    for run, words in (("few", ()), ("many", "abc")):
        _run(objects / "toy", *words)
        data = Path(name).read_bytes()
        Path(name).unlink()
        counters.write({name: data}, where / run)
        notes = notes or keep_notes({name: data}, build, folder / "notes")
        gcovr.measure(counters.read(where / run), notes, build, where / f"{run}[x=1].json")
        runs[run] = RunReach(run, run, "pass", {"few": 2.0, "many": 1.0}[run], load(where / f"{run}[x=1].json"))
    everything = load(gcovr.render([where / "few[x=1].json", where / "many[x=1].json"], build, folder, "toy"))
    kernel = Kernel("toy", "toy", "6.12.0", objects / "toy", None, None, "0" * 64)
    return Toy(build, everything, runs, folder, kernel)


def compile_object(build: Build, source: Path) -> None:
    """A further object, with counters, beside the others."""
    output = build.objects / source.relative_to(build.tree).with_suffix(".o")
    _run("gcc", "--coverage", "-c", "-o", output, source, cwd=build.tree)


def _run(*argv: str | Path, cwd: Path | None = None) -> None:
    # GCC's own environment must not move the counters.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GCOV_")}
    subprocess.run([str(a) for a in argv], check=True, timeout=60, env=environment, cwd=cwd)
