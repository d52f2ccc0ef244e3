"""The disk is full: in the results, in the store. Small file systems that only the tested command sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.host import Ready
from tests.command import Lab
from tests.vm.mounts import private_mounts, small_disk
from tests.vm.scripts import passing

pytestmark = pytest.mark.vm


def test_the_results_are_full_from_the_start(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    fill = f"dd if=/dev/zero of={results}/fill bs=4k 2>/dev/null || true"
    ran = lab("run", passing(tmp_path, "good"), prefix=private_mounts(small_disk(results, "64k"), fill))
    assert ran.status == 3, ran.said
    assert "No space left on device" in ran.said
    assert str(results) in ran.said
    assert "Traceback" not in ran.said
    assert "Exception ignored" not in ran.said


def test_the_results_become_full(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    """The table still says what is known; a run whose files could not be written is an error, never a pass."""
    results, kept = tmp_path / "results", tmp_path / "kept"
    results.mkdir()
    kept.mkdir()
    loud = tmp_path / "b-loud.yaml"
    loud.write_text("scenario: b-loud\nsummary: It prints more than the disk can hold.\nsteps:\n"
                    + "".join(f"  - run: {{argv: [busybox, seq, '{n}', '{n + 9000}']}}\n" for n in range(20)))
    files = [passing(tmp_path, "a-first"), loud, passing(tmp_path, "c-last")]
    keep = f"cp -r {results}/latest/* {kept}/"
    ran = lab("run", *files, "-j", "1", prefix=private_mounts(small_disk(results, "300k"), after=keep))
    assert "Traceback" not in ran.said
    assert "Exception ignored" not in ran.said
    assert ran.status == 3, ran.said
    assert "pass  a-first" in ran.stdout
    assert "ERROR b-loud" in ran.stdout
    assert "No space left on device" in ran.stdout
    assert any((run / "result.json").exists() for run in kept.glob("*/a-first")), "earlier results are kept"


def test_the_store_has_no_room_for_an_image(lab: Lab, cold_store: Path, tmp_path: Path) -> None:
    images = cold_store / "images"
    images.unlink()
    images.mkdir()
    ran = lab("run", passing(tmp_path, "good"), env={"LAB_STORE": str(cold_store)},
              prefix=private_mounts(small_disk(images, "20m")))
    assert ran.status == 3, ran.said
    assert f"no space left for the store {cold_store}" in ran.stderr
    assert "LAB_STORE" in ran.stderr
    assert "Traceback" not in ran.said


def test_the_store_has_no_room_for_a_checkpoint(lab: Lab, cold_store: Path, prepared: Ready, tmp_path: Path) -> None:
    """QEMU dies when the guest's memory finds no room; scenarios boot afresh then, and say why."""
    checkpoints = cold_store / "checkpoints"
    checkpoints.mkdir()
    ran = lab("run", passing(tmp_path, "good"), env={"LAB_STORE": str(cold_store)},
              prefix=private_mounts(small_disk(checkpoints, "40m")))
    assert ran.outcomes() == {"good": "pass"}, ran.said
    assert ran.status == 0
    result = ran.result("good")
    assert result["origin"] == "boot"
    assert any("a full disk" in note and str(checkpoints) in note for note in result["notes"])
    assert "no checkpoint: " in ran.stderr
    assert "Traceback" not in ran.said
