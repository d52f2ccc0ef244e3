"""Copies as cases: sg_dd and sgp_dd on files, judged by what the ledger says, and scenarios that describe them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.guest import clock, copies
from lab.guest.disks import Disk
from lab.guest.ledger import Ledger
from lab.guest.observation import Refused
from lab.guest.suite import Case, Told
from lab.scenario.load import load
from lab.scenario.steps import Step

BLOCKS = 256


@pytest.fixture
def copied(tmp_path: Path) -> Callable[..., Case]:
    """Carries out one copy from file to file."""
    queue = tmp_path / "block/sdx/queue"
    queue.mkdir(parents=True)
    (queue / "logical_block_size").write_text("512\n")
    (tmp_path / "block/sdx/size").write_text(f"{BLOCKS}\n")
    disk, ledger = Disk("0:0:1:0", tmp_path), Ledger("source", 1, BLOCKS, 512)
    ledger.done(ledger.begin(0, [ledger.next_generation()] * (BLOCKS - 8)))

    def copy(seconds: float = 60, **fields: Any) -> Case:
        step = Step.model_validate({"suite": {"suite": "sg_dd", "lun": "source", "destination": "to", "copies": {
            "one": {"reads": "file", "writes": "file", **fields}}}})
        assert step.suite is not None
        told = Told(disk, ledger, tmp_path, clock.now() + seconds, threading.Event(), disk, step.suite.model_dump())
        (case,) = copies.run(copies.names(told.given, told.deadline), told)
        return case
    return copy


def shadowed(where: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A sg_dd that does something else, in front of the real one."""
    (where / "sg_dd").write_text(f"#!/bin/bash\nreal=$(PATH=/usr/bin:/bin type -P sg_dd)\n{script}\n")
    (where / "sg_dd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{where}:/usr/bin:/bin")


@pytest.mark.parametrize("fields", [
    {"blocks": 200}, {"blocks": 1, "skip": 200, "seek": 9}, {"blocks": 100, "skip": 3, "options": {"bpt": 7}},
    {"program": "sgp_dd", "blocks": 100, "skip": 3, "seek": 5, "options": {"thr": 3, "bpt": 7}},
    {"program": "sgm_dd", "blocks": 100, "skip": 3, "seek": 5},
])
def test_a_copy_passes(copied: Callable[..., Case], fields: dict[str, Any]) -> None:
    case = copied(**fields)
    assert (case.ends, case.why) == ("pass", "")
    assert f"count={fields['blocks']}" in case.output


@pytest.mark.parametrize(("script", "why"), [
    ('exec $real "${@/count=20/count=21}"', "block 25 of the destination holds zeros instead of being left alone"),
    ('$real "${@/count=20/count=19}"; echo 20+0 records out',
     "block 24 of the destination holds what was there before instead of block 22 of the source"),
    ('exec $real "${@/skip=3/skip=4}"', "block 5 of the destination holds generation 1 of LBA 4 instead of block 3"),
    ('$real "$@"; echo odd; exit 7', "exit 7 instead of 0: odd"),
    ('$real "$@" 2>/dev/null', "it says that it copied nothing instead of 20 blocks"),
    ('$real "$@" 2>/dev/null; echo 19+0 records out', "it says that it copied 19 instead of 20 blocks"),
])
def test_a_wrong_copy_fails(copied: Callable[..., Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str,
                            why: str) -> None:
    shadowed(tmp_path, monkeypatch, script)
    case = copied(blocks=20, skip=3, seek=5)
    assert case.ends == "fail"
    assert case.why.startswith(why)


def test_a_copy_that_an_error_ended(copied: Callable[..., Case], tmp_path: Path,
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not copied may be anything, what was counted may not."""
    shadowed(tmp_path, monkeypatch, '$real "${@/count=20/count=8}"; exit 3')
    assert copied(blocks=20, exit=3, counted=8).ends == "pass"
    case = copied(blocks=20, exit=3, counted=9)
    assert "block 8 of the destination holds what was there before" in case.why


def test_unreadable_blocks_are_zeros(copied: Callable[..., Case]) -> None:
    assert copied(blocks=20, unreadable=5).ends == "pass"


def test_one_that_does_not_end(copied: Callable[..., Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shadowed(tmp_path, monkeypatch, "exec sleep 60")
    assert copied(0, blocks=20).ends == "hung"


def test_a_source_that_was_not_written_is_refused(copied: Callable[..., Case]) -> None:
    with pytest.raises(Refused, match=f"nothing is known of block {BLOCKS - 8} of the source"):
        copied(blocks=BLOCKS)


SCENARIO = """scenario: a
summary: what must be true here
backstores: {source: {type: ramdisk, size: 1M}, to: {type: ramdisk, size: 1M}}
steps:
  - suite: {suite: sg_dd, lun: source, destination: to, copies: {one: {blocks: 8}}}
"""


@pytest.mark.parametrize(("old", "new", "told"), [
    (", copies: {one: {blocks: 8}}", "", "sg_dd needs copies"),
    (", destination: to", "", "sg_dd needs destination"),
    ("destination: to", "destination: ot", "no LUN is called 'ot'"),
    ("suite: sg_dd,", "suite: iscsi-test-cu, tests: [ALL],", "destination belongs to sg_dd, and this is iscsi-test-cu"),
    ("suite: sg_dd, lun: source, destination: to, copies: {one: {blocks: 8}}", "suite: iscsi-test-cu, lun: source",
     "iscsi-test-cu needs tests"),
    ("blocks: 8", "blocks: 8, options: {count: 9}", "count cannot be set here"),
    ("blocks: 8", "blocks: 8, program: sg_xcopy, reads: file", "a file cannot be copied by sg_xcopy"),
    ("blocks: 8", "blocks: 8, program: sgp_dd, compare: same", "only sg_dd and ddpt compare"),
    ("blocks: 8", "blocks: 8, writes: file, compare: same", "compare needs writes: sg"),
])
def test_what_is_wrong_in_a_scenario_is_said(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in SCENARIO
    (tmp_path / "a.yaml").write_text(SCENARIO.replace(old, new))
    assert any(told in str(problem) for problem in load(tmp_path / "a.yaml").problems)


def test_a_program_that_is_not_there_is_a_reason_to_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.guest.program.which", lambda name: None if name == "ddpt" else name)
    assert copies.missing({"copies": {"a": {"program": "sg_dd"}}}) is None
    assert "install ddpt" in str(copies.missing({"copies": {"a": {"program": "ddpt"}}}))
