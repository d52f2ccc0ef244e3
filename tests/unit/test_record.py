"""lab.run.record and lab.run.plan: what is written is read back, and what is damaged is missing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.run.plan import load_plan
from lab.run.record import Record, Recorder, load_record
from tests.unit.fake_guest import plan


def test_events_and_end_are_read_back(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.event("ready", origin="boot")
    recorder.event("step-end", index=0, observed={"text": "\udc80\x00\U0001f4a5\u2028\n"})
    recorder.end("finished", machine="running")
    record = load_record(tmp_path)
    assert [event.kind for event in record.events] == ["ready", "step-end"]
    found = record.step("step-end", 0)
    assert found is not None
    assert found.data["observed"] == {"text": "\udc80\x00\U0001f4a5\u2028\n"}
    assert record.end is not None
    assert (record.end.reason, record.end.machine) == ("finished", "running")


def test_an_event_is_in_the_file_at_once(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.event("ready")
    assert [event.kind for event in load_record(tmp_path).events] == ["ready"]
    recorder.close()


def test_nothing_there() -> None:
    assert load_record(Path("/nonexistent")) == Record([], None)


@pytest.mark.parametrize("line", ["", "{", "null", "[]", "7", '{"t": 1}', '{"kind": "x"}', '{"t": "x", "kind": "x"}'])
def test_what_comes_after_a_damaged_line_is_not_trusted(tmp_path: Path, line: str) -> None:
    good = json.dumps({"t": 1, "kind": "ready"})
    (tmp_path / "events.jsonl").write_text(f"{good}\n{line}\n{good}\n")
    assert len(load_record(tmp_path).events) == 1


def test_a_full_disk_is_an_error_and_says_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    recorder = Recorder(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        recorder.event("ready")
    recorder.close()
    del recorder
    assert capsys.readouterr().err == ""


def test_an_artifact_of_any_text(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.artifact("tasks.txt", "\udc80 \U0001f4a5")
    recorder.close()
    assert (tmp_path / "artifacts/tasks.txt").read_text() == "\\udc80 \U0001f4a5"


def test_a_plan_is_read_back(tmp_path: Path) -> None:
    one = plan("p", steps=3)
    one.save(tmp_path)
    assert load_plan(tmp_path) == one
    assert one.repeat_command() == ".venv/bin/lab run p -k k --seed 1"


def test_tokens_cannot_be_guessed() -> None:
    assert len({plan().token for _ in range(100)}) == 100
    assert all(len(plan().token) == 16 for _ in range(3))


def test_a_word_for_the_shell_is_quoted(tmp_path: Path) -> None:
    word = "it's [a=1]; rm -rf $HOME"
    said = os.popen("printf '%s|' " + replace(plan(), word=word).repeat_command()).read().split("|")
    assert said[2] == word


def test_a_run_with_blktests_is_repeated_with_it() -> None:
    one = plan("p")
    carried = replace(one, environment=replace(one.environment, blktests="/srv/blk tests"))
    assert carried.repeat_command() == "BLKTESTS='/srv/blk tests' .venv/bin/lab run p -k k --seed 1"
