"""A stock kernel with other modules: what is exchanged, what is left out, and that the kernel itself stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_kernels_material import CONFIG, MODULES, bzimage, module, modules_directory, write

from lab.kernels.kernel import Kernel
from lab.kernels.modules import names_in
from lab.kernels.staging import Parts, found_in, lay_out
from lab.kernels.variant import with_modules

RELEASE = "6.1.0-1"
CORE, LOOP = MODULES
UNUSED = "kernel/drivers/gpu/drm/nouveau/nouveau.ko"


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    root = tmp_path / "stock"
    modules = modules_directory(root / "lib/modules", RELEASE)
    write(modules / UNUSED, module("nouveau"))
    write(modules / "modules.dep", f"{CORE}:\n{LOOP}: {CORE}\n{UNUSED}:\n")
    return Kernel("stock", "stock", RELEASE, write(root / "boot/vmlinuz", bzimage(RELEASE)), modules,
                  write(root / "boot/config", CONFIG), "")


def _index(kernel: Kernel) -> str:
    assert kernel.modules
    return (kernel.modules / "modules.dep").read_text()


def test_one_module_is_another_and_the_rest_are_links(kernel: Kernel, tmp_path: Path) -> None:
    mine, before = write(tmp_path / "mine.ko", module("tcm_loop", "target_core_mod")), _index(kernel)
    lay_out(with_modules(kernel, {"extra/tcm-loop.ko": mine}), tmp_path / "made")
    made = found_in(tmp_path / "made", RELEASE)
    assert made.modules and kernel.modules and made.image.samefile(kernel.image)
    assert (made.modules / CORE).samefile(kernel.modules / CORE) and not (made.modules / LOOP).exists()
    assert "extra/tcm-loop.ko:" in (made.modules / "modules.dep").read_text()
    names = names_in(made.modules)
    assert names.loadable == {"target_core_mod", "tcm_loop"} and names.built_in == {"loop"}
    assert made.config and made.config.read_text() == CONFIG
    assert _index(kernel) == before, "nothing is written to the kernel"


def test_what_an_exchanged_module_needs_comes_along(kernel: Kernel, tmp_path: Path) -> None:
    """nouveau is nothing that a guest loads, until a driver depends on it."""
    mine = write(tmp_path / "mine.ko", module("tcm_loop", "nouveau"))
    assert UNUSED in dict(with_modules(kernel, {LOOP: mine}).modules)
    assert UNUSED not in dict(with_modules(kernel, {LOOP: write(tmp_path / "b.ko", module("tcm_loop"))}).modules)


def test_a_directory_is_left_out(kernel: Kernel, tmp_path: Path) -> None:
    mine = write(tmp_path / "mine.ko", module("target_core_mod"))
    parts = with_modules(kernel, {CORE: mine}, without=["kernel/drivers/target"])
    assert [(name, path) for name, path in parts.modules if ".ko" in name] == [(CORE, mine)]


@pytest.mark.parametrize(("types", "fixed", "linked"), [("y", False, False), ("n", False, True), ("y", True, True)])
def test_modules_that_a_build_may_write_in_place_are_copied(types: str, fixed: bool, linked: bool, kernel: Kernel,
                                                            tmp_path: Path) -> None:
    """pahole puts types into a module that is there already when vmlinux alone is new."""
    assert kernel.modules and kernel.config
    config = write(tmp_path / "config", f"{CONFIG}CONFIG_DEBUG_INFO_BTF_MODULES={types}\n")
    parts = Parts(RELEASE, kernel.image, config, ((CORE, kernel.modules / CORE),), fixed=fixed)
    lay_out(parts, tmp_path / "made")
    assert (tmp_path / "made/lib/modules" / RELEASE / CORE).samefile(kernel.modules / CORE) == linked
