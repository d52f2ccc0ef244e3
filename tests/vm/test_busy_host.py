"""Slow is not hung: the library on a host that is busy with other things passes as on an idle one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab.cli.host import Ready
from tests.command import Lab, Ran

pytestmark = pytest.mark.vm
LOOPS_PER_CORE = 2


@pytest.fixture
def busy_host() -> Iterator[None]:
    """Two loops for each core that the tests may use, which never let go."""
    with contextlib.ExitStack() as stack:
        for _ in range(LOOPS_PER_CORE * len(os.sched_getaffinity(0))):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield


def assert_all_passed(ran: Ran) -> None:
    wrong = [(r["id"], r["outcome"], [x["text"] for x in r["reasons"]]) for r in ran.all_results()
             if r["outcome"] != "pass"]
    assert wrong == [], ran.said
    assert ran.status == 0


def starved_s(ran: Ran) -> float:
    """Seconds for which the host kept the guests from running, in all steps."""
    lines = (line for file in ran.session.glob("*/*/events.jsonl") for line in file.read_text().splitlines())
    events = map(json.loads, lines)
    return sum(e["observed"].get("starved", 0.0) for e in events if e["kind"] == "step-end")


def test_the_library_passes_on_a_busy_host(prepared: Ready, busy_host: None, lab: Lab) -> None:
    ran = lab("run", timeout_s=3000)
    assert_all_passed(ran)
    assert starved_s(ran) > 1, "the host was not busy, so this shows nothing"
