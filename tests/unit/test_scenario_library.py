"""A folder of scenarios, and choosing from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.problems import Problems
from lab.scenario.library import Library, load_library, select

BODY = """summary: what must be true here
backstores: {disk: {type: ramdisk, size: 1M}}
steps:
  - verify: {lun: disk}
"""
MATRIX = "matrix: {t: [1, 2], v: [block, sg]}\n" + BODY.replace(
    "{lun: disk}", "{lun: disk, transfer: '{t}', via: '{v}'}")


def write(path: Path, name: str, tags: str = "", body: str = BODY) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"scenario: {name}\ntags: [{tags}]\n{body}")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    write(tmp_path / "io/one.yaml", "one", "smoke, fast")
    write(tmp_path / "io/two.yaml", "two", "smoke", MATRIX)
    write(tmp_path / "fault/bad.yaml", "bad", "broken", BODY.replace("lun: disk", "lun: dsk"))
    (tmp_path / "fault/note.txt").write_text("not a scenario")
    (tmp_path / "garbage.yaml").write_bytes(b"\0\1")
    return load_library(tmp_path)


def ids(library: Library, *words: str) -> list[str]:
    return [run.id for run in select(library, list(words))]


TWO = [f"two[t={t},v={v}]" for t in (1, 2) for v in ("block", "sg")]


def test_a_bad_file_does_not_stop_the_others(library: Library) -> None:
    assert [run.id for run in library.runs] == ["one", *TWO]
    assert len(library.problems) == 2
    assert ids(library) == ["one", *TWO]


def test_words_choose_by_name_tag_id_file_and_folder(library: Library) -> None:
    assert ids(library, "one") == ["one"]
    assert ids(library, "smoke") == ["one", *TWO]
    assert ids(library, "fast", "two", "one") == ["one", *TWO]
    assert ids(library, "two[t=2,v=sg]") == ["two[t=2,v=sg]"]
    assert ids(library, "two[v=sg]") == ["two[t=1,v=sg]", "two[t=2,v=sg]"]
    assert ids(library, "io") == ["one", *TWO]
    assert ids(library, "io/two.yaml") == TWO
    assert ids(library, str(library.root / "io" / "one.yaml")) == ["one"]


def test_a_file_outside_the_library(library: Library, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "mine.yaml", "mine")
    assert ids(library, str(elsewhere / "mine.yaml")) == ["mine"]
    assert ids(library, str(elsewhere)) == ["mine"]


@pytest.mark.parametrize(("word", "hint"), [
    ("oen", "did you mean 'one'?"), ("smok", "did you mean 'smoke'?"), ("zzzzz", "`lab list scenarios`"), ("",
     "shows"),
    ("two[t=2,v=sb]", "did you mean 'two[t=2,v=sg]'?"), ("one[t=3]", "no run is called"), ("a\0b",
     "no scenario"),
    ("nothing/here.yaml", "no scenario, tag, file or folder"),
])
def test_an_unknown_word_is_one_sentence_with_the_nearest(library: Library, word: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(library, ["one", word])
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["bad", "broken", "fault", "fault/bad.yaml", "garbage.yaml", "bad[t=1]"])
def test_choosing_a_bad_file_tells_its_problems(library: Library, word: str) -> None:
    with pytest.raises(Problems, match="dsk|0x00"):
        select(library, [word])


def test_two_scenarios_of_one_name_are_both_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", "same")
    write(tmp_path / "b" / "b.yaml", "same")
    library = load_library(tmp_path)
    assert library.runs == []
    assert [str(p) for p in library.problems] == [
        f"{tmp_path}/a.yaml:1:11: the name 'same' is also that of the scenario at {tmp_path}/b/b.yaml:1:11",
        f"{tmp_path}/b/b.yaml:1:11: the name 'same' is also that of the scenario at {tmp_path}/a.yaml:1:11"]


def test_a_file_that_would_be_overlooked_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a.yml", "a")
    assert [p.message for p in load_library(tmp_path).problems] == ["a scenario file ends in .yaml; rename this one"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder of scenarios"):
        load_library(tmp_path / "none")


def test_what_is_slow_runs_only_when_it_is_asked_for(library: Library) -> None:
    write(library.root / "io/long.yaml", "long", "slow, smoke")
    again = load_library(library.root)
    assert ids(again) == ["one", *TWO]
    for word in ("long", "slow", "io/long.yaml"):
        assert ids(again, word) == ["long"]
    assert "long" in ids(again, "smoke") and "long" in ids(again, "io")
