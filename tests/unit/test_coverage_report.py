"""Counters of a real gcc, read by the real gcov and gcovr: what runs reach, and what nothing does."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.coverage import gcovr, report
from lab.coverage.build import Build, build_of, changed_since, includers, keep_notes
from lab.coverage.reach import Share, load, numbers, ranges
from lab.errors import LabError, UsageError
from lab.kernels.kernel import Kernel
from lab.run import counters
from tests.unit import toy_target
from tests.unit.toy_target import Toy

FILE = "drivers/target/toy.c"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return toy_target.make(tmp_path_factory.mktemp("toy"))


def called(toy: Toy, run: str) -> set[str]:
    reach = toy.runs[run].reach or {}
    return {f.name for file in reach.values() for f in file.functions if f.reached}


def test_each_run_reaches_its_own(toy: Toy) -> None:
    assert called(toy, "few") == {"main", "small", "in_header"}
    assert called(toy, "many") == {"main", "big"}


def test_all_together_is_the_union_and_no_more(toy: Toy) -> None:
    assert {f.name for f in toy.everything[FILE].functions if not f.reached} == {"never_called"}
    both = [report.reached_lines(run.reach or {}) for run in toy.runs.values()]
    assert report.reached_lines(toy.everything) == both[0] | both[1]
    assert report.shares(toy.everything[FILE]).functions == Share(3, 4)


def test_a_kernel_that_was_built_inside_its_tree(toy: Toy, tmp_path: Path) -> None:
    inside = toy_target.make(tmp_path, inside=True)
    assert inside.everything == toy.everything
    assert not list(inside.build.tree.rglob("*.gcov*")), "gcov wrote into the tree"


def test_branches_are_told_apart(toy: Toy) -> None:
    line = toy_target.TOY.splitlines().index("\tif (argc > limit)") + 1
    taken = {run: [hit for (at, _), hit in sorted(r.reach[FILE].branches.items()) if at == line]
             for run, r in toy.runs.items() if r.reach}
    assert sorted(taken["few"]) == sorted(taken["many"]) == [False, True]
    assert taken["few"] != taken["many"]
    assert all(hit for (at, _), hit in toy.everything[FILE].branches.items() if at == line)


def test_what_nothing_reaches_is_named(toy: Toy) -> None:
    text = report.unreached(toy.everything)
    assert f"{FILE}: 1 of 4 functions are never called" in text
    assert "  never_called() lines 5-9" in text
    assert "  within big(): 15" in text
    assert "small" not in text
    assert "in_header" not in text


def test_the_table_says_what_only_one_run_reaches(toy: Toy) -> None:
    lost = report.RunReach("lost", "lost", "error", 1.0, None)
    text = report.summary(toy.everything, [*toy.runs.values(), lost])
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line and line[0] not in "-"}
    assert rows["toy.c"][4:6] == ["3/4", "75%"]
    assert rows["few"][:2] == ["7", "5"]  # the first two lines of main are not its alone
    assert rows["lost"][0] == "none:"


def test_gcovr_writes_pages_and_cobertura(toy: Toy) -> None:
    assert "toy.c" in (toy.folder / "index.html").read_text()
    assert any("never_called" in page.read_text() for page in toy.folder.glob("index.toy.c*.html"))
    names = {c.attrib["filename"] for c in ElementTree.parse(toy.folder / "cobertura.xml").iter("class")}
    assert names == {FILE, "drivers/target/toy.h"}


def test_notes_of_another_build_are_refused(toy: Toy, tmp_path: Path) -> None:
    data = next(iter(counters.read(toy.build.tree.parent / "few").items()))
    (name, file) = data
    other = bytearray(file.read_bytes())
    other[8] ^= 1
    with pytest.raises(LabError, match="not of the build that runs"):
        keep_notes({name: bytes(other)}, toy.build, tmp_path)
    with pytest.raises(LabError, match="is gone"):
        keep_notes({"/none/drivers/target/x.gcda": b""}, toy.build, tmp_path)


def test_counters_without_notes_are_refused(toy: Toy, tmp_path: Path) -> None:
    found = counters.read(toy.build.tree.parent / "few")
    with pytest.raises(LabError, match="there are no notes"):
        gcovr.measure(found, {}, toy.build, tmp_path / "out.json")


def test_a_module_that_was_never_loaded_counts_as_not_reached(toy: Toy, tmp_path: Path) -> None:
    """Its notes are kept before it is loaded, for its counters come with a scenario."""
    other = toy.build.tree / "drivers/target/other.c"
    other.write_text("int other(int x)\n{\n\treturn x;\n}\n")
    toy_target.compile_object(toy.build, other)
    (name, file) = next(iter(counters.read(toy.build.tree.parent / "few").items()))
    notes = keep_notes({name: file.read_bytes()}, toy.build, tmp_path / "notes")
    assert [Path(path).name for path in notes] == ["toy.gcda", "other.gcda"]
    gcovr.measure({name: file}, notes, toy.build, tmp_path / "whole.json", whole=True)
    found = load(tmp_path / "whole.json")["drivers/target/other.c"]
    assert [(f.name, f.reached) for f in found.functions] == [("other", False)]
    gcovr.measure({name: file}, notes, toy.build, tmp_path / "run.json")
    assert set(load(tmp_path / "run.json")) == {FILE, "drivers/target/toy.h"}
    other.unlink()


def test_damaged_counters_are_an_error_of_gcov(toy: Toy, tmp_path: Path) -> None:
    (name, file) = next(iter(counters.read(toy.build.tree.parent / "few").items()))
    counters.write({name: file.read_bytes()[:4] + b"\xff" * 40}, tmp_path / "bad")
    notes = keep_notes({name: file.read_bytes()}, toy.build, tmp_path / "notes")
    with pytest.raises(LabError, match="gcov cannot read"):
        gcovr.measure(counters.read(tmp_path / "bad"), notes, toy.build, tmp_path / "out.json")


def test_a_source_that_changed_after_the_build_is_said(toy: Toy, tmp_path: Path) -> None:
    (name, file) = next(iter(counters.read(toy.build.tree.parent / "few").items()))
    notes = keep_notes({name: file.read_bytes()}, toy.build, tmp_path)
    assert changed_since(toy.build, notes, [FILE]) == []
    source, stat = toy.build.tree / FILE, (toy.build.tree / FILE).stat()
    os.utime(source, (stat.st_atime, stat.st_mtime + 3600))
    assert changed_since(toy.build, notes, [FILE]) == [FILE]
    os.utime(source, (stat.st_atime, stat.st_mtime))


def test_includers_come_from_kbuild(tmp_path: Path) -> None:
    tree, objects = tmp_path / "linux", tmp_path / "obj"
    folder = objects / "drivers/target/loopback"
    folder.mkdir(parents=True)
    (folder / ".tcm_loop.o.cmd").write_text(
        f"deps_drivers/target/loopback/tcm_loop.o := \\\n  {tree}/include/linux/module.h \\\n"
        f"    $(wildcard include/config/MODULES) \\\n  {tree}/include/target/target_core_base.h \\\n"
        f"  {tree}/drivers/target/loopback/tcm_loop.h \\\n")
    user = ["drivers/target/loopback/tcm_loop.c"]
    assert includers(Build(tree, objects, Path("gcov"), tree)) == {
        "include/target/target_core_base.h": user, "drivers/target/loopback/tcm_loop.h": user}


def kernel(tmp_path: Path, config: str) -> Kernel:
    (tmp_path / "config").write_text(config)
    return Kernel("k", "k", "6.12.0", tmp_path / "boot/vmlinuz", None, tmp_path / "config", "0" * 64)


def test_a_kernel_without_counters_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lab kernel build --flavor coverage"):
        build_of(kernel(tmp_path, "CONFIG_SCSI=y\n"))
    with pytest.raises(UsageError, match="clang"):
        build_of(kernel(tmp_path, "CONFIG_GCOV_KERNEL=y\nCONFIG_CC_IS_CLANG=y\n"))
    with pytest.raises(UsageError, match="does not know where"):
        build_of(kernel(tmp_path, "CONFIG_GCOV_KERNEL=y\n"))


@pytest.mark.parametrize("record", ["manifest", "staged", "origin"])
def test_the_place_of_a_build_is_found(tmp_path: Path, record: str) -> None:
    tree, objects = tmp_path / "linux", tmp_path / "obj"
    (tree / "drivers/target").mkdir(parents=True)
    objects.mkdir()
    (objects / "source").symlink_to(tree)
    text = {"manifest": {"tree": f"{tree}", "objects": f"{objects}"}, "staged": {"origin": f"{objects}"},
            "origin": {"tree": f"{tree}", "objects": f"{objects}", "origin": "/home/dev/linux"}}[record]
    (tmp_path / ("staged.json" if record == "staged" else "manifest.json")).write_text(json.dumps(text))
    found = build_of(kernel(tmp_path, "CONFIG_GCOV_KERNEL=y\nCONFIG_GCC_VERSION=0\n"))
    origin = Path("/home/dev/linux") if record == "origin" else tree
    assert (found.tree, found.objects, found.origin) == (tree, objects, origin)
    (tree / "drivers/target").rmdir()
    with pytest.raises(LabError, match="not in"):
        build_of(dataclasses.replace(kernel(tmp_path, "CONFIG_GCOV_KERNEL=y\n")))


def test_ranges_and_back() -> None:
    assert ranges([5, 1, 2, 3, 9]) == [(1, 3), (5, 5), (9, 9)]
    assert numbers(ranges([5, 1, 2, 3, 9])) == {1, 2, 3, 5, 9}
