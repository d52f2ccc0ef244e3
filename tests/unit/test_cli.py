"""Commands that need no machine: what they print, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from lab import document
from lab.cli import bootstrap, doctor
from lab.cli.packages import HOST_TOOLS
from lab.machine.image import GUEST_TOOLS
from lab.report.result import Outcome, exit_status

ROOT = Path(__file__).resolve().parents[2]


def lab(*words: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lab", *map(str, words)], capture_output=True, text=True, timeout=120,
                          cwd=ROOT, env={**os.environ, **(env or {})})


def test_list_scenarios_as_json_has_name_tags_and_runs() -> None:
    entries = json.loads(lab("list", "scenarios", "--json").stdout)
    assert len(entries) == len(list((ROOT / "scenarios").rglob("*.yaml")))
    for entry in entries:
        assert entry["name"] and isinstance(entry["tags"], list) and entry["runs"]
        assert Path(entry["file"]).exists()


def test_list_scenarios_by_tag_is_a_part_of_all() -> None:
    everything = {e["name"] for e in json.loads(lab("list", "scenarios", "--json").stdout)}
    smoke = {e["name"] for e in json.loads(lab("list", "scenarios", "smoke", "--json").stdout)}
    assert smoke and smoke < everything


def test_list_kernels_as_json() -> None:
    names = {k["name"] for k in json.loads(lab("list", "kernels", "--json").stdout)}
    assert names == {p.stem for p in (ROOT / "kernels").glob("*.yaml")} - {"known-bugs", "unreachable"}


def test_the_library_is_right_and_every_file_is_of_the_schema() -> None:
    done = lab("check")
    assert done.returncode == 0, done.stderr
    validator = jsonschema.Draft202012Validator(json.loads(lab("schema").stdout))
    for path in (ROOT / "scenarios").rglob("*.yaml"):
        assert [e.message for e in validator.iter_errors(document.examine(path).value)] == [], path


def test_check_of_a_bad_file_names_places(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("scenario: bad\nsumary: x\nsteps:\n  - wirte: {}\n")
    done = lab("check", bad)
    assert done.returncode == 2
    assert f"{bad}:2:1" in done.stderr and "'summary'" in done.stderr
    assert f"{bad}:4:5" in done.stderr and "'write'" in done.stderr
    assert "Traceback" not in done.stderr


def test_scan_says_what_it_finds_by_its_exit_status(tmp_path: Path) -> None:
    clean, bad = tmp_path / "clean.log", tmp_path / "bad.log"
    clean.write_text("[    1.000000] all is well\n")
    bad.write_text("[    1.000000] all is well\n[    2.000000] Kernel panic - not syncing: sysrq triggered crash\n")
    assert lab("scan", clean).returncode == 0
    found = lab("scan", "--json", clean, bad)
    assert found.returncode == 1
    assert [(f["kind"], f["line"]) for f in json.loads(found.stdout)] == [("panic", 2)]
    missing = lab("scan", tmp_path / "none")
    assert missing.returncode == 2 and len(missing.stderr.splitlines()) == 1


def test_help_names_every_command() -> None:
    text = lab("--help").stdout
    assert all(word in text for word in ("run", "list", "check", "schema", "doctor", "shell", "scan", "judge"))


@pytest.mark.parametrize(("outcomes", "status"), [
    ([Outcome.PASS], 0), ([Outcome.PASS, Outcome.SKIP], 0), ([Outcome.PASS, Outcome.FAIL], 1),
    ([Outcome.ERROR, Outcome.FAIL], 1), ([Outcome.PASS, Outcome.ERROR], 3), ([Outcome.SKIP], 3), ([], 3),
])
def test_exit_status(outcomes: list[Outcome], status: int) -> None:
    assert exit_status(outcomes, interrupted=False) == status
    assert exit_status(outcomes, interrupted=True) == 130


def test_doctor_names_every_missing_package_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.process._which", lambda program: None)
    found = list(doctor.examine())
    named = {f.what.removeprefix("package ") for f in found if f.what.startswith("package ")}
    assert named == {*GUEST_TOOLS.values(), *HOST_TOOLS.values()}
    assert all(f.state == "missing" for f in found if f.what.startswith("package "))


def test_doctor_says_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.cli.host.available_mib", lambda: 300)
    assert [f.state for f in doctor.examine() if f.what == "memory"] == ["missing"]


def test_bootstrap_tells_an_ordinary_user_the_one_command(monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bootstrap, "_PATH", "/nonexistent")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "_sudo_works", lambda: False)
    assert bootstrap.main("") == 3
    said = capsys.readouterr().err
    assert "sudo apt-get install -y" in said and "qemu-system-x86" in said and "fio" in said


def test_bootstrap_has_nothing_to_do_twice() -> None:
    assert bootstrap._lacking_packages() == []
