"""kernels/unreachable.yaml held against counters of a real gcc: what is left, and where the list is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli import places
from lab.coverage import report
from lab.coverage.reach import FileReach, Function, Share
from lab.coverage.unreachable import Entry, Reachable, check_unreachable, load_unreachable, reachable
from lab.problems import Problems
from tests.unit import toy_target
from tests.unit.toy_target import Toy

FILE = "drivers/target/toy.c"
WHY = "nobody in this program calls it"
HEAD = f"unreachable:\n  - file: {FILE}\n    reason: {WHY}\n    functions: "


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return toy_target.make(tmp_path_factory.mktemp("toy"))


def left(toy: Toy, **entry: object) -> Reachable:
    listed = [Entry.model_validate({"file": FILE, "reason": WHY, **entry})]
    return reachable(toy.everything, listed, lambda name: (toy.build.tree / name).read_text().split("\n"))


def test_a_function_that_nothing_runs_does_not_count(toy: Toy) -> None:
    can = left(toy, functions=["never_called"])
    assert (can.reached, can.gone) == ([], [])
    before, after = (report.shares(r[FILE]) for r in (toy.everything, can.reach))
    assert (before.functions, after.functions) == (Share(3, 4), Share(3, 3))
    assert after.lines.total < before.lines.total and after.lines.reached == before.lines.reached
    assert "never_called() lines" not in report.unreached(can.reach)


def test_some_lines_of_a_function(toy: Toy) -> None:
    can = left(toy, functions=["big"], begins="x == 77", ends="never_called")
    assert can.reached, "the first line of that group runs"
    can = left(toy, functions=["big"], begins="return never_called")
    before, after = (report.shares(r[FILE]).lines for r in (toy.everything, can.reach))
    assert (before.total - after.total, before.reached, can.reached) == (1, after.reached, [])


def test_a_group_ends_with_its_function(toy: Toy) -> None:
    """Whose last lines may have no code."""
    can = left(toy, functions=["never_called"], begins="int y", ends="no such text")
    assert (can.reached, can.gone) == ([], [])
    lost = set(toy.everything[FILE].lines) - set(can.reach[FILE].lines)
    assert len(lost) >= 2 and max(lost) == max(f.last for f in toy.everything[FILE].functions if not f.reached)


def test_a_function_ends_with_its_brace() -> None:
    """gcov has the lines of inlined(), which runs, as the last ones of the function before it."""
    text = ["static int listed(int x)", "{", "\treturn x;", "}", "",
            "static int inlined(int x)", "{", "\treturn x + 1;", "}"]
    file = FileReach({1: False, 3: False, 4: False, 8: True, 9: True}, {}, (Function("listed", 1, 9, False),))
    can = reachable({FILE: file}, [Entry(file=FILE, functions=["listed"], reason=WHY)], lambda _: text)
    assert (can.reached, can.gone) == ([], [])
    assert (set(can.reach[FILE].lines), can.reach[FILE].functions) == ({8, 9}, ())


def test_where_the_list_is_wrong_is_said_and_counts(toy: Toy) -> None:
    can = left(toy, functions=["small", "renamed"])
    assert (can.reached, can.gone) == ([f"small() in {FILE}"], [f"renamed() in {FILE}"])
    assert can.reach == toy.everything
    said = report.summary(toy.everything, list(toy.runs.values()), can)
    assert f"listed as unreachable, and reached: small() in {FILE}" in said
    assert f"listed as unreachable, and not in this kernel: renamed() in {FILE}" in said
    rows = {line[:32].strip(): line[32:].split() for line in said.splitlines()}
    assert rows["of what can be reached"] == rows["all"]


def test_lines_that_are_not_there_any_more(toy: Toy) -> None:
    assert left(toy, functions=["big"], begins="no such text").gone == [f"big() in {FILE}, no such text"]


@pytest.mark.parametrize(("text", "problem"), [
    (HEAD + "[a b]", "the name of a function"),
    (HEAD + "[]", "at least 1"),
    (HEAD + "[a]\n    begins: '('", "no regular expression"),
    (HEAD + "[a]\n    begin: x", "unknown key 'begin'"),
    (HEAD.replace("toy.c", "../toy.c") + "[a]", "a file of drivers/target"),
    (HEAD.replace(WHY, "so") + "[a]", "20"),
])
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "unreachable.yaml"
    path.write_text(text + "\n")
    found = check_unreachable(path)
    assert found and any(problem in str(one) for one in found), found
    with pytest.raises(Problems):
        load_unreachable(path)


def test_the_committed_list_is_right() -> None:
    assert load_unreachable(places.UNREACHABLE)
