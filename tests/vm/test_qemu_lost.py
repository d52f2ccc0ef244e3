"""QEMU is missing, too old, or killed: an error of the lab in one sentence, and the other results are kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from lab.cli.host import Ready
from lab.machine.plan import QEMU
from tests.command import Lab, qemus
from tests.junit_schema import errors_of
from tests.vm.mounts import private_mounts
from tests.vm.scripts import passing, sleeping

pytestmark = pytest.mark.vm


def script(path: Path, *lines: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def first_in_path(folder: Path) -> dict[str, str]:
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_qemu_is_not_installed(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    """A file that cannot be executed is mounted over it, where only this test sees it."""
    places = {Path(found).resolve() for path in ("/usr/bin", "/bin", *os.environ["PATH"].split(":"))
              if (found := shutil.which(QEMU, path=path))}
    (tmp_path / "nothing").touch(mode=0o644)
    hide = [f"mount --bind {tmp_path}/nothing {place}" for place in places]
    ran = lab("run", passing(tmp_path, "good"), prefix=private_mounts(*hide))
    assert ran.status == 3, ran.said
    assert f"{QEMU} is not installed; type: apt-get install qemu-system-x86" in ran.stderr
    assert "Traceback" not in ran.said
    doctor = lab("doctor", prefix=private_mounts(*hide))
    assert doctor.status == 3
    assert "apt-get install qemu-system-x86" in doctor.said


@pytest.mark.parametrize("words", ["QEMU emulator version 4.2.1 (Debian 1:4.2-3)", "I am not QEMU", ""])
def test_qemu_is_too_old_or_something_else(lab: Lab, prepared: Ready, tmp_path: Path, words: str) -> None:
    script(tmp_path / "bin" / QEMU, f"echo '{words}'")
    ran = lab("run", passing(tmp_path, "good"), env=first_in_path(tmp_path / "bin"))
    assert ran.status == 3, ran.said
    assert "too old: the lab needs 6.0 or newer" in ran.stderr
    assert "Traceback" not in ran.said


def test_qemu_refuses_to_start(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    real = shutil.which(QEMU)
    script(tmp_path / "bin" / QEMU, f'[ "$1" = --version ] && exec {real} --version',
           "echo 'qemu-system-x86_64: no such machine' >&2", "exit 1")
    ran = lab("run", passing(tmp_path, "one"), passing(tmp_path, "two"), env=first_in_path(tmp_path / "bin"))
    assert ran.status == 3, ran.said
    assert ran.outcomes() == {"one": "error", "two": "error"}
    assert "no such machine" in ran.stdout
    assert "Traceback" not in ran.said


def test_qemu_is_killed_in_a_step(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    files = [passing(tmp_path, "a-first"), sleeping(tmp_path, "b-killed"), passing(tmp_path, "c-last")]
    running = lab.start("run", *files, "-j", "1")
    events = running.results / "latest"
    running.until(lambda: any('"index": 1' in p.read_text() for p in events.glob("*/b-killed/events.jsonl")),
                  "the second step")
    pid, = qemus(running.results)
    os.kill(pid, signal.SIGKILL)
    ran = running.wait()
    assert ran.status == 3, ran.said
    assert ran.outcomes() == {"a-first": "pass", "b-killed": "error", "c-last": "pass"}
    reason, = ran.result("b-killed")["reasons"]
    assert "the guest was lost during step 2" in reason["text"]
    assert "QEMU: signal 9" in reason["text"]
    assert errors_of((ran.session / "junit.xml").read_text()) == []
    assert "Traceback" not in ran.said


def test_qemu_is_killed_while_the_kernel_boots(lab: Lab, cold_store: Path, tmp_path: Path) -> None:
    """The boot is tried once more, and this is reported."""
    running = lab.start("run", passing(tmp_path, "good"), env={"LAB_STORE": str(cold_store)})
    running.until(lambda: any(p.stat().st_size for p in cold_store.glob("checkpoints/.making-*/*/console.log")),
                  "the kernel's first words")
    pid, = qemus(cold_store / "checkpoints")
    os.kill(pid, signal.SIGKILL)
    ran = running.wait()
    assert ran.outcomes() == {"good": "pass"}, ran.said
    assert ran.status == 0
    result = ran.result("good")
    assert result["origin"] == "checkpoint"
    note, = result["notes"]
    assert "an earlier attempt to make the checkpoint failed: QEMU itself ended while the kernel booted" in note
    assert "signal 9" in note
    assert len(list((cold_store / "checkpoints").iterdir())) == 1


def test_qemu_is_killed_while_it_writes_the_checkpoint(lab: Lab, cold_store: Path, tmp_path: Path) -> None:
    """QEMU writes its state through `cat`; one that waits makes the moment as long as the test needs it."""
    script(tmp_path / "bin" / "cat", f"[ -e {tmp_path}/writing ] && exec {shutil.which('cat')} \"$@\"",
           f"touch {tmp_path}/writing", "exec sleep 20")
    running = lab.start("run", passing(tmp_path, "good"), env={"LAB_STORE": str(cold_store),
                                                               **first_in_path(tmp_path / "bin")})
    running.until((tmp_path / "writing").exists, "the migration")
    pid, = qemus(cold_store / "checkpoints")
    os.kill(pid, signal.SIGKILL)
    ran = running.wait()
    assert ran.outcomes() == {"good": "pass"}, ran.said
    assert any("failed: no checkpoint could be made" in note for note in ran.result("good")["notes"])
    assert len(list((cold_store / "checkpoints").iterdir())) == 1
    assert "Traceback" not in ran.said


def test_the_lab_is_killed_while_it_makes_the_checkpoint(lab: Lab, cold_store: Path, tmp_path: Path) -> None:
    """Its QEMU dies with it, and the next lab takes its place without being told."""
    good = passing(tmp_path, "good")
    running = lab.start("run", good, env={"LAB_STORE": str(cold_store)})
    running.until(lambda: qemus(cold_store / "checkpoints"), "the first boot")
    running.stop()
    ran = lab("run", good, env={"LAB_STORE": str(cold_store)})
    assert ran.outcomes() == {"good": "pass"}, ran.said
    made, = (cold_store / "checkpoints").iterdir()
    assert json.loads((made / "meta.json").read_text())["format"] >= 1
