"""On the sources of a real kernel, without compiling all of it: options that do not survive, and the first error."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from lab.errors import BuildFailed
from lab.kernels import flavors
from lab.kernels.build import Recipe, build_tree
from lab.kernels.build_process import alone
from lab.kernels.kbuild import Kbuild
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store, silent
from tests.command_git import git
from tests.unit.test_build import state_of

pytestmark = [pytest.mark.network, pytest.mark.slow]
# Not compiled in any flavor, but their Kconfig files are read.
_UNUSED = ("Documentation", "arch/[!x]*", "drivers/gpu", "drivers/media", "drivers/net", "drivers/infiniband",
           "drivers/staging", "drivers/iio", "sound", "tools/testing", "tools/perf")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of 6.12, of which only what base compiles is there."""
    source, tree = source_tree("6.12", Store.default(), print), tmp_path_factory.mktemp("sources") / "linux"
    unused = [path for pattern in _UNUSED for path in source.glob(pattern) if path.is_dir()]

    def skipped(directory: str, names: list[str]) -> list[str]:
        inside = any(Path(directory).is_relative_to(path) for path in unused)
        return [n for n in names if inside and not (Path(directory) / n).is_dir() and not n.startswith("Kconfig")]

    shutil.copytree(source, tree, ignore=skipped, symlinks=True)
    ignored = (tree / ".gitignore").read_text()
    (tree / ".gitignore").write_text(ignored.partition("# Debian packaging")[0])
    git(tree, "init", "-q")
    git(tree, "config", "gc.auto", "0")  # it would go on behind the tests
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "6.12")
    return tree


@pytest.mark.parametrize("name", flavors.names())
def test_every_flavor_survives(name: str, tree: Path, tmp_path: Path) -> None:
    with alone(tmp_path, silent) as lock:
        gone = Kbuild(tree, tree, tmp_path, silent).configure(flavors.flavor(name), lock)
    assert [option.name for option in gone if option.name != "BLK_ERROR_INJECTION"] == []


@pytest.mark.parametrize(("line", "named"), [
    ("CONFIG_NO_SUCH_OPTION=y", "CONFIG_NO_SUCH_OPTION=y did not survive"),  # there is none
    ("CONFIG_ISCSI_TARGET_CXGB4=y", "CONFIG_ISCSI_TARGET_CXGB4=y did not survive"),  # what it depends on is off
    ("CONFIG_PRINTK_TIME=n", ""),
])
def test_an_option_that_does_not_survive_kconfig(line: str, named: str, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(flavors.FRAGMENTS, tmp_path / "config")
    (tmp_path / "config/mine.config").write_text(f"{line}\n")
    (tmp_path / "objects").mkdir()
    kbuild, mine = Kbuild(tree, tree, tmp_path / "objects", silent), flavors.flavor("mine", tmp_path / "config")
    refused = pytest.raises(BuildFailed, match=named) if named else contextlib.nullcontext()
    with alone(tmp_path / "objects", silent) as lock, refused:
        assert kbuild.configure(mine, lock) == []


def test_the_compilers_first_error_and_a_tree_that_is_left_alone(tree: Path, tmp_path: Path) -> None:
    main = tree / "init/main.c"  # compiled among the first
    text = main.read_text()
    try:
        main.write_text(text.replace("static int kernel_init(void *);", "static nonsense kernel_init(void *);", 1))
        status, before = git(tree, "status", "--porcelain"), state_of(tree)  # git status itself writes the index
        with pytest.raises(BuildFailed) as error:
            build_tree(tree, Recipe(), Store(tmp_path / "store"), print)
        assert state_of(tree) == before and git(tree, "status", "--porcelain") == status == "M init/main.c"
    finally:
        main.write_text(text)
    sentence = str(error.value)
    line = text[:text.index("static int kernel_init(void *);")].count("\n") + 1
    assert f"init/main.c:{line}: unknown type name ‘nonsense’" in sentence.replace("'nonsense'", "‘nonsense’")
    log = Path(sentence.rpartition("(all of it: ")[2].rstrip(")"))
    assert "nonsense" in log.read_text()
