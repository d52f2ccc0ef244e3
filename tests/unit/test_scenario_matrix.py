"""Matrix expansion: typed values, text, what is left alone, and what is wrong with a matrix."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.scenario import matrix
from tests.unit.scenario_files import DISK, VERIFY, loaded, told

RUN = "  - run: {argv: [x, \"{a}\", \"n={a}\", \"{{a}}\", \"{disk}\", \"{sg:disk}\", \"{print}\"]}\n"


def test_whole_values_keep_their_type_and_names_of_others_stay() -> None:
    root = {"a": "{n}", "b": "x{n}y{m}", "c": ["{m}", {"d": "{{n}} {n}"}], "e": "{disk} {sg:n} {}", "tags": ["{n}"],
            "scenario": "{n}", "matrix": {"n": ["{n}"]}}
    values: dict[str, matrix.Value] = {"n": 4, "m": True}
    assert matrix.substituted(root, values) == {
        "a": 4, "b": "x4ytrue", "c": [True, {"d": "{n} 4"}], "e": "{disk} {sg:n} {}", "tags": ["{n}"],
        "scenario": "{n}", "matrix": {"n": ["{n}"]}}
    assert root["a"] == "{n}"


def test_placeholders_of_the_guest_survive(tmp_path: Path) -> None:
    found = loaded(tmp_path, DISK + "matrix: {a: [1]}\nsteps:\n" + RUN +
                   "  - configfs: {read: \"{target}/{a}\"}\n" + VERIFY.replace("}", ", transfer: '{a}'}"))
    steps = [] if found.problems else found.runs[0].scenario.steps
    assert not found.problems, found.problems
    assert steps[0].run is not None and steps[1].configfs is not None and steps[2].verify is not None
    assert steps[2].verify.transfer == 1
    assert steps[1].configfs.read == "{target}/1"
    assert steps[0].run.argv[1:] == ["1", "n=1", "{a}", "{disk}", "{sg:disk}", "{print}"]


def test_runs_come_in_order_with_stable_ids(tmp_path: Path) -> None:
    text = DISK + "matrix: {t: [1, 2], via: [block, sg]}\nsteps:\n"
    text += "  - verify: {lun: disk, transfer: '{t}', via: '{via}'}\n"
    assert [(r.id, r.values) for r in loaded(tmp_path, text).runs] == [
        (f"a[t={t},via={via}]", {"t": t, "via": via}) for t in (1, 2) for via in ("block", "sg")]


@pytest.mark.parametrize(("line", "problems"), [
    ("{unused: [1], t: [1]}", ["4:10: nothing uses the matrix name 'unused'"]),
    ("{t: [1, 2, 0x1]}", ["4:20: the value 1 stands twice in t"]),
    ("{t: []}", ["4:10: needs at least 1 entry"]),
    ("{t: 1}", ["4:13: expected a list, not the number 1"]),
    ("{t: [[1]]}", ["4:14: expected text, a whole number, a number or true or false, not a list"]),
    ("[t]", ["4:1: expected a mapping, not a list"]),
    ("{t: [1, 2], disk: [1]}", ["4:21: nothing uses the matrix name 'disk'",
                                "4:21: {disk} would also stand for a backstore or target called 'disk'"]),
    ("{T: [1], t: [1]}",
     ["4:10: nothing uses the matrix name 'T'", "4:10: the key 'T': expected a name of small letters"]),
])
def test_what_is_wrong_with_a_matrix(tmp_path: Path, line: str, problems: list[str]) -> None:
    found = told(tmp_path, DISK + f"matrix: {line}\nsteps:\n  - verify: {{lun: disk, transfer: \"{{t}}\"}}\n")
    assert len(found) == len(problems), found
    assert all(told.startswith(problem) for told, problem in zip(found, problems, strict=True)), found


def test_a_matrix_has_a_limit_and_no_run_is_lost_in_silence(tmp_path: Path) -> None:
    values = ", ".join(str(n + 1) for n in range(30))
    text = DISK + f"matrix: {{t: [{values}], d: [{values}]}}\nsteps:\n"
    text += "  - write: {lun: disk, transfer: '{t}', depth: '{d}'}\n"
    assert told(tmp_path, text + VERIFY) == ["4:1: the matrix makes 900 runs; at most 512 are allowed"]


def test_a_slip_in_a_placeholder_names_the_right_one(tmp_path: Path) -> None:
    text = DISK + "matrix: {block_size: [512]}\nsteps:\n  - run: {argv: [\"{block_size}\", \"bs={blok_size}\"]}\n"
    assert told(tmp_path, text) == ["6:34: the matrix has no name 'blok_size'; did you mean '{block_size}'?"]


def test_a_placeholder_without_a_matrix(tmp_path: Path) -> None:
    found = told(tmp_path, DISK + "steps:\n  - verify: {lun: disk, transfer: \"{t}\"}\n")
    assert found == ["5:35: the matrix has no name 't'"]


def test_a_fault_of_one_combination_says_which(tmp_path: Path) -> None:
    text = DISK + "matrix: {t: [1, 0, 9999]}\nsteps:\n  - verify: {lun: disk, transfer: '{t}'}\n"
    assert told(tmp_path, text) == ["6:35: must be at least 1, not 0 (with t=0)",
                                    "6:35: must be at most 2048, not 9999 (with t=9999)"]


def test_a_fault_of_every_combination_is_told_once(tmp_path: Path) -> None:
    text = DISK + "matrix: {t: [1, 2]}\nsteps:\n  - verify: {lun: dsk, transfer: '{t}'}\n"
    assert told(tmp_path, text) == ["6:19: no LUN is called 'dsk'; there is disk; did you mean 'disk'?"]
