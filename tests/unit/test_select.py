"""`lab select`: from a patch, made by git or by hand, to the runs that reach what it changes."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.coverage import atlas
from lab.coverage.atlas import Atlas
from lab.coverage.patch import parse
from lab.coverage.place import places
from lab.coverage.selection import Selection, fewest, select
from lab.errors import LabError, UsageError
from lab.kernels.store import Store
from tests.command import Lab
from tests.unit import toy_target
from tests.unit.toy_target import HEADER, TOY, Toy

FILE = "drivers/target/toy.c"
SMALL = ("return in_header(x);", "return in_header(x + 0);")
BIG = ("return x - 1;", "return x - 2;")
NEVER = ("return y * 2;", "return y * 3;")
MISSED = ("return never_called(x);", "return never_called(x + 1);")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return toy_target.make(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def known(toy: Toy) -> Atlas:
    return toy.atlas()


def diff(tmp_path: Path, before: str, after: str, name: str = FILE) -> str:
    """As git prints it."""
    for side, text in (("a", before), ("b", after)):
        path = tmp_path / side / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = subprocess.run(["git", "-c", "core.attributesFile=/dev/null", "diff", "--no-index", "--no-prefix", "a", "b"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=30)
    return done.stdout


def selection(tmp_path: Path, known: Atlas, *changes: tuple[str, str], before: str = TOY) -> Selection:
    after = before
    for old, new in changes:
        assert old in after
        after = after.replace(old, new)
    return select(places(parse(diff(tmp_path, before, after), "p").changes, known), known)


def ids(found: Selection) -> list[str]:
    return [run.id for run in found.runs]


@pytest.mark.parametrize(("change", "runs"), [(SMALL, ["few"]), (BIG, ["many"])])
def test_the_runs_that_reach_the_changed_line(tmp_path: Path, known: Atlas, change: tuple[str, str],
                                              runs: list[str]) -> None:
    found = selection(tmp_path, known, change)
    assert (ids(found), found.unreached) == (runs, [])


def test_fastest_first(tmp_path: Path, known: Atlas) -> None:
    assert ids(selection(tmp_path, known, SMALL, BIG)) == ["many", "few"]


def test_a_function_that_nothing_reaches_is_said(tmp_path: Path, known: Atlas) -> None:
    found = selection(tmp_path, known, NEVER)
    assert ids(found) == []
    assert [c.said for c in found.unreached] == [f"nothing reaches never_called() in {FILE}"]


def test_a_line_that_nothing_reaches_selects_its_callers_and_is_said(tmp_path: Path, known: Atlas) -> None:
    found = selection(tmp_path, known, MISSED)
    assert ids(found) == ["many"]
    assert "nothing reaches the changed line 15 of big()" in found.unreached[0].said


@pytest.mark.parametrize(("change", "runs"), [
    (("	return in_header(x);", "	x++;\n	return in_header(x);"), ["few"]),
    (("	if (x == 77)", "	if (x == 5)\n		return 9;\n	if (x == 77)"), ["many"]),
])
def test_lines_that_only_come_are_reached_by_their_neighbours(tmp_path: Path, known: Atlas, change: tuple[str, str],
                                                              runs: list[str]) -> None:
    assert ids(selection(tmp_path, known, change)) == runs


def test_data_outside_of_functions_selects_the_file_and_says_why(tmp_path: Path, known: Atlas) -> None:
    found = selection(tmp_path, known, ("static int limit = 3;", "static int limit = 4;"))
    assert ids(found) == ["many", "few"]
    assert "in no function" in found.covered[0].said


def test_comments_alone_change_nothing(tmp_path: Path, known: Atlas) -> None:
    assert selection(tmp_path, known, ("int small", "/* A comment. */\n\nint small")).covered == ()


def test_a_source_that_drifted_is_found_by_its_lines(tmp_path: Path, known: Atlas) -> None:
    moved = "\n".join(["/* new */"] * 40) + "\n" + TOY
    assert ids(selection(tmp_path, known, SMALL, before=moved)) == ["few"]


def test_a_kernel_that_has_the_patch_already(tmp_path: Path, known: Atlas) -> None:
    old = TOY.replace("return x - 1;", "return x - 7;")
    found = selection(tmp_path, known, ("return x - 7;", "return x - 1;"), before=old)
    assert (ids(found), found.covered[0].place.exact) == (["many"], True)


def test_another_source_goes_by_the_function_that_the_patch_names(tmp_path: Path, known: Atlas) -> None:
    old = TOY.replace("if (x == 77)", "if (x == 99)\n		return 1;\n	x++;\n	x--;\n	if (x > 88)")
    found = selection(tmp_path, known, ("x--;", "x -= 1;"), before=old)
    assert ids(found) == ["many", "few"] or ids(found) == ["many"]
    assert "are others in" in found.covered[0].said or "not in the coverage kernel's source" in found.covered[0].said


def test_a_stale_source_is_not_trusted(tmp_path: Path, toy: Toy) -> None:
    known = toy.atlas(stale=[FILE])
    assert not selection(tmp_path, known, SMALL).covered[0].place.exact


def test_a_header_of_inline_functions_goes_by_lines(tmp_path: Path, known: Atlas) -> None:
    text = diff(tmp_path, HEADER, HEADER.replace("x + 1", "x + 2"), "drivers/target/toy.h")
    assert ids(select(places(parse(text, "p").changes, known), known)) == ["few"]


def test_a_header_that_declares_selects_all_that_include_it(tmp_path: Path, known: Atlas) -> None:
    text = diff(tmp_path, "struct a {\n	int b;\n};\n", "struct a {\n	int b, c;\n};\n", "include/target/base.h")
    found = select(places(parse(text, "p").changes, known), known)
    assert ids(found) == ["many", "few"]
    assert "cannot be told by lines" in found.covered[0].said


def test_the_small_set_reaches_what_the_whole_one_does(tmp_path: Path, known: Atlas) -> None:
    found = selection(tmp_path, known, ("if (argc > limit)", "if (argc > limit + 0)"))
    assert ids(found) == ["many", "few"]
    assert [run.id for run in fewest(found)] == ["many"]
    both = selection(tmp_path, known, SMALL, BIG)
    assert [run.id for run in fewest(both)] == ["many", "few"]


@pytest.mark.parametrize("text", ["", "hello\n", "--- a\n"])
def test_what_is_no_patch_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="p is (no|a damaged) patch"):
        parse(text, "p")


def test_a_cut_patch_is_refused(tmp_path: Path) -> None:
    text = diff(tmp_path, TOY, TOY.replace(*SMALL))
    with pytest.raises(UsageError, match="damaged"):
        parse(text[:text.rindex("\n ")], "p")


def test_new_files_and_others_are_told_apart(tmp_path: Path) -> None:
    new = "--- /dev/null\n+++ b/drivers/target/new.c\n@@ -0,0 +1 @@\n+int x;\n"
    other = "--- a/drivers/scsi/sd.c\n+++ b/drivers/scsi/sd.c\n@@ -1 +1 @@\n-int x;\n+int y;\n"
    found = parse(new + other, "p")
    assert (found.changes, found.new, found.others) == ((), ("drivers/target/new.c",), ("drivers/scsi/sd.c",))


def test_the_store_keeps_the_runs_of_earlier_sessions(tmp_path: Path, known: Atlas) -> None:
    store = Store(tmp_path)
    one, other = ([r for r in known.runs if r.id == name] for name in ("few", "many"))
    for runs in (one, other):
        path = atlas.save(replace(known, runs=runs), store)
    assert sorted(atlas.load(path).runs, key=lambda r: r.id) == sorted(known.runs, key=lambda r: r.id)
    assert atlas.load(path).sources == known.sources
    atlas.save(replace(known, identity="f" * 64, runs=one), store)
    assert [run.id for run in atlas.load(path).runs] == ["few"]
    with pytest.raises(UsageError, match="there is some of toy"):
        atlas.newest(store, "nothing")
    path.write_text("{")
    with pytest.raises(LabError, match="damaged"):
        atlas.newest(store, None)


@pytest.fixture
def command(tmp_path: Path, known: Atlas) -> Lab:
    atlas.save(known, Store(tmp_path / "store"))
    return Lab(tmp_path, "debian")


def test_the_command_prints_ids_alone(tmp_path: Path, command: Lab) -> None:
    patch = tmp_path / "p.patch"
    patch.write_text(diff(tmp_path, TOY, TOY.replace(*SMALL).replace(*NEVER)))
    env = {"LAB_STORE": str(tmp_path / "store")}
    done = command("select", "--diff", patch, env=env)
    assert (done.status, done.stdout) == (0, "few\n"), done.said
    assert f"NOT TESTED: nothing reaches never_called() in {FILE}" in done.stderr
    told = json.loads(command("select", "--diff", patch, "--json", env=env).stdout)
    assert [run["id"] for run in told["runs"]] == ["few"]


def test_the_command_reads_a_git_tree(tmp_path: Path, toy: Toy, command: Lab) -> None:
    tree, env = tmp_path / "git", {"LAB_STORE": str(tmp_path / "store")}
    (tree / "drivers/target").mkdir(parents=True)
    (tree / FILE).write_text(TOY)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=tree, check=True, timeout=30)
    same = command("select", "--since", "HEAD", "--tree", tree, env=env)
    assert (same.status, same.stdout) == (3, "")
    assert "nothing changed" in same.stderr
    (tree / FILE).write_text(TOY.replace(*BIG))
    assert command("select", "--since", "HEAD", "--tree", tree, env=env).stdout == "many\n"
    bad = command("select", "--since", "nothing", "--tree", tree, env=env)
    assert (bad.status, "has no commit 'nothing'" in bad.stderr) == (2, True)


def test_without_a_tree_it_is_the_one_that_the_kernel_was_built_from(tmp_path: Path, toy: Toy) -> None:
    """What was compiled is a view of it in the store, which has no git, and the current directory is anything."""
    origin, env = tmp_path / "origin", {"LAB_STORE": str(tmp_path / "store")}
    (origin / "drivers/target").mkdir(parents=True)
    (origin / FILE).write_text(TOY)
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=origin, check=True, timeout=30)
    (origin / FILE).write_text(TOY.replace(*BIG))
    built = replace(toy, build=replace(toy.build, origin=origin)).atlas()
    kept = atlas.save(built, Store(tmp_path / "store"))
    assert atlas.load(kept) == built
    done = Lab(tmp_path, "debian")("select", "--since", "HEAD", env=env)
    assert (done.status, done.stdout) == (0, "many\n"), done.said


def test_nothing_that_reaches_it_is_no_success(tmp_path: Path, command: Lab) -> None:
    patch, env = tmp_path / "p.patch", {"LAB_STORE": str(tmp_path / "store")}
    patch.write_text(diff(tmp_path, TOY, TOY.replace(*NEVER)))
    done = command("select", "--diff", patch, env=env)
    assert (done.status, done.stdout.strip()) == (3, "")
    for words, status in ((("--diff", tmp_path / "none"), 2), ((), 2), (("--diff", patch, "-k", "other"), 2)):
        said = command("select", *words, env=env)
        assert (said.status, len(said.stderr.splitlines())) == (status, 1), said.said
    empty = command("select", "--diff", patch, env={"LAB_STORE": str(tmp_path / "empty")})
    assert "there is no coverage yet" in empty.stderr
