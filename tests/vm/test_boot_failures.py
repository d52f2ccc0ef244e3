"""Kernels and guests that do not come up: one clear FAIL with the end of the console, and nothing else is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.host import Ready
from tests.command import Lab
from tests.vm.scripts import booting, passing

pytestmark = pytest.mark.vm
QUICK = {"lab.machine.vm.BOOT_DEADLINE_S": 8.0}  # times the slow-down: what goes wrong here must not take minutes


def test_a_guest_that_panics_at_boot(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    dies = booting(tmp_path, "dies", "init=/nonexistent")
    ran = lab("run", dies, passing(tmp_path, "good"), "-j", "2", patch=QUICK)
    assert ran.status == 1, ran.said
    assert ran.outcomes() == {"dies": "fail", "good": "pass"}
    texts = [reason["text"] for reason in ran.result("dies")["reasons"]]
    assert any(text.startswith("kernel panic: ") for text in texts), texts
    assert any("the kernel ended before it came up" in text for text in texts), texts
    assert any("Kernel panic" in reason["detail"] for reason in ran.result("dies")["reasons"])
    assert "Traceback" not in ran.said


def test_a_guest_that_hangs_at_boot(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    # The template is there already, so only this scenario's own boot meets the short deadline.
    hangs = booting(tmp_path, "hangs", "initcall_debug", "rdinit=/init", "init=/bin/busybox", "--", "sleep", "'9999'")
    ran = lab("run", hangs, passing(tmp_path, "good"), "-j", "2", patch={"lab.machine.vm.BOOT_DEADLINE_S": 3.0})
    assert ran.outcomes() == {"hangs": "fail", "good": "pass"}, ran.said
    assert ran.status == 1
    first, = ran.result("hangs")["reasons"]
    assert first["text"] == f"the kernel did not come up within {3 * prepared.engine.accelerator.slowdown:g} s"
    assert first["detail"].strip(), "the end of the console belongs to it"


def test_a_kernel_that_does_not_boot_fails_once(lab: Lab, cold_store: Path, prepared: Ready, tmp_path: Path) -> None:
    """Every scenario would fail for the same reason: it is said once, and the others are skipped."""
    named = tmp_path / "kernels"
    named.mkdir()
    (named / "broken.yaml").write_text(
        f"kernel: broken\nsummary: A kernel that finds no init\nspec: {prepared.kernel.spec}\n"
        "cmdline: init=/nonexistent\n")
    files = [passing(tmp_path, name) for name in ("one", "two", "three")]
    ran = lab("run", *files, kernel="broken", env={"LAB_STORE": str(cold_store)},
              patch={**QUICK, "lab.cli.host.KERNELS": named})
    assert ran.status == 1, ran.said
    outcomes = ran.outcomes()
    assert sorted(outcomes.values()) == ["fail", "skip", "skip"]
    failed = next(name for name, outcome in outcomes.items() if outcome == "fail")
    assert any("Kernel panic" in reason["detail"] for reason in ran.result(failed)["reasons"])
    assert "Kernel panic" in (Path(ran.result(failed)["directory"]) / "console.log").read_text(errors="replace")
    assert "Traceback" not in ran.said


def test_an_image_that_is_cut_off_does_not_come_up(lab: Lab, cold_store: Path, prepared: Ready, tmp_path: Path) -> None:
    """It resets the machine without a word: the kernel's own fault as far as can be seen."""
    whole = prepared.kernel.image.read_bytes()
    image = tmp_path / "bzImage"
    image.write_bytes(whole[:len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    assert prepared.kernel.config is not None
    known = prepared.kernel.config.read_text().replace("=m\n", "=y\n")  # it has no modules, so nothing may be missing
    (tmp_path / "config").write_text(known.replace("CONFIG_EXT4_FS=", "# CONFIG_EXT4_FS was "))
    ran = lab("run", passing(tmp_path, "good"), kernel=image, env={"LAB_STORE": str(cold_store)},
              patch=QUICK)
    assert "Traceback" not in ran.said
    assert ran.outcomes() == {"good": "fail"}, ran.said
    why = ran.result("good")["reasons"][0]["text"]
    assert why.startswith("the kernel ended before it came up")
    assert why.endswith("; to boot here its configuration lacks CONFIG_EXT4_FS")
