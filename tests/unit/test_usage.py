"""What nobody used for long goes; what is used, or held by a process, stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from lab.usage import discard, hold, is_held, last_used, prune, remove, used

WEEK_S = 7 * 86400.0


def aged(path: Path, days: float) -> Path:
    when = time.time() - days * 86400
    os.utime(path, (when, when))
    return path


def made(path: Path) -> Path:
    path.mkdir()
    (path / "file").write_text("x")
    return path


def test_only_what_is_old_goes(tmp_path: Path) -> None:
    image, checkpoint, fresh = tmp_path / "a.ext4", made(tmp_path / "c"), tmp_path / "fresh"
    image.write_text("x")
    fresh.write_text("x")
    aged(image, 8), aged(checkpoint, 8), aged(fresh, 6)
    assert set(prune(tmp_path.iterdir(), WEEK_S)) == {image, checkpoint}
    assert list(tmp_path.iterdir()) == [fresh]


def test_use_keeps_it(tmp_path: Path) -> None:
    image = tmp_path / "a.ext4"
    image.write_text("x")
    used(aged(image, 100))
    assert prune(tmp_path.iterdir(), WEEK_S) == [] and time.time() - last_used(image) < 60
    assert last_used(tmp_path / "none") == 0


def test_what_is_held_stays_however_old(tmp_path: Path) -> None:
    place = made(tmp_path / "kernel")
    hold(place)
    aged(place, 100)
    assert is_held(place) and not remove(place) and prune([place], WEEK_S) == [] and (place / "file").exists()


def test_another_process_holds_it_until_it_ends(tmp_path: Path) -> None:
    place = made(tmp_path / "kernel")
    code = ("from pathlib import Path; from lab.usage import hold; "
            f"hold(Path({str(place)!r})); print(flush=True); input()")
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline()
        assert is_held(place) and not remove(place)
        holder.communicate(b"\n", timeout=30)
    assert not is_held(place) and remove(place) and list(tmp_path.iterdir()) == []


def test_what_was_made_anew_is_held_anew(tmp_path: Path) -> None:
    place = made(tmp_path / "headers")
    hold(place)
    discard(place)  # it was damaged
    made(place)
    assert not is_held(place)
    hold(place)
    assert is_held(place)
