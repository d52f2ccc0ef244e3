"""What building takes is asked for by the lab's own tests, never by a run; the doctor tells the two apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli import bootstrap, doctor
from lab.cli.packages import BUILD_HEADERS, BUILD_TOOLS, HOST_TOOLS, lacking_for_builds
from lab.machine.image import GUEST_TOOLS

BARE = {*BUILD_TOOLS.values(), *BUILD_HEADERS.values()}


def test_a_bare_host_lacks_all_of_it(tmp_path: Path) -> None:
    lacking = lacking_for_builds(lambda tool: False, tmp_path)
    assert set(lacking) == BARE and lacking["gcc"] == ["gcc"] and lacking["libelf-dev"] == ["libelf.h"]


def test_headers_of_the_machine_count_too(tmp_path: Path) -> None:
    for name in BUILD_HEADERS:
        path = tmp_path / "x86_64-linux-gnu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert lacking_for_builds(lambda tool: tool != "flex", tmp_path) == {"flex": ["flex"]}


@pytest.mark.parametrize(("extras", "builds"), [("", False), ("[test]", True)])
def test_only_the_tests_ask_for_a_compiler(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
                                           extras: str, builds: bool) -> None:
    monkeypatch.setattr(bootstrap, "_has", lambda tool: tool in {**GUEST_TOOLS, **HOST_TOOLS})
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(bootstrap, "_sudo_works", lambda: False)
    monkeypatch.setattr(bootstrap, "_make_environment", lambda extras: 0)
    assert bootstrap.main(extras) == (3 if builds else 0)
    asked = capsys.readouterr().err.split()
    assert [tool in asked for tool in ("bison", "flex", "gcc")] == [builds] * 3


def test_doctor_says_which_packages_make_building_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.process._which", lambda program: None)
    found, = (f for f in doctor.examine() if f.what == "building")
    assert found.state == "weak", "a run works without"
    assert "gcc" in found.detail and set(found.mend.removeprefix("apt-get install ").split()) >= {"gcc", "pahole"}
