"""Kernels that the lab builds, from Debian's sources: every flavor boots and runs, and a second build is none."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lab.errors import BuildFailed
from lab.kernels import flavors
from lab.kernels.build import Recipe, build_tree, manifest_of
from lab.kernels.build_words import built
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store
from tests.command import Lab

pytestmark = [pytest.mark.vm, pytest.mark.network, pytest.mark.slow]
SERIES = "6.12"


@pytest.mark.parametrize("flavor", flavors.names())
def test_every_flavor_boots_and_runs(flavor: str, lab: Lab) -> None:
    kernel = built(f"source:{SERIES}", flavor, Store.default(), print)
    ran = lab("run", "smoke", kernel=kernel.spec, timeout_s=1500)
    wrong = [(r["id"], r["outcome"], r["reasons"]) for r in ran.all_results() if r["outcome"] not in ("pass", "skip")]
    assert wrong == [] and ran.status == 0, ran.said
    assert len([r for r in ran.all_results() if r["outcome"] == "pass"]) >= 10


def test_the_base_flavor_runs_the_whole_library(lab: Lab) -> None:
    """What it skips asks for modules, or for what needs options of other flavors, by its own words."""
    ran = lab("run", kernel=f"source:{SERIES}+base", timeout_s=3000)
    assert ran.status == 0, ran.said
    results = ran.all_results()
    skipped = {r["id"]: [reason["text"] for reason in r["reasons"]] for r in results if r["outcome"] == "skip"}
    # Errors to order are the flavors fault's and coverage's.
    ordered = {name for name, texts in skipped.items() if any("CONFIG_FAULT_INJECTION" in text for text in texts)}
    assert len(skipped.keys() - ordered) < len(results) / 20, skipped
    assert all(re.search("CONFIG_|built in|module|kernel", text) for texts in skipped.values() for text in texts)


def test_gcov_is_on_for_the_target_alone() -> None:
    facts = manifest_of(built(f"source:{SERIES}", "coverage", Store.default(), print))
    assert facts is not None
    notes = [path.relative_to(facts["objects"]) for path in Path(facts["objects"]).rglob("*.gcno")]
    assert Path("drivers/target/loopback/tcm_loop.gcno") in notes
    assert {path.parts[:2] for path in notes} == {("drivers", "target")}


def test_a_change_is_built_and_a_broken_one_is_named(tmp_path: Path) -> None:
    """One driver of a copy of the sources; the objects of that place are made anew, so this takes a while."""
    store, tree = Store.default(), tmp_path / "linux"
    shutil.copytree(source_tree(SERIES, store, print), tree, symlinks=True)
    before = build_tree(tree, Recipe(), store, print)
    driver = tree / "drivers/target/loopback/tcm_loop.c"
    text = driver.read_text()
    driver.write_text(text.replace("static int tcm_loop_", "static int nonsense tcm_loop_", 1))
    with pytest.raises(BuildFailed, match=r"drivers/target/loopback/tcm_loop\.c:\d+: "):
        build_tree(tree, Recipe(), store, print)
    driver.write_text(text.replace('"TCM Loopback', '"TCM loopback', 1) + "\n")
    assert build_tree(tree, Recipe(), store, print).identity != before.identity
