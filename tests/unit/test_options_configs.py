"""Configurations between two: on a tree of some lines, and on a real kernel's Kconfig where LAB_LINUX names one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.bisect.configs import Configs
from lab.errors import UsageError
from lab.kernels import inventory
from lab.kernels.build_process import alone
from lab.kernels.store import Store, silent
from tests.unit.small_kernel import small_kernel

GOOD = "CONFIG_64BIT=y\nCONFIG_BLOCK=y\nCONFIG_SCSI=y\nCONFIG_HZ_250=y\n"
BAD = """CONFIG_64BIT=y
CONFIG_BLOCK=y
CONFIG_SCSI=y
CONFIG_HZ_1000=y
CONFIG_TARGET_CORE=y
CONFIG_LOOPBACK_TARGET=y
CONFIG_CONFIGFS_FS=y
CONFIG_MD=y
CONFIG_BLK_DEV_DM=y
CONFIG_DM_FLAKEY=y
CONFIG_DEBUG_KERNEL=y
CONFIG_DETECT_HUNG_TASK=y
CONFIG_CMDLINE_BOOL=y
CONFIG_CMDLINE="scsi_mod.max_luns=1"
"""
TREE = os.environ.get("LAB_LINUX", "")
needs_tree = pytest.mark.skipif(not TREE, reason="LAB_LINUX names no kernel checkout")


def test_what_is_no_tree_and_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("hello\n")
    with pytest.raises(UsageError, match="is not a kernel tree"):
        Configs(tmp_path, tmp_path / "c", tmp_path / "c", Store(tmp_path))
    (tmp_path / "Kconfig").touch()
    (tmp_path / "Makefile").touch()
    (tmp_path / "Kbuild").touch()
    with pytest.raises(UsageError, match="is not a kernel configuration"):
        Configs(tmp_path, tmp_path / "c", tmp_path / "c", Store(tmp_path))
    with pytest.raises(UsageError, match="cannot read the configuration .*/none: No such file"):
        Configs(tmp_path, tmp_path / "none", tmp_path / "c", Store(tmp_path))


def test_a_tree_that_was_built_in_place(tmp_path: Path) -> None:
    """kbuild refuses it, so a copy of its sources is asked."""
    tree = small_kernel(tmp_path)
    (tree / ".config").write_text("CONFIG_A=y\n")
    (tmp_path / "good").write_text("CONFIG_A=y\n")
    (tmp_path / "bad").write_text("CONFIG_A=y\nCONFIG_B=y\n")
    configs = Configs(tree, tmp_path / "good", tmp_path / "bad", Store(tmp_path / "store"))
    assert configs.differences == ("B",)


def test_what_is_made_may_be_pruned_but_not_while_it_is_in_use(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("CONFIG_A=y\n")
    (tmp_path / "bad").write_text("CONFIG_A=y\nCONFIG_B=y\n")
    store = Store(tmp_path / "store")
    Configs(small_kernel(tmp_path), tmp_path / "good", tmp_path / "bad", store)
    items = [item for item in inventory.stored(store) if item.kind == "configs"]
    assert len(items) == 1 and inventory.remove(items) == ([], items)


def test_a_make_that_a_killed_lab_left_is_waited_for(tmp_path: Path) -> None:
    """It would write its own .config where the next one is settled."""
    (tmp_path / "good").write_text("CONFIG_A=y\n")
    (tmp_path / "bad").write_text("CONFIG_A=y\nCONFIG_B=y\n")
    tree, store = small_kernel(tmp_path), Store(tmp_path / "store")
    Configs(tree, tmp_path / "good", tmp_path / "bad", store)
    objects, = store.root.glob("configs/*/objects")
    with alone(objects, silent) as lock:
        script = f"for n in $(seq 100); do echo CONFIG_C=y >{objects}/.config; sleep 0.01; done"
        left = subprocess.Popen(["sh", "-c", script], pass_fds=(lock,))
    configs = Configs(tree, tmp_path / "good", tmp_path / "bad", store)
    assert left.wait() == 0 and configs.differences == ("B",) and "C" not in configs.good.values


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    directory = tmp_path_factory.mktemp("ends")
    (directory / "good").write_text(GOOD)
    (directory / "bad").write_text(BAD)
    return directory, directory / "good", directory / "bad"


@needs_tree
@pytest.mark.slow
def test_options_of_a_real_kernel(ends: tuple[Path, Path, Path]) -> None:
    directory, good, bad = ends
    configs = Configs(Path(TREE), good, bad, Store(directory))
    # what follows from others (HZ, TRACEPOINTS, CRYPTO_*) is not a difference
    assert set(configs.differences) == {
        "HZ_1000", "TARGET_CORE", "LOOPBACK_TARGET", "MD", "BLK_DEV_DM", "DM_FLAKEY", "DEBUG_KERNEL",
        "DETECT_HUNG_TASK", "CMDLINE_BOOL", "CMDLINE"}
    assert configs.merged(frozenset()).path == configs.good.path
    assert configs.merged(frozenset(configs.differences)).path == configs.bad.path
    assert configs.survivors(frozenset(("DM_FLAKEY", "HZ_1000"))) == {"HZ_1000"}
    assert configs.merged(frozenset(("HZ_1000",))).values["HZ"] == "1000"
    assert configs.described("HZ_1000") == "CONFIG_HZ_1000: off -> y"
    assert frozenset(("MD", "BLK_DEV_DM", "DM_FLAKEY")) in configs.groups()
    same = good.with_name("same")
    same.write_text(GOOD + "CONFIG_NO_SUCH_OPTION=y\n")
    with pytest.raises(UsageError, match="nothing differs"):
        Configs(Path(TREE), good, same, Store(directory))
