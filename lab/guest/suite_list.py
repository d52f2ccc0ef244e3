"""The test suites that the guest knows how to run, by the scenarios' words for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.guest import blktests, copies, fio_jobs, iscsi_test_cu
from lab.guest.suite import TestSuite

SUITES: dict[str, TestSuite] = {
    "iscsi-test-cu": iscsi_test_cu, "sg_dd": copies, "fio": fio_jobs, "blktests": blktests}


def missing(steps: list[dict[str, Any]]) -> Iterator[str]:
    """Why suites that a scenario runs cannot be run here."""
    for step in steps:
        inner = (step.get("background") or {}).get("step") or step
        if inner.get("suite"):
            why = SUITES[inner["suite"]["suite"]].missing(inner["suite"])
            if why is not None:
                yield why
