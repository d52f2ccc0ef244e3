"""Headers of a stock kernel: found, unpacked and usable where they lie; one test builds for the real stock kernel."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_kernels_material import Archive

from lab import process
from lab.errors import LabError, MissingTool, UsageError
from lab.kernels import apt, companions, headers, inventory, store
from lab.kernels.headers import Headers
from lab.kernels.store import Store
from lab.kernels.unpack import extract

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")
RELEASE, VERSION = "6.1.0-10-amd64", "6.1.192-2"
MODULE = ('#include <linux/module.h>\nstatic int __init go(void) { return 0; }\n'
          'module_init(go);\nMODULE_LICENSE("GPL");\n')


def add_headers(archive: Archive, suite: str = "bookworm", compiler: str = "gcc-12", kbuild: str = VERSION,
                abi: str = "6.1.0-10", version: str = VERSION) -> None:
    """The three packages, with Debian's layout and a `modules` target that shows which files make reads."""
    release, common = f"{abi}-amd64", f"usr/src/linux-headers-{abi}-common"
    build = f"usr/src/linux-headers-{release}"
    archive.add(suite, f"linux-headers-{release}", version, {
        f"{build}/Makefile": f"KBUILD_OUTPUT=/{build}\n"
                             f"include /{common}/Makefile\n".encode(),
        f"{build}/.kernelvariables": f"CC = $(if $(X),ccache) $(CROSS_COMPILE){compiler}\nA = y\n".encode(),
        f"{build}/.config": b"CONFIG_X=y\n", f"{build}/Module.symvers": b"",
        f"{build}/include/generated/autoconf.h": b"", f"{build}/scripts/mod/modpost": b"#!/bin/sh\n",
        "lib/modules/x/marker": b"", "usr/share/doc/x": b""},
        f"linux-base (>= 4), linux-headers-{abi}-common (= {version}), linux-image-{release} (= {version}) | y, "
        f"linux-kbuild-6.1 (>= {version}), gcc-12")
    archive.add(suite, f"linux-headers-{abi}-common", version, {
        f"{common}/Makefile": b"modules:\n\tcp $(KBUILD_OUTPUT)/.config $(M)/made.ko\n"
                              b"bad:\n\t@echo a.c:1: error: no >&2;"
                              b" exit 1\n"})
    if kbuild:
        archive.add(suite, "linux-kbuild-6.1", kbuild, {"usr/lib/linux-kbuild-6.1/scripts/version": kbuild.encode()})


