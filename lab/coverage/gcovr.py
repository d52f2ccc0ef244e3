"""gcovr, on one run's counters and on all of them."""

from __future__ import annotations

import glob
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import process
from lab.coverage.build import Build
from lab.errors import LabError

_DEADLINE_S = 3600.0  # a library of a thousand runs, on a busy host
_SOURCES = ("drivers", "include", "arch")


def measure(counters: Mapping[str, Path], notes: Mapping[str, Path], build: Build, out: Path, *,
            whole: bool = False) -> None:
    """Counters (object path -> .gcda file) to lines, branches and functions of drivers/target: gcovr's JSON in `out`.

    `whole`: also what has notes and no counters, as code that was not run. LabError: gcov cannot read them.
    """
    with tempfile.TemporaryDirectory(prefix="lab-coverage-") as name:
        work = Path(name)
        for number, object_path in enumerate(sorted({*counters, *(notes if whole else ())})):
            if object_path not in notes:
                raise LabError(f"the kernel has counters of {object_path}, and there are no notes (.gcno) on it where "
                               "it was built; build the kernel again")
            _gcov(counters.get(object_path), notes[object_path], Path(object_path).stem, build, work / str(number))
        _gcovr(build, "--use-gcov-files", "--json", str(out), str(work), "--gcov-ignore-parse-errors",
               "negative_hits.warn_once_per_file", "--gcov-ignore-parse-errors",
               "suspicious_hits.warn_once_per_file")


def _gcov(counters: Path | None, notes: Path, stem: str, build: Build, folder: Path) -> None:
    """gcov's text of one object, in a folder of its own: left to itself gcovr runs it in the source tree, where it
    writes, and where two of them meet. Without counters gcov takes it for not run."""
    folder.mkdir()
    if counters is not None:
        (folder / f"{stem}.gcda").symlink_to(counters.resolve())
    (folder / f"{stem}.gcno").symlink_to(notes.resolve())
    links = [folder / name for name in _SOURCES]  # what was built inside the tree has relative names of its sources
    for link in links:
        link.symlink_to(build.tree / link.name)
    done = process.run([build.gcov, "--branch-counts", "--branch-probabilities", "--all-blocks", "--hash-filenames",
                        f"{stem}.gcda"], timeout_s=_DEADLINE_S, cwd=folder, check=False)
    for link in links:
        link.unlink()
    if done.returncode != 0 or not any(folder.glob("*.gcov")):
        raise LabError(f"{build.gcov.name} cannot read {counters or notes}: {done.last_words()}")
    for file in folder.glob("*.gcov"):
        _settle(file, build.tree)


def _settle(file: Path, tree: Path) -> None:
    """Give gcov's text the whole name of its source; drop it where that is not the target's (the kernel's headers)."""
    head, _, rest = file.read_bytes().partition(b"\n")
    before, mark, source = head.partition(b":Source:")
    whole = os.path.normpath(tree / os.fsdecode(source))  # a name that is whole stays so
    if not mark or not whole.startswith(tuple(f"{root}/drivers/target/" for root in (tree, tree.resolve()))):
        file.unlink()
    else:
        file.write_bytes(before + mark + os.fsencode(whole) + b"\n" + rest)


def render(parts: Sequence[Path], build: Build, folder: Path, title: str) -> Path:
    """Merge gcovr's JSONs into `folder`: all.json, index.html with a page for each file, cobertura.xml, gcovr.txt.

    Returns the path of all.json. LabError as gcovr says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # It takes patterns, and run ids have brackets.
    added = [word for part in parts for word in ("--add-tracefile", glob.escape(str(part)))]
    _gcovr(build, *added, "--json", str(folder / "all.json"), "--html-details", str(folder / "index.html"),
           "--html-title", title, "--cobertura", str(folder / "cobertura.xml"), "--txt", str(folder / "gcovr.txt"))
    return folder / "all.json"


def _gcovr(build: Build, *words: str) -> None:
    root = build.tree.resolve()
    # In a directory without gcovr.cfg; a user's must not decide.
    with tempfile.TemporaryDirectory(prefix="lab-gcovr-") as empty:
        done = process.run([sys.executable, "-m", "gcovr", "--root", str(root), "--filter",
                            f"{re.escape(str(root))}/drivers/target/", "--no-markers",
                            "--merge-mode-functions", "merge-use-line-min", *words],
                           timeout_s=_DEADLINE_S, cwd=Path(empty), check=False)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "rror" in line]
        raise LabError(f"gcovr failed (exit {done.returncode}): {errors[0] if errors else done.last_words()}")
