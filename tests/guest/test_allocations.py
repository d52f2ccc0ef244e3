"""Which function and which allocation fails: the kernel's side of it is tests/vm/test_allocations_fail.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.guest.allocations import Allocations, extent, lacking
from lab.guest.observation import Refused
from lab.scenario import needs
from tests.unit.scenario_files import loaded, steps

SYMBOLS = """\
ffffffff81000000 T first
ffffffff81000040 t make_it
ffffffff81000090 t make_it.cold
ffffffff810000a0 d data
ffffffff810000b0 t other.isra.0
ffffffffc0000000 t twice\t[one]
ffffffffc0000100 t twice\t[two]
ffffffffc0000200 T last\t[two]
"""
DEFAULTS = {"probability": "0", "interval": "1", "times": "1", "require-start": "0x0",
            "require-end": "0xffffffffffffffff", "task-filter": "N", "ignore-gfp-wait": "Y", "verbose": "2"}


class Kernel:
    """failslab as lib/fault-inject.c has it, for allocations that its filters let through."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        folder.mkdir(exist_ok=True)
        for name, value in DEFAULTS.items():
            (folder / name).write_text(value)

    def __getitem__(self, name: str) -> int:
        return int((self.folder / name).read_text())

    def fails(self) -> bool:
        if self["probability"] == 0 or self["times"] == 0:
            return False
        if self["interval"] > 1:
            self.count += 1
            if self.count % self["interval"]:
                return False
        (self.folder / "times").write_text("0")
        return True


@pytest.fixture
def symbols(tmp_path: Path) -> Path:
    path = tmp_path / "kallsyms"
    path.write_text(SYMBOLS)
    return path


def test_a_function_ends_where_the_next_one_begins(symbols: Path) -> None:
    assert extent("make_it", symbols) == (0xffffffff81000040, 0xffffffff81000090)
    assert extent("other", symbols) == (0xffffffff810000b0, 0xffffffffc0000000)
    assert extent("last", symbols) == (0xffffffffc0000200, 0xffffffffc0000201)


@pytest.mark.parametrize(("name", "said"), [("make", "no function make"), ("data", "no function data"),
                                            ("twice", "2 function twice")])
def test_what_is_not_one_function_is_refused(symbols: Path, name: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        extent(name, symbols)


def test_a_kernel_without_the_function_skips(symbols: Path) -> None:
    inner = {"repeat": {"times": 2, "fails_below": "make_it", "steps": [{"write": {"lun": "disk"}}]}}
    gone = {"parallel": {"steps": [inner, {"repeat": {"times": 2, "fails_below": "gone", "steps": []}}]}}
    assert lacking({"steps": [inner]}, symbols) == []
    assert lacking({"steps": [gone, gone]}, symbols) == ["this kernel has no function gone()"]


def test_each_round_fails_the_next_allocation(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "failslab")
    allocations = Allocations(kernel.folder)
    failed = []
    for number in range(1, 8):
        allocations.arm(number)
        failed.append([kernel.fails() for _ in range(5)])
        if not allocations.struck():
            break
    assert failed == [[n == number for n in range(5)] for number in range(5)] + [[False] * 5]
    assert kernel["probability"] == 0


def test_a_scenario_asks_for_what_it_needs(tmp_path: Path) -> None:
    found = loaded(tmp_path, steps("repeat: {times: 9, fails_below: a_b, steps: [{write: {lun: disk}}]}"))
    assert not found.problems
    (run,) = found.runs
    assert {"CONFIG_FAILSLAB", "CONFIG_FAULT_INJECTION_STACKTRACE_FILTER"} <= set(needs.config(run.scenario))


def test_the_former_settings_come_back(tmp_path: Path, symbols: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.guest.allocations.extent", lambda name: extent(name, symbols))
    monkeypatch.setattr("lab.guest.configfs.write", lambda path, value: path.write_text(value))  # as debugfs does
    kernel = Kernel(tmp_path / "failslab")
    with Allocations(kernel.folder).below("make_it"):
        assert kernel["require-start"] == 0xffffffff81000040
        assert kernel["require-end"] == 0xffffffff81000090
    assert {name: (kernel.folder / name).read_text() for name in DEFAULTS} == DEFAULTS
