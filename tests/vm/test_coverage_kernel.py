"""`lab coverage` and `lab select` on a kernel with counters. $LAB_TEST_COVERAGE_KERNEL names one; else Debian's 6.12 is
built (ten minutes)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from lab.cli.host import say
from lab.kernels.build_words import built
from lab.kernels.store import Store
from lab.run import counters
from tests.command import ROOT, Lab, Ran

pytestmark = [pytest.mark.vm, pytest.mark.network, pytest.mark.slow]
FAILS = ROOT / "tests/vm/scenarios/unexpected-success.yaml"
IBLOCK = "drivers/target/target_core_iblock.c"
TRANSPORT = "drivers/target/target_core_transport.c"


@pytest.fixture(scope="module")
def kernel() -> str:
    return os.environ.get("LAB_TEST_COVERAGE_KERNEL") or built("source:6.12", "coverage", Store.default(), say).spec


@pytest.fixture(scope="module")
def store(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ordinary store, but for what it knows of coverage: the user's must not learn of scenarios that fail on
    purpose."""
    ordinary, own = Store.default().root, tmp_path_factory.mktemp("store")
    for path in ordinary.iterdir():
        if path.name != "coverage":
            (own / path.name).symlink_to(path)
    return own


@pytest.fixture(scope="module")
def ran(kernel: str, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A scenario on iblock, one on a file, and one that fails, one after the other."""
    where = tmp_path_factory.mktemp("coverage")
    command = Lab(where, kernel)
    try:
        return command("coverage", "iblock-brd-write-verify", "read-capacity", FAILS, "-k", kernel, "-j", "1",
                       "--results", where / "results", timeout_s=3000, env={"LAB_STORE": str(store)})
    finally:
        command.stop()


@pytest.fixture(scope="module")
def scenarios(ran: Ran) -> dict[str, dict[str, Any]]:
    assert (ran.session / "coverage/scenarios.json").exists(), ran.said
    return {run["id"]: run for run in json.loads((ran.session / "coverage/scenarios.json").read_text())}


def test_the_status_is_that_of_the_runs(ran: Ran) -> None:
    assert ran.status == 1, ran.said


def test_a_failed_scenario_has_coverage(scenarios: dict[str, dict[str, Any]]) -> None:
    failed = [run for run in scenarios.values() if run["outcome"] == "fail"]
    assert [run["id"] for run in failed] == ["unexpected-success"]
    assert "__transport_wait_for_tasks" not in failed[0]["files"][TRANSPORT]["functions"]
    assert "target_submit" in " ".join(failed[0]["files"][TRANSPORT]["functions"])


def test_what_a_scenario_does_not_touch_is_not_its(scenarios: dict[str, dict[str, Any]]) -> None:
    """The run on iblock came first: nothing of it is in the forks after it."""
    users = [name for name, run in scenarios.items() if "iblock_execute_rw" in
             run["files"].get(IBLOCK, {"functions": []})["functions"]]
    assert users
    assert all(name.startswith("iblock-brd") for name in users)
    assert len(scenarios) > len(users)


def test_what_nothing_reaches_is_listed(ran: Ran) -> None:
    text = (ran.session / "coverage/unreached.txt").read_text()
    assert "  core_tmr_lun_reset() lines " in text  # no scenario here resets a LUN
    assert "  iblock_execute_rw() lines " not in text


def test_module_init_counts_for_all_together_alone(ran: Ran, scenarios: dict[str, dict[str, Any]]) -> None:
    loop = "drivers/target/loopback/tcm_loop.c"
    assert "  tcm_loop_fabric_init() lines " not in (ran.session / "coverage/unreached.txt").read_text()
    assert all("tcm_loop_fabric_init" not in run["files"].get(loop, {"functions": []})["functions"]
               for run in scenarios.values())


def test_the_reports_are_there(ran: Ran) -> None:
    folder = ran.session / "coverage"
    assert "tcm_loop.c" in (folder / "index.html").read_text()
    names = {c.attrib["filename"] for c in ElementTree.parse(folder / "cobertura.xml").iter("class")}
    assert names
    assert all(name.startswith("drivers/target/") for name in names)
    assert "loopback/tcm_loop.c" in ran.stdout
    assert all(counters.read(path / "artifacts/coverage") for path in folder.parent.glob("*/*/")
               if (path / "result.json").exists())


def test_select_finds_them(ran: Ran, kernel: str, store: Path, tmp_path: Path) -> None:
    """A patch on a function of iblock, made from the source that the kernel was built of."""
    stored = next((store / "coverage").glob("*.json"))
    source = json.loads(stored.read_text())["sources"][IBLOCK]
    at = next(f for f in source["functions"] if f["name"] == "iblock_execute_rw")
    line = next(n for first, last in source["code"] for n in range(first, last + 1) if n > at["first"])
    text = source["text"][line - 1]
    patch = tmp_path / "p.patch"
    patch.write_text(f"--- a/{IBLOCK}\n+++ b/{IBLOCK}\n@@ -{line},1 +{line},1 @@\n-{text}\n+{text} /* x */\n")
    done = Lab(tmp_path, kernel)("select", "--diff", patch, env={"LAB_STORE": str(store)})
    assert done.status == 0, done.said
    assert any(name.startswith("iblock-brd") for name in done.stdout.split()), done.said
    assert "read-capacity" not in done.stdout


def test_a_kernel_without_counters_is_refused_before_anything_runs(tmp_path: Path, kernel: str) -> None:
    done = Lab(tmp_path, kernel)("coverage", "read-capacity", "-k", "debian", "--results", tmp_path / "results")
    assert (done.status, "lab kernel build --flavor coverage" in done.stderr) == (2, True), done.said
    assert not (tmp_path / "results").exists()
