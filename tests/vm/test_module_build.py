"""drivers/target of a tree, really built for the host's stock kernel, in the store that the lab uses."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import process
from lab.errors import BuildFailed, MissingTool, UsageError
from lab.kernels import debian
from lab.kernels.headers import Headers, headers
from lab.kernels.kernel import Kernel
from lab.kernels.module_build import build_modules
from lab.kernels.resolve import resolve
from lab.kernels.stock import Shelf
from lab.kernels.store import Store
from tests.command import Lab
from tests.target_source import target_source

pytestmark = [pytest.mark.network, pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")]
CORE = "drivers/target/target_core_mod.ko"
BASE, EVENTS, USER = (f"include/{name}" for name in (
    "target/target_core_base.h", "trace/events/target.h", "uapi/linux/target_core_user.h"))
ATTEMPTS = 3  # another lab may build other sources in between, with the same objects


@dataclass
class Bench:
    """A tree of a test's own, and what was built from it, which is removed at the end."""

    tree: Path
    version: str
    store: Store = field(default_factory=Store.default)
    said: list[str] = field(default_factory=list)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    built: list[Path] = field(default_factory=list)

    def build(self) -> Kernel:
        kernel = build_modules(self.tree, f"debian:{self.version}", self.store, self.said.append)
        self.built.append(kernel.image.parents[1])
        return kernel

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.tree / name).read_text()
        assert old in text
        (self.tree / name).write_text(text.replace(old, new, 1))

    @property
    def objects(self) -> Path:
        return self.store.root / "objects" / f"modules-{self.version}"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store = Store.default()
    try:
        headers("", store, print).check_tools(type_info=False)
    except MissingTool as missing:
        pytest.skip(str(missing))
    version = debian.fetch("", store).version
    tree = tmp_path / "my linux"
    shutil.copytree(target_source(version, store), tree)
    made = Bench(tree, version)
    yield made
    for root in made.built:
        shutil.rmtree(root, ignore_errors=True)


def files(tree: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(tree.rglob("*"))}


def rebuilt(bench: Bench, old: str) -> tuple[set[str], Kernel, str]:
    """Build, change one text, build again: which objects the second build wrote, its kernel, and the new text."""
    bench.build()
    before = {path: path.stat().st_mtime_ns for path in bench.objects.rglob("*.o")}
    bench.change("drivers/target/target_core_rd.c", old, new := uuid.uuid4().hex)
    tree = files(bench.tree)
    kernel = bench.build()
    assert files(bench.tree) == tree, "nothing is written to the tree"
    return {path.name for path, at in before.items() if path.stat().st_mtime_ns != at}, kernel, new


