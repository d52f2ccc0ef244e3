"""What nobody used for long goes; what is used stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

from lab.machine.prune import prune, used


def aged(path: Path, days: float) -> Path:
    when = time.time() - days * 86400
    os.utime(path, (when, when))
    return path


def test_only_what_is_old_goes(tmp_path: Path) -> None:
    image, checkpoint = tmp_path / "a.ext4", tmp_path / "c"
    checkpoint.mkdir()
    (checkpoint / "ram").write_text("x")
    image.write_text("x")
    fresh = tmp_path / "fresh"
    fresh.write_text("x")
    aged(image, 8), aged(checkpoint, 8), aged(fresh, 6)
    assert set(prune(tmp_path, tmp_path / "missing")) == {image, checkpoint}
    assert list(tmp_path.iterdir()) == [fresh]


def test_use_keeps_it(tmp_path: Path) -> None:
    image = tmp_path / "a.ext4"
    image.write_text("x")
    used(aged(image, 100))
    assert prune(tmp_path) == []
