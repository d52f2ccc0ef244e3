"""Forks of one checkpoint: what the kernel of each decides by chance is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli.host import Ready
from tests.command import Lab

pytestmark = pytest.mark.vm
FORKS = 5


def test_random_numbers_of_forks_differ(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    """Without the agent's reseed three of four forks gave the same first number."""
    scenario = tmp_path / "chance.yaml"
    scenario.write_text("scenario: chance\nsummary: A number that the kernel takes by chance.\n"
                        f"matrix: {{n: {list(range(FORKS))}}}\nsteps:\n"
                        "  - sysfs: {read: /proc/sys/kernel/random/uuid}\n    expect: {ok: true}\n"
                        "  - run: {argv: [busybox, echo, '{n}']}\n    expect: {ok: true}\n")
    ran = lab("run", scenario)
    assert ran.status == 0, ran.said
    numbers = [event["observed"]["text"] for path in ran.session.glob("*/*/events.jsonl")
               for event in map(json.loads, path.read_text().splitlines())
               if len(str(event.get("observed", {}).get("text", ""))) == 36]
    assert len(numbers) == FORKS, ran.said
    assert len(set(numbers)) == FORKS, numbers
