"""Which files of a tree count as its target drivers, and the copy that is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.kernels.target_sources import series_of, sources_of

FILES = {"Makefile": "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n",
         "drivers/target/Makefile": "obj-m := a.o\n", "drivers/target/a.c": "int a;\n",
         "drivers/target/loopback/b.c": "int b;\n", "include/target/target_core_base.h": "// base\n",
         "include/uapi/linux/target_core_user.h": "// user\n", "include/linux/other.h": "// not theirs\n",
         "drivers/target/a.o": "", "drivers/target/a.mod.c": "", "drivers/target/.a.o.cmd": ""}
THEIRS = ["drivers/target/Makefile", "drivers/target/a.c", "drivers/target/loopback/b.c",
          "include/target/target_core_base.h", "include/uapi/linux/target_core_user.h"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    return tmp_path / "tree"


def test_only_sources_of_the_drivers_count(tree: Path) -> None:
    found = sources_of(tree)
    assert list(found.files) == THEIRS
    assert (found.version, series_of(tree)) == ("6.1.192", "6.1")


def test_digest_is_of_names_and_contents(tree: Path) -> None:
    first = sources_of(tree).digest
    (tree / "drivers/target/a.o").write_text("built")
    (tree / "drivers/target/a.c").touch()
    assert sources_of(tree).digest == first
    (tree / "drivers/target/a.c").rename(tree / "drivers/target/c.c")
    moved = sources_of(tree).digest
    (tree / "include/target/target_core_base.h").write_text("// other\n")
    assert len({first, moved, sources_of(tree).digest}) == 3


def test_copy_leaves_what_is_equal_and_drops_what_is_gone(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    sources_of(tree).copy_to(copy)
    (copy / "drivers/target/a.o").write_text("object")
    (copy / "drivers/target/a.mod.c").write_text("made by kbuild")
    before = {name: (copy / name).stat().st_mtime_ns for name in THEIRS}
    (tree / "drivers/target/loopback/b.c").unlink()
    (tree / "drivers/target/a.c").write_text("int c;\n")
    sources_of(tree).copy_to(copy)
    assert not (copy / "drivers/target/loopback/b.c").exists()
    assert (copy / "drivers/target/a.c").read_text() == "int c;\n"
    assert (copy / "drivers/target/a.o").exists() and (copy / "drivers/target/a.mod.c").exists()
    changed = [name for name in THEIRS if (copy / name).exists() and (copy / name).stat().st_mtime_ns != before[name]]
    assert changed == ["drivers/target/a.c"]


def test_directories_that_are_no_kernel_tree(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no drivers/target/Makefile: give the top of a kernel source tree"):
        sources_of(tmp_path)
    (tree / "Makefile").unlink()
    assert sources_of(tree).version == ""
    with pytest.raises(UsageError, match="write modules:.*@debian:VERSION"):
        series_of(tree)
