"""Values with units, and the modules that a scenario needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.guest import modules as guest_modules
from lab.scenario import needs, objects
from lab.scenario.io_steps import Verify
from lab.scenario.steps import Sleep
from lab.scenario.units import WRITTEN, parse_duration, parse_ranges, parse_size
from tests.unit.scenario_files import HEAD, VERIFY, loaded


@pytest.mark.parametrize(("text", "size"), [
    ("64M", 64 << 20), ("512K", 512 << 10), ("1G", 1 << 30), (4096, 4096), ("7", 7)])
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", [
    "", "0", 0, "-1", "1.5M", "64m", "64 M", "64MB", "64KiB", True, None, [1], 1.0, "١", "17T"])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("2s", 2), ("1.5s", 1.5), ("2min", 120), ("0s", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", 2, 2.0, "s", "-1s", "1 s", "1h", "1m", ".5s", True, None, "1e3s"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration with its unit"):
        parse_duration(text)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**20)), max_size=5))
def test_ranges_are_read_as_they_are_written(pairs: list[tuple[int, int]]) -> None:
    ranges = [(first, first + more) for first, more in pairs]
    assert parse_ranges([f"{first}-{last}" for first, last in ranges]) == ranges
    assert parse_ranges([first for first, _ in ranges]) == [(first, first) for first, _ in ranges]


@pytest.mark.parametrize("text", ["", "-1", "5-", "9-1", "1-2-3", [[1, 2]], [None], True, 1.5, {"a": 1}])
def test_what_is_no_range(text: object) -> None:
    with pytest.raises(ValueError, match="block"):
        parse_ranges(text)


def test_a_person_must_write_units_and_a_saved_plan_need_not() -> None:
    assert Sleep.model_validate({"time": 2.0}).time == 2.0
    with pytest.raises(ValidationError, match="with its unit"):
        Sleep.model_validate({"time": 2.0}, context=WRITTEN)
    assert Verify.model_validate({"lun": "a", "zero": [[1, 2]]}).zero == [(1, 2)]
    with pytest.raises(ValidationError, match="expected blocks"):
        Verify.model_validate({"lun": "a", "zero": [[1, 2]]}, context=WRITTEN)


def modules(tmp_path: Path, backstore: str, more: str = "") -> list[str]:
    text = HEAD + f"backstores: {{disk: {{{backstore}}}}}\n{more}" + ("" if "steps:" in more else "steps:\n" + VERIFY)
    found = loaded(tmp_path, text)
    assert not found.problems, found.problems
    return needs.modules(found.runs[0].scenario)[len(needs.ALWAYS):]


@pytest.mark.parametrize(("backstore", "wanted"), [
    ("type: ramdisk", []),
    ("type: fileio", ["target_core_file"]),
    ("type: fileio, filesystem: ext4", ["target_core_file", "loop", "ext4"]),
    ("type: iblock, on: {type: loop}", ["target_core_iblock", "loop"]),
    ("type: pscsi, on: {type: scsi_debug}", ["target_core_pscsi", "scsi_debug"]),
    ("type: iblock, on: {type: dm, over: ramdisk}", ["target_core_iblock", "dm_mod", "brd"]),
    ("type: iblock, on: {type: dm, over: scsi_debug}", ["target_core_iblock", "dm_mod", "scsi_debug"]),
])
def test_modules_of_a_backstore(tmp_path: Path, backstore: str, wanted: list[str]) -> None:
    assert modules(tmp_path, backstore) == wanted


def test_modules_of_steps_and_of_requires(tmp_path: Path) -> None:
    assert modules(tmp_path, "type: ramdisk", "requires: {modules: [dm_flakey]}\n") == ["dm_flakey"]
    loads = "steps:\n  - module: {action: load, name: null-blk}\n" + VERIFY
    assert modules(tmp_path, "type: ramdisk", loads) == ["null_blk"]
    refused = "steps:\n  - module: {action: load, name: none}\n    expect: {errno: ENOENT}\n"
    assert modules(tmp_path, "type: ramdisk", refused) == []


def test_host_and_guest_agree_on_modules() -> None:
    assert dict(guest_modules.MODULES_OF_TYPE) == objects.MODULES_OF_TYPE
    assert guest_modules.ALWAYS == needs.ALWAYS