def test_one_changed_file(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is new and in place of the stock one, no other file was compiled, the tree is as it was."""
    mark = "Missing rd_pages= parameter"
    for _ in range(ATTEMPTS):
        compiled, kernel, mark = rebuilt(bench, mark)
        if compiled == {"target_core_rd.o", "target_core_mod.o"}:
            break
    assert compiled == {"target_core_rd.o", "target_core_mod.o"}, "one is compiled, and its module linked"
    assert kernel.modules is not None
    core = kernel.modules / "kernel" / CORE
    assert mark.encode() in core.read_bytes()
    listed = [line for line in (kernel.modules / "modules.dep").read_text().splitlines() if "target_core_mod.ko" in
              line.partition(":")[0]]
    assert [line.partition(":")[0] for line in listed] == [f"kernel/{CORE}"]
    assert kernel.missing_modules(["target_core_mod", "tcm_loop", "target_core_user", "dm_mod"]) == []
    stock = debian.fetch(bench.version, bench.store)
    assert kernel.image.samefile(stock.image) and Shelf(bench.store).get(bench.version) == stock
    monkeypatch.setattr(Headers, "make", None)  # any build fails now
    assert bench.build() == kernel


def test_a_module_that_the_change_needs_comes_along(bench: Bench) -> None:
    """The copy has the modules that a guest can load; cordic is not one of them, until a driver uses it."""
    bench.change("drivers/target/loopback/tcm_loop.c", "target_register_template(&loop_ops)",
                 "(cordic_calc_iq(0).i ? 0 : target_register_template(&loop_ops))")
    bench.change("drivers/target/loopback/tcm_loop.c", "#include <linux/module.h>",
                 "#include <linux/module.h>\n#include <linux/cordic.h>")
    kernel = bench.build()
    assert kernel.modules is not None
    dep = dict(line.split(":") for line in (kernel.modules / "modules.dep").read_text().splitlines())
    assert "kernel/lib/math/cordic.ko" in dep["kernel/drivers/target/loopback/tcm_loop.ko"]
    assert len(kernel.missing_modules(["nouveau"])) == 1, "no guest could load it"


def test_headers_of_the_tree_win(bench: Bench) -> None:
    """The headers package has the same files; what is in the tree's is what is compiled."""
    bench.change(EVENTS, 'TP_printk("%s', f'TP_printk("{bench.mark} %s')
    kernel = bench.build()
    assert kernel.modules is not None
    assert bench.mark.encode() in (kernel.modules / "kernel" / CORE).read_bytes()
    used = (bench.objects / "drivers/target/.target_core_pr.o.cmd").read_text()
    assert {Path(name) for name in re.findall(r"\S+/target_core_base\.h", used)} == {bench.objects / BASE}


def test_names_in_reports_are_those_of_the_tree(bench: Bench) -> None:
    kernel = bench.build()
    assert kernel.modules is not None
    data = (kernel.modules / "kernel" / CORE).read_bytes()
    assert b"drivers/target/target_core_transport.c" in data and str(bench.objects).encode() not in data
    where = process.run(["addr2line", "-e", kernel.modules / "kernel" / CORE, "-j", ".text", "0x100", "0x2000"],
                        timeout_s=60).stdout.split()
    assert all(re.fullmatch(r"(drivers/target|include/\w+)/[\w/]+\.[ch]:\d+", line) for line in where), where


def test_errors_have_the_place_in_the_tree(bench: Bench) -> None:
    bench.change(USER, "#define TCMU_VERSION", "#error not like this\n#define TCMU_VERSION")
    with pytest.raises(BuildFailed, match=r"my linux does not build for .*: include/uapi/linux/target_core_user\.h:\d+:"
                                          r"\d+: error: #error not like this$"):
        bench.build()
    bench.change(USER, "#error not like this\n", "")
    bench.change("drivers/target/loopback/tcm_loop.c", "target_register_template(&loop_ops)", "no_such_call(1)")
    bench.change("Makefile", "VERSION = ", "VERSION = 1")
    with pytest.raises(BuildFailed, match=r": drivers/target/loopback/tcm_loop\.c:\d+:.*no_such_call.* \(the tree is "
                                          rf"1\d+\..*, the kernel {bench.version}: maybe too far apart\)"):
        bench.build()
    assert any("its drivers are built for the kernel" in line for line in bench.said)


def test_words_that_mean_nothing(bench: Bench, tmp_path: Path) -> None:
    named = tmp_path
    for spec, match in {"modules:/nonexistent@debian": "there is no kernel source tree '/nonexistent'",
                        f"modules:{tmp_path}@debian": "has no drivers/target/Makefile",
                        f"modules:{bench.tree}@stock": "for a stock kernel, debian:VERSION, not for 'stock'"}.items():
        with pytest.raises(UsageError, match=re.escape(match)):
            resolve(spec, bench.store, named=named)


@pytest.mark.vm
@pytest.mark.slow
def test_an_unmodified_tree_passes_smoke(lab: Lab, bench: Bench) -> None:
    """Its modules are neither signed nor the distribution's; that is so from the boot on and fails no run."""
    ran = lab("run", "smoke", kernel=f"modules:{target_source(bench.version, bench.store)}@debian:{bench.version}",
              timeout_s=900)
    assert ran.status == 0 and set(ran.outcomes().values()) == {"pass"}, ran.said
    assert len(ran.outcomes()) == 11, ran.said
    taint = process.run(["modinfo", "-F", "intree", next((bench.store.root / "builds").glob(f"modules-*/lib/modules/*"
                        f"/kernel/{CORE}"))], timeout_s=60).stdout
    assert taint == "", "or this test shows nothing"
