"""What is still under way after the steps, from trees that look like /sys."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from lab.guest import outstanding
from lab.guest.lio import Configuration, Target


@pytest.fixture
def sys(tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(outstanding, "SETTLE_S", 0.3)
    for path in ("loopback", "loopback/naa.1", "loopback/naa.1/tpgt_1"):
        tree.mkdir(tree.root / path)
    (tree.root / "loopback/naa.1/tpgt_1/address").write_text("2:0:1\n")
    for path, text in {"hosts/host2/host_busy": "0\n", "hosts/host3/host_busy": "9\n", "devices/2:0:1:0/iorequest_cnt":
                       "0x1f\n", "devices/2:0:1:0/iodone_cnt": "0x1e\n", "devices/2:0:1:0/iotmo_cnt": "0x1\n",
                       "devices/3:0:1:0/iorequest_cnt": "0x9\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def look(tree, sys: Path) -> list[str]:
    target = Target("main", "naa.1", 1, "naa.2", {0: "disk"}, None)
    return outstanding.outstanding(Configuration(tree.root), [target, Target("gone", "naa.9", 1, None, {}, None)],
                                   sys / "devices", sys / "hosts")


def test_nothing_is_outstanding(tree, sys: Path) -> None:
    assert look(tree, sys) == []


def test_a_command_of_the_host(tree, sys: Path) -> None:
    (sys / "hosts/host2/host_busy").write_text("2\n")
    assert look(tree, sys) == ["host2: 2 commands outstanding after the steps"]


def test_a_command_that_ends_late_is_waited_for(tree, sys: Path) -> None:
    busy = sys / "hosts/host2/host_busy"
    busy.write_text("1\n")
    started = time.monotonic()
    idle = busy.with_name("idle")  # moved over the other: a file that is being written is empty for a moment
    idle.write_text("0\n")
    threading.Timer(0.1, lambda: idle.replace(busy)).start()
    assert look(tree, sys) == []
    assert time.monotonic() - started >= 0.1


def test_a_request_that_never_came_back(tree, sys: Path) -> None:
    (sys / "devices/2:0:1:0/iodone_cnt").write_text("0x1d\n")
    assert look(tree, sys) == ["disk 2:0:1:0: 31 requests were sent and 29 came back"]
    (sys / "devices/2:0:1:0/iotmo_cnt").unlink()
    assert look(tree, sys) == []
