"""lab.scenario.beginnings, lab.scenario.saveconfig and their commands: what they write is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.cli.main import app
from lab.document import parse, written
from lab.errors import UsageError
from lab.scenario.beginnings import KINDS, beginning
from lab.scenario.load import load
from lab.scenario.saveconfig import imported

SAVED = Path(__file__).parent / "saveconfig/two-fabrics.json"


@pytest.mark.parametrize(("kind", "backstore"), [(kind, b) for kind in KINDS for b in KINDS[kind][2]])
def test_every_beginning_is_a_right_scenario(kind: str, backstore: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(beginning("mine", "What must be true is said here: so.", kind, backstore))
    (run,) = load(path).required_runs()
    assert run.scenario.backstores["disk"].type == backstore


@pytest.mark.parametrize("value", ["on", "yes", "010", "0x10", "1.5", "12:30", "", "a: b", "#x", "~", "null",
                                   "\u00e9\U0001f4a5", "{target}/nexus", 2**40, True, 1.5,
                                   "2048-2055", "5/21/00", "-", "'\"", "a\nb"])
def test_what_is_written_reads_back(value: Any) -> None:
    document = parse(written({"key": value, "list": [value, {"inner": value}]}).encode(), "x")
    assert (document.problems, document.value) == ([], {"key": value, "list": [value, {"inner": value}]})


def ran(*words: object, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, str(done.exception) if isinstance(done.exception, UsageError) else done.output


def test_new_asks_nothing_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, text = ran("new", "mine", "--kind", "hang", folder=tmp_path, monkeypatch=monkeypatch)
    assert (status, load(tmp_path / "mine.yaml").problems) == (0, [])
    assert "lab run mine.yaml" in text


@pytest.mark.parametrize(("words", "told"), [
    (["new"], "NAME is missing, and there is no terminal"),
    (["new", "Mine"], "'Mine' is no name of a scenario"),
    (["new", "mine", "--kind", "hotplgu"], "did you mean hotplug?"),
    (["new", "mine", "--kind", "fault", "--backstore", "ramdisk"], "--backstore 'ramdisk' cannot be here; there"),
    (["new", "there"], "there.yaml is there already"),
    (["import", "none.json"], "none.json cannot be read: No such file"),
    (["import", "there.yaml"], "there.yaml is no JSON"),
    (["import", "empty.json"], "it has no list storage_objects"),
])
def test_what_cannot_be_is_one_sentence(words: list[str], told: str, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there.yaml").write_text("mine")
    (tmp_path / "empty.json").write_text("{}")
    status, text = ran(*words, folder=tmp_path, monkeypatch=monkeypatch)
    assert status != 0
    assert told in text
    assert (tmp_path / "there.yaml").read_text() == "mine"


def test_an_imported_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, _ = ran("import", SAVED, "--name", "two", folder=tmp_path, monkeypatch=monkeypatch)
    assert status == 0
    (run,) = load(tmp_path / "two.yaml").required_runs()
    made = run.scenario.model_dump(exclude_defaults=True)
    assert made["backstores"] == {
        "data-1": {"type": "fileio", "size": 64 << 20, "buffered": True,
                   "serial": "1b2f0c3a-9a51-4e2a-b8ab-0d8e7c6f5a40",
                   "attributes": {"block_size": 4096, "emulate_model_alias": 1, "emulate_tpu": 1}},
        "lv1": {"type": "iblock", "readonly": True, "on": {"type": "loop"},
                "serial": "9f0e1d2c-0000-4000-8000-000000000001", "attributes": {"is_nonrot": 1}},
        "rd0": {"type": "ramdisk", "size": 8 << 20, "serial": "9f0e1d2c-0000-4000-8000-000000000002"}}
    assert made["targets"] == [
        {"name": "t1", "wwn": "naa.5001405a1b2c3d4e", "nexus": "naa.6001405900000001", "luns": {0: "data-1", 3: "rd0"}},
        {"name": "t2", "wwn": "iqn.2003-01.org.linux-iscsi.host.x8664:sn.0123456789ab", "nexus": "iqn.1994-05.com.a:1",
         "luns": {0: "lv1"}}]
    assert [(s.word, getattr(s, s.word).lun) for s in run.scenario.steps] == [
        ("write", "t1/0"), ("write", "t1/3"), ("verify", "t1/0"), ("verify", "t1/3"), ("scsi", "t2/0")]


def test_what_a_scenario_cannot_have_is_said_without_secrets() -> None:
    told = "\n".join(imported(json.loads(SAVED.read_text())).left_out)
    for words in ("there is no type for 'rbd'", "was called 'Data 1'", "has 10737418240 bytes", "/dev/vg0/lv1",
                  "the ALUA group standby", "LUN 0 is in the ALUA group standby", "max_unmap_lba_count=8192",
                  "of the fabric iscsi", "0.0.0.0:3260", "tags end at 31", "LUN 1 of /backstores/rbd/x",
                  "no initiator iqn.1994-05.com.a:2", "sees LUN 0 as LUN 7", "may not write to LUN 7",
                  "CHAP secrets of iqn.1994-05.com.a:1", "its CHAP secrets", "switched off"):
        assert words in told
    assert "do-not-tell" not in told
    assert "nor-this" not in told