class Host:
    """A host with an archive that has one kernel with headers and one without, and a store."""

    def __init__(self, root: Path) -> None:
        self.archive = Archive(root / "archive")
        self.etc = self.archive.etc(root / "etc", "bookworm")
        self.store = Store(root / "store")
        self.said: list[str] = []
        self.archive.add_kernel("bookworm", "6.1.0-10", VERSION)
        self.archive.add_kernel("bookworm", "6.1.0-9", "6.1.190-1")

    def headers(self, wanted: str = VERSION) -> Headers:
        found = headers.headers(wanted, self.store, self.said.append, etc=self.etc)
        (found.build / "scripts/mod/modpost").chmod(0o755)
        return found

    def left_over(self) -> list[Path]:
        return [*(self.store.root / "headers").glob(".unfinished*"), *(self.store.apt / "downloads").glob("*")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_make_works_where_they_lie(host: Host, tmp_path: Path) -> None:
    add_headers(host.archive, compiler="gcc")
    found = host.headers("6.1")
    assert (found.version, found.release, found.compiler) == (VERSION, RELEASE, "gcc")
    module = tmp_path / "module"
    module.mkdir()
    assert found.make(module) == [module / "made.ko"]
    assert (module / "made.ko").read_text() == "CONFIG_X=y\n", "KBUILD_OUTPUT is the place in the store"
    assert not (found.build.parents[2] / "lib").exists() and host.left_over() == []


def test_store_that_was_moved(host: Host, tmp_path: Path) -> None:
    add_headers(host.archive, compiler="gcc")
    host.headers()
    host.store.root.rename(tmp_path / "other")
    host.store = Store(tmp_path / "other")
    shutil.rmtree(host.archive.root)
    module = tmp_path / "module"
    module.mkdir()
    assert host.headers().make(module) == [module / "made.ko"]


def test_second_call_asks_nobody(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    add_headers(host.archive)
    first = host.headers()
    monkeypatch.setattr(companions, "Apt", None)  # any use of apt fails now
    assert host.headers() == first


@pytest.mark.parametrize("name", ["Makefile", "Module.symvers", "scripts/mod/modpost"])
def test_damaged_headers_are_fetched_anew(host: Host, name: str) -> None:
    add_headers(host.archive)
    (host.headers().build / name).unlink()
    host.said.clear()
    assert (host.headers().build / name).exists() and any("fetching" in line for line in host.said)


def test_kbuild_of_a_newer_version_serves(host: Host) -> None:
    add_headers(host.archive, kbuild="6.1.194-1")
    host.archive.add("bookworm", "linux-kbuild-6.1", "6.1.20-1", {"usr/lib/linux-kbuild-6.1/scripts/version": b"old"})
    root = host.headers().build.parents[2]
    assert (root / "usr/lib/linux-kbuild-6.1/scripts/version").read_text() == "6.1.194-1"


def test_other_suites_are_looked_at(host: Host) -> None:
    add_headers(host.archive, suite="trixie")
    assert host.headers().release == RELEASE


def test_headers_that_the_archives_dropped(host: Host) -> None:
    add_headers(host.archive)
    with pytest.raises(UsageError, match=r"no linux-headers-6\.1\.0-9-amd64 6\.1\.190-1 .* are of 6\.1\.192-2"):
        host.headers("6.1.190-1")


def test_package_with_other_content_than_listed(host: Host) -> None:
    add_headers(host.archive)
    path = next((host.archive.root / "pool").glob("linux-headers-*common*"))
    path.write_bytes(path.read_bytes()[:-50] + bytes(50))
    with pytest.raises(LabError, match=r"could not fetch linux-headers-6\.1\.0-10-common 6\.1\.192-2: .*Hash Sum"):
        host.headers()


def test_unpacking_that_is_broken_off_keeps_the_packages(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    add_headers(host.archive)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(headers, "extract", broken_off)
        host.headers()
    assert len(list((host.store.apt / "downloads").rglob("*.deb"))) == 3
    assert host.headers().release == RELEASE and host.left_over() == []


def test_labs_that_fetch_for_two_kernels_take_nothing_from_each_other(host: Host,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """Both need linux-kbuild-6.1; the second is done, and a sweep too, before the first begins to unpack."""
    def first(files: Sequence[Path], into: Path) -> None:
        monkeypatch.setattr(headers, "extract", extract)
        assert host.headers("6.1.190-1").release == "6.1.0-9-amd64"
        inventory.sweep((host.store.apt / "downloads").iterdir())
        extract(files, into)

    add_headers(host.archive)
    add_headers(host.archive, kbuild="", abi="6.1.0-9", version="6.1.190-1")
    monkeypatch.setattr(headers, "extract", first)
    assert host.headers().release == RELEASE and host.left_over() == []
    assert (host.headers().build.parents[2] / "usr/lib/linux-kbuild-6.1/scripts/version").exists()


def test_package_without_headers(host: Host) -> None:
    host.archive.add("bookworm", f"linux-headers-{RELEASE}", VERSION, {"usr/share/x": b""})
    with pytest.raises(LabError, match=r"is damaged and was removed \(there is no .*Makefile in it\)"):
        host.headers()
    assert host.left_over() == []


def test_too_little_space(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    add_headers(host.archive)
    monkeypatch.setattr(apt, "_LISTS_BYTES", 0)
    monkeypatch.setattr(store, "free_bytes", lambda _: 5000)
    with pytest.raises(LabError, match=r"no space left for the store .* MB are needed"):
        host.headers()


def test_store_that_make_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make cannot build in the store"):
        headers.headers("6.1", Store(tmp_path / "my store"))


def test_compiler_is_named(host: Host, tmp_path: Path) -> None:
    add_headers(host.archive, compiler="gcc-99")
    with pytest.raises(MissingTool, match="apt-get install gcc-99"):
        host.headers().make(tmp_path)


def test_tools_for_a_newer_c_library(host: Host, tmp_path: Path) -> None:
    add_headers(host.archive, compiler="gcc")
    found = host.headers()
    (found.build / "scripts/mod/modpost").write_text(
        "#!/bin/sh\necho \"$0: libc.so.6: version \\`GLIBC_9.99' not found (required by $0)\" >&2\nexit 1\n")
    with pytest.raises(LabError, match=r"for a newer Debian release than this host's: .*GLIBC_9\.99"):
        found.make(tmp_path)


def test_compiler_error_is_in_the_sentence(host: Host, tmp_path: Path) -> None:
    add_headers(host.archive, compiler="gcc")
    with pytest.raises(LabError, match=r"does not build for 6\.1\.0-10-amd64: a\.c:1: error: no"):
        host.headers().make(tmp_path, "bad")


@pytest.mark.network
def test_module_for_the_stock_kernel_of_this_host(tmp_path: Path) -> None:
    """Really by apt, into the store that the lab uses, and really by kbuild."""
    found = headers.headers("", Store.default(), print)
    try:
        found.check_tools()
    except MissingTool as missing:
        pytest.skip(str(missing))
    (tmp_path / "Makefile").write_text("obj-m := hello.o\n")
    (tmp_path / "hello.c").write_text(MODULE)
    assert found.make(tmp_path) == [tmp_path / "hello.ko"]
    said = process.run(["modinfo", "-F", "vermagic", tmp_path / "hello.ko"], timeout_s=60).stdout
    assert said.split()[0] == found.release
    (tmp_path / "hello.c").write_text(MODULE.replace("return 0", "return no"))
    with pytest.raises(LabError, match="hello.c:2:.* error: .no. undeclared"):
        found.make(tmp_path)
