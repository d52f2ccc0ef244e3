"""debian: specs against a real apt and archives made here; one test asks the real archive."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from package_server import Server, serving
from test_kernels_material import CONFIG, Archive, bzimage, kernel_files, module

from lab.errors import LabError, UsageError
from lab.kernels import apt, debian, stock, store, suites
from lab.kernels.apt import Apt, Package
from lab.kernels.kernel import Kernel
from lab.kernels.resolve import resolve
from lab.kernels.sources import host_sources, wider
from lab.kernels.stock import StockKernel
from lab.kernels.store import Store
from lab.kernels.unpack import DamagedPackage, extract, extract_some, unpack

NAMED = Path(__file__).parents[2] / "kernels"
pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")


class Host:
    """A host with its own /etc/apt, and a store."""

    def __init__(self, root: Path, *suites: str) -> None:
        self.archive = Archive(root / "archive")
        self.etc = self.archive.etc(root / "etc", *(suites or ("bookworm",)))
        self.store = Store(root / "store")
        self.said: list[str] = []

    def fetch(self, wanted: str) -> StockKernel:
        return debian.fetch(wanted, self.store, self.said.append, etc=self.etc)

    def expire(self) -> None:
        """Let a day pass for what is remembered."""
        (self.store.apt / "answers.json").unlink(missing_ok=True)
        for stamp in self.store.apt.glob("*/updated"):
            os.utime(stamp, (0, 0))

    def temporary_files(self) -> list[Path]:
        return [*self.store.kernels.glob(".unfinished*"), *(self.store.apt / "downloads").glob("*")]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path)
    for release, version in (("6.1.0-9", "6.1.190-1"), ("6.1.0-10", "6.1.192-2"), ("6.12.9+deb12", "6.12.9-1")):
        host.archive.add_kernel("bookworm", release, version)
    host.archive.add_default("bookworm", "6.1.0-10", "6.1.192-2")
    return host


class TestFetch:
    @pytest.mark.parametrize(("wanted", "version"), [
        ("", "6.1.192-2"), ("6.1", "6.1.192-2"), ("6.1.190-1", "6.1.190-1"), ("6.12", "6.12.9-1"), ("6", "6.12.9-1")])
    def test_version(self, host: Host, wanted: str, version: str) -> None:
        kernel = host.fetch(wanted)
        assert kernel.version == version
        assert kernel.image.read_bytes() == bzimage(kernel.release)
        assert kernel.config.read_text() == CONFIG
        assert "tcm_loop.ko:" in (kernel.modules / "modules.dep").read_text()
        assert sorted(p.name for p in kernel.root.iterdir()) == ["boot", "lib", "manifest.json"], "nothing else is kept"
        assert host.temporary_files() == []

    def test_variants_are_not_the_kernel(self, host: Host) -> None:
        for variant in ("6.1.0-11-rt", "6.1.0-11-cloud"):
            host.archive.add_kernel("bookworm", variant, "6.1.193-1")
        for name in ("linux-image-6.1.0-11-amd64-dbg", "linux-image-6.1.0-11-amd64-unsigned", "linux-image-6.1-amd64"):
            host.archive.add("bookworm", name, "6.1.193-1", {})
        assert host.fetch("6.1").version == "6.1.192-2"

    def test_second_call_does_not_ask_apt(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        first = {wanted: host.fetch(wanted) for wanted in ("", "6.1", "6.1.190-1")}
        monkeypatch.setattr(debian, "Apt", None)  # any use of apt fails now
        host.said.clear()
        assert {wanted: host.fetch(wanted) for wanted in first} == first and host.said == []

    def test_prefix_is_asked_again_later(self, host: Host) -> None:
        assert host.fetch("6.1").version == "6.1.192-2"
        host.archive.add_kernel("bookworm", "6.1.0-11", "6.1.193-1")
        assert host.fetch("6.1").version == "6.1.192-2", "the answer is remembered"
        host.expire()
        assert host.fetch("6.1").version == "6.1.193-1"

    def test_answer_from_the_future_is_not_trusted(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        host.fetch("6.1")
        shelf = stock.Shelf(host.store)
        monkeypatch.setattr(stock.time, "time", lambda: 0.0)
        assert shelf.remembered("6.1", 1e9) is None

    def test_other_suites_are_looked_at_when_the_host_has_not_the_version(self, host: Host) -> None:
        host.archive.add_kernel("trixie", "6.18.1+deb13", "6.18.1-1")
        assert host.fetch("6.18").version == "6.18.1-1"

    def test_exactly_this_version_goes_before_one_that_begins_like_it(self, host: Host) -> None:
        host.archive.add_kernel("bookworm", "6.12.17+deb12", "6.12.17-1~deb12u1")
        host.archive.add_kernel("trixie", "6.12.17+deb13", "6.12.17-1")
        assert host.fetch("6.12.17-1").version == "6.12.17-1"

    def test_a_rebuild_stands_in_for_an_exact_version_and_that_is_said(self, host: Host) -> None:
        host.archive.add_kernel("bookworm", "6.12.18+deb12", "6.12.18-1~deb12u1")
        for _ in range(2):  # the second answer is the remembered one
            host.said.clear()
            assert host.fetch("6.12.18-1").version == "6.12.18-1~deb12u1"
            assert "apt has no kernel 6.12.18-1 itself; taking 6.12.18-1~deb12u1" in host.said

    def test_old_wide_lists_do_not_make_a_rebuild_of_an_exact_version(self, host: Host) -> None:
        host.archive.add_kernel("trixie", "6.12.18+deb12", "6.12.18-1~deb12u1")
        host.archive.add_kernel("trixie", "6.18.1", "6.18.1-1")
        host.fetch("6.18")  # the wide lists are there now
        for stamp in host.store.apt.glob("*/updated"):
            os.utime(stamp, (stamp.stat().st_mtime - suites.SECOND_LOOK_S - 1,) * 2)
        host.archive.add_kernel("trixie", "6.12.18+deb13", "6.12.18-1")
        assert host.fetch("6.12.18-1").version == "6.12.18-1"

    def test_an_exact_version_that_cannot_be_fetched_now_is_no_rebuild(self, host: Host) -> None:
        host.archive.add_kernel("bookworm", "6.12.17+deb12", "6.12.17-1~deb12u1")
        host.fetch("6.12.17-1~deb12u1")
        package = host.archive.add_kernel("trixie", "6.12.17+deb13", "6.12.17-1")
        package.write_bytes(package.read_bytes()[:-100] + bytes(100))
        host.expire()
        with pytest.raises(LabError, match=r"could not fetch linux-image-6\.12\.17\+deb13-amd64 6\.12\.17-1: "):
            host.fetch("6.12.17-1")

    def test_without_network_a_stored_rebuild_stands_in_and_that_is_said(self, host: Host) -> None:
        host.archive.add_kernel("bookworm", "6.12.17+deb12", "6.12.17-1~deb12u1")
        host.fetch("6.12.17-1~deb12u1")
        shutil.rmtree(host.archive.root)
        shutil.rmtree(host.store.apt)
        assert host.fetch("6.12.17-1").version == "6.12.17-1~deb12u1"
        assert "using the kernel 6.12.17-1~deb12u1 from the store in place of 6.12.17-1" in host.said[-1]

    def test_kernel_in_parts(self, host: Host) -> None:
        release, version = "7.3.4+deb13-amd64", "7.3.4-1"
        home = f"usr/lib/modules/{release}"
        depends = ", ".join(f"linux-{part}-{release} (= {version})" for part in ("base", "binary", "modules"))
        for name, files in (("binary", {f"{home}/vmlinuz": bzimage(release)}),
                            ("modules", {f"{home}/kernel/tcm_loop.ko": module("tcm_loop")}),
                            ("base", {f"{home}/config": CONFIG.encode(),
                                      f"{home}/modules.builtin": b"kernel/loop.ko\n"})):
            host.archive.add("bookworm", f"linux-{name}-{release}", version, files)
        host.archive.add("bookworm", f"linux-image-{release}", version, {}, f"kmod, {depends}")
        kernel = host.fetch("7.3")
        assert kernel.config.read_text() == CONFIG and kernel.image.exists()
        lacks = Kernel("", "", release, kernel.image, kernel.modules, kernel.config, "").missing_modules
        assert lacks(["tcm_loop", "loop"]) == []

    def test_two_at_once(self, host: Host) -> None:
        context = multiprocessing.get_context("spawn")
        queue = context.Queue()
        labs = [context.Process(target=_fetch, args=(host.store.root, host.etc, queue)) for _ in range(3)]
        for lab in labs:
            lab.start()
        results = [queue.get(timeout=120) for _ in labs]
        for lab in labs:
            lab.join(60)
        assert [version for version, _ in results] == ["6.1.192-2"] * 3
        assert sum("fetching" in " ".join(said) for _, said in results) == 1, "one fetched it, the others waited"

    def test_known(self, host: Host) -> None:
        found = debian.known(host.store, etc=host.etc)
        assert [s.version for s in found] == ["6.12.9-1", "6.1.192-2", "6.1.190-1"]

    def test_host_is_not_touched(self, host: Host, tmp_path: Path) -> None:
        before = {path: path.stat().st_mtime_ns for path in host.etc.rglob("*")}
        host.fetch("")
        assert {path: path.stat().st_mtime_ns for path in host.etc.rglob("*")} == before
        dump = subprocess.run(["apt-config", "-c", host.store.apt / "host/apt.conf", "dump"], capture_output=True,
                              text=True, check=True).stdout
        for line in dump.splitlines():
            key, _, value = line.partition(" ")
            if key in ("Dir::State", "Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Etc::sourceparts"):
                assert str(host.store.apt / "host") in value
            assert not key.startswith("APT::Update::Post-Invoke") or value == '"";', "no hook of the host runs"


def _fetch(store: Path, etc: Path, queue: multiprocessing.Queue[tuple[str, list[str]]]) -> None:
    said: list[str] = []
    try:
        queue.put((debian.fetch("6.1", Store(store), said.append, etc=etc).version, said))
    except BaseException as problem:
        queue.put((repr(problem), said))  # so that the test shows it and does not wait
        raise


class TestBadLuck:
    def test_version_that_apt_does_not_know(self, host: Host) -> None:
        with pytest.raises(UsageError, match=r"apt knows no linux-image for 9\.99; the newest it knows are "
                                             r"6\.12\.9-1, 6\.1\.192-2"):
            host.fetch("9.99")

    def test_host_without_debian(self, host: Host) -> None:
        (host.etc / "sources.list").write_text("deb [trusted=yes] file:/x kali main\ndeb file:/y sid stable\n")
        with pytest.raises(UsageError, match="no archive of Debian or Ubuntu configured"):
            host.fetch("6.1")

    def test_no_lists_at_all(self, host: Host) -> None:
        shutil.rmtree(host.archive.root / "dists")
        with pytest.raises(LabError, match="cannot be fetched: apt could not get its package lists"):
            host.fetch("6.1")

    def test_unsigned_archive_is_refused(self, host: Host, tmp_path: Path) -> None:
        host.archive.etc(host.etc, "bookworm", trusted=False)
        with pytest.raises(LabError, match="not signed"):
            host.fetch("6.1")
        assert not host.store.kernels.exists() or not list(host.store.kernels.iterdir())

    def test_without_network_the_store_serves_what_it_has(self, host: Host) -> None:
        version = host.fetch("6.1").version
        host.expire()
        shutil.rmtree(host.archive.root)
        assert host.fetch("6.1").version == version, "from the old lists"
        assert "could not fetch every list" in host.said[-1]
        shutil.rmtree(host.store.apt)
        assert host.fetch("6.1").version == version and "using the kernel" in host.said[-1], "from the shelf"
        assert host.fetch("6.1.192-2").version == version
        with pytest.raises(LabError, match="apt could not get its package lists"):
            host.fetch("6.12")

    def test_package_with_other_content_than_listed(self, host: Host) -> None:
        path = next((host.archive.root / "pool").glob("*6.1.192*"))
        path.write_bytes(path.read_bytes()[:-100] + bytes(100))
        with pytest.raises(LabError, match=r"could not fetch linux-image-6\.1\.0-10-amd64 6\.1\.192-2: .*Hash Sum"):
            host.fetch("6.1.192-2")
        assert host.temporary_files() == []

    def test_package_that_is_listed_but_gone(self, host: Host) -> None:
        next((host.archive.root / "pool").glob("*6.1.192*")).unlink()
        with pytest.raises(LabError, match=r"could not fetch linux-image-6\.1\.0-10-amd64"):
            host.fetch("6.1.192-2")

    def test_stale_lists_are_fetched_again(self, host: Host) -> None:
        host.fetch("6.12")
        (host.store.apt / "answers.json").unlink()
        for stamp in host.store.apt.glob("*/updated"):
            os.utime(stamp, (stamp.stat().st_mtime - suites.SECOND_LOOK_S - 1,) * 2)
        host.archive.add_kernel("bookworm", "6.1.0-11", "6.1.193-1")
        assert host.fetch("6.1.193").version == "6.1.193-1"

    def test_package_that_is_none(self, host: Host) -> None:
        path = host.archive.root / "pool/linux-image-6.5.0-1-amd64_6.5.1-1_amd64.deb"
        host.archive.add("bookworm", "linux-image-6.5.0-1-amd64", "6.5.1-1", {"boot/readme": b"no kernel"})
        assert path.exists()
        with pytest.raises(LabError, match=r"package of Debian's kernel 6\.5\.1-1 is damaged and was removed "
                                           r"\(there are 0 kernel images"):
            host.fetch("6.5")
        assert host.temporary_files() == []

    def test_damaged_package_file(self, host: Host, tmp_path: Path) -> None:
        half = tmp_path / "half.deb"
        half.write_bytes(next((host.archive.root / "pool").glob("*6.1.192*")).read_bytes()[:900])
        with pytest.raises(DamagedPackage, match=r"half\.deb cannot be unpacked"):
            unpack([half], tmp_path / "into")

    def test_unpacking_that_is_broken_off_keeps_the_package(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken_off(*_: object) -> str:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(debian, "unpack", broken_off)
            host.fetch("6.1")
        assert [path.name for path in host.temporary_files()] == ["linux-image-6.1.0-10-amd64_6.1.192-2_amd64.deb"]
        assert host.fetch("6.1").version == "6.1.192-2" and host.temporary_files() == []

    def test_kept_package_that_was_changed_meanwhile(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian, "unpack", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            host.fetch("6.1")
        monkeypatch.undo()
        kept, = host.temporary_files()
        data = kept.read_bytes()
        kept.unlink()  # apt makes a link where the archive is a directory
        kept.write_bytes(data[:-100] + bytes(100))
        assert host.fetch("6.1").version == "6.1.192-2" and host.temporary_files() == []

    def test_the_host_is_not_taken_for_a_damaged_package(self, host: Host, tmp_path: Path) -> None:
        package = next((host.archive.root / "pool").glob("*6.1.192*"))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        for call in (extract, lambda files, into: extract_some(files[0], into, ["*"])):
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))  # the image is twice as long
            try:
                with pytest.raises(LabError) as error:
                    call([package], tmp_path / "into")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert type(error.value) is LabError, "the package is whole"

    def test_image_that_is_none(self, host: Host) -> None:
        files = kernel_files("6.5.0-1-amd64") | {"boot/vmlinuz-6.5.0-1-amd64": b"no bzImage"}
        host.archive.add("bookworm", "linux-image-6.5.0-1-amd64", "6.5.1-1", files)
        with pytest.raises(LabError, match=r"is damaged and was removed .*is not an x86 bzImage"):
            host.fetch("6.5")
        assert host.temporary_files() == []

    def test_image_without_its_modules(self, host: Host) -> None:
        files = {name: data for name, data in kernel_files("6.5.0-1-amd64").items() if name.startswith("boot")}
        host.archive.add("bookworm", "linux-image-6.5.0-1-amd64", "6.5.1-1", files)
        with pytest.raises(LabError, match="but not its modules"):
            host.fetch("6.5")

    def test_parts_that_are_not_listed(self, host: Host) -> None:
        host.archive.add("bookworm", "linux-image-7.1.1-amd64", "7.1.1-1", {}, "linux-modules-7.1.1-amd64 (= 7.1.1-1)")
        with pytest.raises(UsageError, match=r"7\.1\.1-1 is listed but not usable: its package linux-modules-7\.1\.1"):
            host.fetch("7.1")

    @pytest.mark.parametrize("harm", ["cut", "remove", "manifest", "module"])
    def test_damaged_kernel_in_the_store_is_fetched_anew(self, host: Host, harm: str) -> None:
        kernel = host.fetch("6.1")
        dep = kernel.modules / "modules.dep"
        match harm:
            case "cut":
                kernel.image.write_bytes(kernel.image.read_bytes()[:100])
            case "remove":
                dep.unlink()
            case "manifest":
                (kernel.root / "manifest.json").write_text("{")
            case "module":
                next(kernel.modules.rglob("tcm_loop.ko")).write_bytes(b"")
        again = host.fetch("6.1")
        assert any("is damaged" in line for line in host.said)
        assert again.image.read_bytes() == bzimage(again.release) and dep.exists()

    def test_damaged_memory(self, host: Host) -> None:
        host.fetch("6.1")
        for text in ("", "[]", '{"6.1": 3}', '{"6.1": {"version": "../../x", "at": "now"}}'):
            (host.store.apt / "answers.json").write_text(text)
            assert host.fetch("6.1").version == "6.1.192-2"

    def test_too_little_space_is_seen_before_fetching(self, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(apt, "_LISTS_BYTES", 0)
        monkeypatch.setattr(store, "free_bytes", lambda _: 5000)
        with pytest.raises(LabError, match=r"no space left for the store .* MB are needed"):
            host.fetch("6.1")
        assert host.temporary_files() == []

    def test_disk_that_fills_up_while_unpacking(self, host: Host, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
        small = tmp_path / "small"
        small.mkdir()
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", small]).returncode:
            pytest.skip("a small file system can be mounted only by root")
        host.archive.add_kernel("bookworm", "6.7.0-1", "6.7.1-1", padding=bytes(64 << 20))
        for module_ in (debian, apt):
            monkeypatch.setattr(module_, "check_room", lambda *_: None)  # somebody else takes the space meanwhile
        host.store = Store(small)
        try:
            with pytest.raises(LabError, match="no space left for the store"):
                host.fetch("6.7")
            assert "unpacking" in host.said[-1]
            assert [path.suffix for path in host.temporary_files()] == [".deb"], "it need not be fetched again"
        finally:
            subprocess.run(["umount", small], check=True)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host(tmp_path)
    with serving(host.archive.root, monkeypatch) as host.archive.uri:
        host.archive.etc(host.etc, "bookworm")
        host.archive.add_kernel("bookworm", "6.1.0-10", "6.1.192-2", padding=os.urandom(1 << 20))
        monkeypatch.setattr(apt, "_CONFIGURATION", apt._CONFIGURATION.replace('Retries "3"', 'Retries "0"'))
        yield host


def test_interrupted_download_goes_on(web: Host) -> None:
    Server.cut = True
    with pytest.raises(LabError, match=r"could not fetch linux-image-6\.1\.0-10-amd64.*go on where it stopped"):
        web.fetch("6.1")
    partial = list((web.store.apt / "downloads").glob("*.deb"))
    assert len(partial) == 1 and partial[0].stat().st_size > 0
    Server.cut, Server.asked = False, []
    assert web.fetch("6.1").version == "6.1.192-2"
    assert Server.asked and Server.asked[0][1] > 0, "the half that was there was not fetched again"


class TestSources:
    def test_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list").write_text(
            "# deb http://old bookworm main\n"
            "deb [arch=amd64,i386 signed-by=/k.gpg] http://a/debian bookworm main contrib # c\n"
            "deb-src http://a/debian bookworm main\n"
            "deb http://other/apt bookworm stable\n"
            "deb http://ubuntu jammy main\n")
        (source,) = host_sources(tmp_path)
        assert (source.uris, source.suites) == (("http://a/debian",), ("bookworm",))
        assert "Signed-By: /k.gpg\n" in source.stanza() and source.stanza().count("Architectures") == 1

    def test_deb822(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list.d").mkdir()
        (tmp_path / "sources.list.d/debian.sources").write_text(
            "Types: deb deb-src\n# a comment\nURIs: http://a/debian http://b/debian\n"
            "Suites: bookworm bookworm-updates x\n"
            "Components: main non-free\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END-----\n"
            "\nEnabled: no\nTypes: deb\nURIs: http://off\nSuites: bookworm\nComponents: main\n"
            " \nTypes: deb\nURIs: http://s\nSuites: bookworm-security\nComponents: main\n")
        first, second = host_sources(tmp_path)
        assert first.uris == ("http://a/debian", "http://b/debian") and first.suites == ("bookworm", "bookworm-updates")
        assert "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n" in first.stanza()
        assert second.suites == ("bookworm-security",)

    def test_wider_keeps_security_apart(self, tmp_path: Path) -> None:
        (tmp_path / "sources.list").write_text("deb http://a bookworm main\ndeb http://a bookworm-updates main\n"
                                               "deb http://s bookworm-security main\n")
        main, security = wider(host_sources(tmp_path))
        assert {"bookworm", "bookworm-updates", "trixie-backports", "sid", "bullseye"} <= set(main.suites)
        assert all(suite.endswith("-security") for suite in security.suites) and len(security.suites) == 3

    def test_no_configuration(self, tmp_path: Path) -> None:
        assert host_sources(tmp_path / "none") == []


@pytest.mark.network
def test_the_stock_kernel_of_this_host() -> None:
    """Really by apt, into the store that the lab uses."""
    kernel = resolve("debian", Store.default(), named=NAMED, say=print)
    assert kernel.missing_modules(["target_core_mod", "tcm_loop", "target_core_iblock", "brd", "virtio_console"]) == []
    assert kernel.missing_config({"MODULES": "y"}) == []
    assert resolve("stock", Store.default(), named=NAMED).identity == kernel.identity


def test_apt_gives_no_address_without_a_hash(host: Host) -> None:
    """A package is never fetched unverified, whatever apt prints."""
    with host.store.lock("apt"):
        private = Apt(host.store, "host", host_sources(host.etc), host.said.append)
        assert private.update(max_age_s=0) is True
        with pytest.raises(LabError, match="no verified address for linux-image-1"):
            private.download(Package("linux-image-1", "1", "", 1, 1))
