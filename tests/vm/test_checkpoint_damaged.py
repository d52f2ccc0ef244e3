"""A checkpoint that was cut, changed, or is another's: thrown away and made again, never trusted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.cli.host import Ready
from lab.machine import checkpoint
from tests.command import Lab
from tests.vm.scripts import passing

pytestmark = pytest.mark.vm


def cut(name: str) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        os.truncate(directory / name, (directory / name).stat().st_size // 2)
    return damage


def without(name: str) -> Callable[[Path], None]:
    return lambda directory: (directory / name).unlink()


def changed_state(directory: Path) -> None:
    state = bytearray((directory / "state").read_bytes())
    state[len(state) // 2] ^= 1
    (directory / "state").write_bytes(state)


def of_another_kernel(directory: Path) -> None:
    meta = json.loads((directory / "meta.json").read_text())
    (directory / "meta.json").write_text(json.dumps({**meta, "key": "0" * 64}))


def of_another_format(directory: Path) -> None:
    meta = json.loads((directory / "meta.json").read_text())
    (directory / "meta.json").write_text(json.dumps({**meta, "format": checkpoint.FORMAT + 1}))


def not_json(directory: Path) -> None:
    (directory / "meta.json").write_text("[]")


DAMAGES = {"ram cut": cut("ram"), "state cut": cut("state"), "meta cut": cut("meta.json"), "no ram": without("ram"),
           "no state": without("state"), "no meta": without("meta.json"), "a bit of the state": changed_state,
           "another kernel's": of_another_kernel, "another format": of_another_format, "not an object": not_json}


@pytest.fixture
def copied(prepared: Ready, tmp_path: Path) -> tuple[Path, str]:
    """A copy of the real checkpoint of the tests' kernel, time stamps and holes included, and its key."""
    original = prepared.engine.checkpoint_path
    copy = tmp_path / original.name
    shutil.copytree(original, copy, ignore=shutil.ignore_patterns("ram"))
    (copy / "ram").touch()
    os.truncate(copy / "ram", (original / "ram").stat().st_size)  # its contents do not matter here
    shutil.copystat(original / "ram", copy / "ram")
    return copy, json.loads((copy / "meta.json").read_text())["key"]


def test_a_whole_one_is_taken(copied: tuple[Path, str]) -> None:
    directory, key = copied
    assert checkpoint.load(directory, key) is not None


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_one_is_not(copied: tuple[Path, str], name: str) -> None:
    directory, key = copied
    DAMAGES[name](directory)
    assert checkpoint.load(directory, key) is None


def test_whatever_a_machine_is_made_of_is_in_its_name(prepared: Ready) -> None:
    engine = prepared.engine
    others = [replace(engine, parts=replace(engine.parts, identity="another kernel, module disk or image")),
              *(replace(engine, shape=replace(engine.shape, **change)) for change in
                ({"memory_mib": 1024}, {"cpus": 1}, {"cmdline": ("quiet",)}, {"accelerator": "other"}))]
    assert len({engine.checkpoint_path, *(other.checkpoint_path for other in others)}) == 6


def test_it_is_made_again(lab: Lab, cold_store: Path, prepared: Ready, tmp_path: Path) -> None:
    """With the real command: a cut memory file, beside what a killed maker left; one boot, and all is well."""
    good, place = passing(tmp_path, "good"), cold_store / "checkpoints" / prepared.engine.checkpoint_path.name
    original = prepared.engine.checkpoint_path
    place.mkdir(parents=True)
    for name in ("state", "meta.json"):
        shutil.copy2(original / name, place / name)
    (place / "ram").write_bytes(b"cut")
    (place.parent / f".making-{place.name}-left").mkdir()
    ran = lab("run", good, env={"LAB_STORE": str(cold_store)})
    assert ran.outcomes() == {"good": "pass"}, ran.said
    assert "booting once" in ran.stderr
    assert ran.result("good")["origin"] == "checkpoint"
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    ran = lab("run", good, env={"LAB_STORE": str(cold_store)})
    assert "booting once" not in ran.stderr
    assert ran.status == 0


def test_two_labs_on_one_cold_store(lab: Lab, cold_store: Path, tmp_path: Path) -> None:
    """Both need the checkpoint: one makes it, the other waits and uses it."""
    files = [passing(tmp_path, "one"), passing(tmp_path, "two")]
    both = [lab.start("run", file, "-j", "1", env={"LAB_STORE": str(cold_store)}, results=tmp_path / f"results-{n}")
            for n, file in enumerate(files)]
    ran = [running.wait() for running in both]
    assert [r.status for r in ran] == [0, 0], ran[0].said + ran[1].said
    assert [r.outcomes() for r in ran] == [{"one": "pass"}, {"two": "pass"}]
    assert sum("booting once" in r.stderr for r in ran) == 1
    assert sum("waiting for another lab" in r.stderr for r in ran) == 1
    assert len(list((cold_store / "checkpoints").iterdir())) == 1


def test_two_labs_in_one_results_folder(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    """Each has a session folder of its own; `latest` is one of them."""
    both = [lab.start("run", passing(tmp_path, name), "-j", "1") for name in ("one", "two")]
    assert [running.wait().status for running in both] == [0, 0]
    sessions = [path for path in (tmp_path / "results").iterdir() if not path.is_symlink()]
    assert len(sessions) == 2
    assert (tmp_path / "results" / "latest").resolve() in sessions
