"""Broken drivers on real guests: two mutants are caught, what is none is not; `make test-mutants` tries all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lab.errors import BuildFailed, MissingTool
from lab.kernels.headers import headers
from lab.kernels.store import Store
from tests.mutants.bench import Bench
from tests.mutants.hunt import Control, Verdict, hunt
from tests.mutants.mutant import Mutant, chosen

pytestmark = [pytest.mark.vm, pytest.mark.network,
              pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")]
FILE = "drivers/target/target_core_ua.c"
LINES = ("@@ -1,4 +1,5 @@\n // SPDX-License-Identifier: GPL-2.0-or-later\n+{}\n"
         " /*******************************************************************************\n"
         "  * Filename: target_core_ua.c\n  *\n")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """On the newest stock kernel of the host's own series, whose headers other tests need as well."""
    try:
        headers("", Store.default(), print).check_tools(type_info=False)
    except MissingTool as missing:
        pytest.skip(str(missing))
    made = Bench(tmp_path_factory.mktemp("mutants"), "debian")
    yield made
    made.close()


@pytest.fixture(scope="module")
def control(bench: Bench) -> Control:
    return Control(bench.runs)


def added(where: Path, line: str) -> Mutant:
    """A mutant that adds a line to a driver."""
    patch = where / "added.patch"
    patch.write_text(f"breaks: maybe nothing\nexpects: unmap-out-of-range\n\n--- a/{FILE}\n+++ b/{FILE}\n"
                     + LINES.format(line))
    return Mutant("added", patch, "maybe nothing", ("unmap-out-of-range",), "", (FILE,))


def judged(mutant: Mutant, bench: Bench, control: Control) -> Verdict:
    return hunt(mutant, partial(bench.runs, patch=mutant.path), control, library=False)


@pytest.mark.parametrize(("name", "said"), [
    ("unmap-wraps", "expected sense 5/21/00, observed GOOD"),
    ("lun-change-untold", "expected sense 6/3f/0e, observed GOOD")])
def test_a_mutant_is_caught(bench: Bench, control: Control, name: str, said: str) -> None:
    mutant, = chosen([name])
    verdict = judged(mutant, bench, control)
    assert (verdict.outcome, verdict.by) == ("caught", mutant.expects) and said in verdict.said


def test_what_breaks_nothing_survives(bench: Bench, control: Control, tmp_path: Path) -> None:
    assert judged(added(tmp_path, "static const int nothing __maybe_unused;"), bench, control) == Verdict("survived")


def test_what_does_not_build_is_told_with_its_place(bench: Bench, control: Control, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=rf"{FILE}:2:2: error: #error not like this"):
        bench.runs(["unmap-out-of-range"], added(tmp_path, "#error not like this").path)
