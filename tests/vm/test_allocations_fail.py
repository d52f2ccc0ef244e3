"""`fails_below` on a kernel with failslab: the right allocation fails, and each way to be wrong is seen.
$LAB_TEST_COVERAGE_KERNEL names such a kernel; else Debian's 6.12 is built (a quarter of an hour)."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lab.cli.host import say
from lab.kernels.build_words import built
from lab.kernels.store import Store
from tests.command import ROOT, Lab, Ran

pytestmark = [pytest.mark.vm, pytest.mark.network, pytest.mark.slow]
FOLDER = ROOT / "tests/vm/failing"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    kernel = os.environ.get("LAB_TEST_COVERAGE_KERNEL") or built("source:6.12", "coverage", Store.default(), say).spec
    return Lab(tmp_path_factory.mktemp("failing"), kernel)("run", FOLDER, "allocations-host", timeout_s=1500)


def rounds(ran: Ran, name: str) -> list[tuple[int, list[str | None]]]:
    """How many rounds each repeat had, and what the first step of each different round ended with."""
    folder = Path(ran.result(name)["directory"])
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    told = [e["observed"]["rounds"] for e in events if e["kind"] == "step-end" and "rounds" in e["observed"]]
    return [(entries[-1]["last"], [entry["parts"][0].get("errno") for entry in entries]) for entries in told]


@pytest.mark.parametrize(("name", "said"), [
    ("allocation-not-expected", "round 1, reset lun=disk: result success, observed EIO"),
    ("allocations-never-end", "no allocation below tcm_loop_make_scsi_hba() fails within 1, observed none"),
])
def test_what_is_wrong_is_named(ran: Ran, name: str, said: str) -> None:
    result = ran.result(name)
    assert result["outcome"] == "fail"
    assert said in result["reasons"][0]["text"]


def test_a_function_that_is_not_there_skips(ran: Ran) -> None:
    result = ran.result("no-such-function")
    assert result["outcome"] == "skip"
    assert "no function tcm_loop_no_such_function()" in result["reasons"][0]["text"]


def test_a_reset_has_the_same_allocations_each_time(ran: Ran) -> None:
    assert ran.result("counted-again")["outcome"] == "pass"
    first, second = rounds(ran, "counted-again")
    assert first == second
    assert first[0] >= 3 and first[1] == ["EIO", None]


def test_a_host_has_many(ran: Ran) -> None:
    assert ran.result("allocations-host")["outcome"] == "pass"
    (found,) = rounds(ran, "allocations-host")
    assert found[0] > 20 and found[1][0] is not None
