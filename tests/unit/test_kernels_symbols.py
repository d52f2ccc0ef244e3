"""Where debug information comes from: Debian's -dbg package, a tree's vmlinux, files beside an image."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from test_kernels_material import Archive, built_tree, bzimage, modules_directory, write

from lab.errors import LabError, UsageError
from lab.kernels import apt, companions, debug, store, symbols
from lab.kernels.image import version_of
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import resolve
from lab.kernels.store import Store
from lab.kernels.symbols import Symbols, symbols_of

NAMED = Path(__file__).parents[2] / "kernels"
RELEASE, VERSION = "6.1.0-10-amd64", "6.1.192-2"
RAW = "usr/lib/debug"
TARGET = "kernel/drivers/target/target_core_mod.ko"


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The host may have debug information of its own."""
    monkeypatch.setattr(symbols, "_INSTALLED", tmp_path / "installed")


class Host:
    """A host with an archive that has a kernel and its -dbg package, and another kernel without."""

    def __init__(self, root: Path) -> None:
        self.archive = Archive(root / "archive")
        self.etc = self.archive.etc(root / "etc", "bookworm")
        self.store = Store(root / "store")
        self.said: list[str] = []
        self.archive.add_kernel("bookworm", "6.1.0-10", VERSION)
        self.archive.add_kernel("bookworm", "6.1.0-9", "6.1.190-1")
        self.package = self.archive.add("bookworm", f"linux-image-{RELEASE}-dbg", VERSION, {
            f"{RAW}/boot/vmlinux-{RELEASE}": b"the kernel", f"{RAW}/boot/System.map-{RELEASE}": b"",
            f"{RAW}/lib/modules/{RELEASE}/{TARGET}": b"target",
            f"{RAW}/lib/modules/{RELEASE}/kernel/drivers/gpu/drm/amdgpu/amdgpu.ko": b"big"})

    def debug_info(self, wanted: str = VERSION) -> debug.DebugInfo:
        return debug.debug_info(wanted, self.store, self.said.append, etc=self.etc)

    def left_over(self) -> list[Path]:
        return [*(self.store.root / "debug").glob(".unfinished*"), *(self.store.apt / "downloads").glob("*")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    if shutil.which("apt-get") is None:
        pytest.skip("no apt on this host")
    return Host(tmp_path)


class TestPackage:
    def test_only_what_decoding_needs_is_kept(self, host: Host) -> None:
        info = host.debug_info("6.1")
        assert (info.version, info.release) == (VERSION, RELEASE)
        assert info.vmlinux.read_bytes() == b"the kernel"
        kept = sorted(p.relative_to(info.modules).as_posix() for p in info.modules.rglob("*") if p.is_file())
        assert kept == [TARGET.removeprefix("kernel/")]
        assert sorted(p.name for p in info.vmlinux.parent.iterdir()) == [
            "manifest.json", "modules", f"vmlinux-{RELEASE}"]
        assert host.left_over() == []

    def test_second_call_asks_nobody(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        first = host.debug_info()
        monkeypatch.setattr(companions, "Apt", None)  # any use of apt fails now
        assert host.debug_info() == first == debug.stored(VERSION, host.store)

    def test_cut_vmlinux_is_fetched_anew(self, host: Host) -> None:
        host.debug_info().vmlinux.write_bytes(b"the")
        assert debug.stored(VERSION, host.store) is None
        assert host.debug_info().vmlinux.read_bytes() == b"the kernel"

    def test_package_that_the_archives_dropped(self, host: Host) -> None:
        with pytest.raises(UsageError, match=r"no linux-image-6\.1\.0-9-amd64-dbg 6\.1\.190-1 .* are of 6\.1\.192-2"):
            host.debug_info("6.1.190-1")
        assert debug.stored("6.1.190-1", host.store) is None

    def test_package_without_vmlinux(self, host: Host) -> None:
        host.archive.add("bookworm", "linux-image-6.1.0-9-amd64-dbg", "6.1.190-1", {"usr/share/x": b""})
        with pytest.raises(LabError, match=r"damaged and was removed \(there is no vmlinux of 6\.1\.0-9-amd64"):
            host.debug_info("6.1.190-1")
        assert host.left_over() == []

    def test_damaged_package_file(self, host: Host, tmp_path: Path) -> None:
        half = write(tmp_path / "half.deb", host.package.read_bytes()[:-60])
        with pytest.raises(LabError, match=r"half\.deb cannot be unpacked: "):
            debug.extract_some(half, tmp_path / "into", debug._PATTERNS)

    def test_too_little_space(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(apt, "_LISTS_BYTES", 0)
        monkeypatch.setattr(store, "free_bytes", lambda _: 500)
        with pytest.raises(LabError, match="no space left for the store"):
            host.debug_info()


class TestSymbolsOf:
    def test_stock_kernel_only_when_asked_for(self, host: Host) -> None:
        root = host.store.kernels / f"debian-{VERSION}"
        kernel = Kernel(f"debian:{VERSION}", "x", RELEASE, root / f"boot/vmlinuz-{RELEASE}", None, None, "")
        assert symbols_of(kernel, host.store) is None
        found = symbols_of(kernel, host.store, fetch=True, etc=host.etc)
        info = debug.stored(VERSION, host.store)
        assert info and found == Symbols(info.vmlinux, (info.modules,), RELEASE, "#1 SMP PREEMPT_DYNAMIC")
        assert symbols_of(kernel, host.store) == found

    def test_tree_keeps_the_vmlinux_of_when_it_was_resolved(self, tmp_path: Path) -> None:
        tree, store = built_tree(tmp_path / "linux"), Store(tmp_path / "store")
        write(tree / "vmlinux", "first build")
        kernel = resolve(str(tree), store, named=NAMED)
        before = symbols_of(kernel, store)
        assert before and before.vmlinux and before.modules == (kernel.modules,)
        assert before.vmlinux.stat().st_ino == (tree / "vmlinux").stat().st_ino, "a link costs nothing"
        os.unlink(tree / "vmlinux")  # as a linker does
        write(tree / "vmlinux", "second build")
        assert before.vmlinux.read_text() == "first build" and symbols_of(kernel, store) == before
        again = resolve(str(tree), store, named=NAMED)
        after = symbols_of(again, store)
        assert after and after.vmlinux and after.vmlinux.read_text() == "second build"

    def test_tree_without_vmlinux(self, tmp_path: Path) -> None:
        tree, store = built_tree(tmp_path / "linux"), Store(tmp_path / "store")
        found = symbols_of(resolve(str(tree), store, named=NAMED), store)
        assert found and found.vmlinux is None and found.modules

    def test_image_with_a_vmlinux_beside_it(self, tmp_path: Path) -> None:
        image, store = write(tmp_path / "boot/bzImage", bzimage("6.12.0")), Store(tmp_path / "store")
        assert symbols_of(resolve(str(image), store, named=NAMED), store) is None
        beside = write(tmp_path / "boot/vmlinux-6.12.0", "x")
        found = symbols_of(resolve(str(image), store, named=NAMED), store)
        assert found and found.vmlinux == beside and found.version == "#1 SMP PREEMPT_DYNAMIC"

    def test_installed_debug_information(self, tmp_path: Path) -> None:
        image, store = write(tmp_path / "bzImage", bzimage("6.12.0")), Store(tmp_path / "store")
        vmlinux = write(tmp_path / "installed/boot/vmlinux-6.12.0", "x")
        modules = modules_directory(tmp_path / "installed/lib/modules", "6.12.0")
        found = symbols_of(resolve(str(image), store, named=NAMED), store)
        assert found and found.vmlinux == vmlinux and found.modules == (modules,)


def test_version_of_an_image(tmp_path: Path) -> None:
    assert version_of(write(tmp_path / "bzImage", bzimage("6.12.0"))) == "#1 SMP PREEMPT_DYNAMIC"


@pytest.mark.skipif(debug.stored(VERSION, Store.default()) is None,
                    reason="the -dbg package of Debian's 6.1.192-2 is not in the store (lab decode -k fetches it)")
def test_the_lines_of_a_real_kernel() -> None:
    """What scripts/decode_stacktrace.sh of that kernel says too; do_syscall_x64 is inlined."""
    from lab.console.decode import Decoder

    info = debug.stored(VERSION, Store.default())
    assert info
    frames = ["  vfs_write+0xc7/0x3f0", "  do_syscall_64+0x5d/0xb0", "  tcm_loop_drop_nexus.cold+0x10/0x20 [tcm_loop]"]
    (block,) = Decoder(info.vmlinux, [info.modules]).decode(["\n".join(frames)])
    assert [str(place) for frame in block.frames for place in frame.places] == [
        "vfs_write at fs/read_write.c:582", "do_syscall_x64 at arch/x86/entry/common.c:46 (inlined)",
        "do_syscall_64 at arch/x86/entry/common.c:76", "tcm_loop_drop_nexus at drivers/target/loopback/tcm_loop.c:808"]
