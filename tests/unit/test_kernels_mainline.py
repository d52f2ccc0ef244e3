"""mainline:v6.12 from a server here that serves what the real one does: pages of links, packages, sums."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from package_server import Server, serving
from test_kernels_material import CONFIG, bzimage, deb, module, write
from virtme_ng import mainline as virtme

from lab.errors import LabError, UsageError
from lab.kernels import inventory, mainline
from lab.kernels.resolve import resolve
from lab.kernels.stock import StockKernel
from lab.kernels.store import Store
from lab.kernels.unpack import unpack

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb on this host")
NAMED = Path(__file__).parents[2] / "kernels"
RELEASE = "6.12.0-061200-generic"
HOME = f"lib/modules/{RELEASE}"


class Site:
    """The server's directory, and a store."""

    def __init__(self, root: Path, url: str) -> None:
        self.root, self.url, self.store = root / "site", url, Store(root / "store")
        self.home = self.root / "v6.12/amd64"
        self.said: list[str] = []

    def publish(self) -> None:
        pool = self.home
        names = {f"linux-image-unsigned-{RELEASE}": {f"boot/vmlinuz-{RELEASE}": bzimage(RELEASE, os.urandom(1 << 18))},
                 f"linux-modules-{RELEASE}": {
                     f"boot/config-{RELEASE}": CONFIG.encode(), f"{HOME}/modules.order": b"",
                     f"{HOME}/kernel/drivers/target/loopback/tcm_loop.ko": module("tcm_loop"),
                     f"{HOME}/modules.builtin": b"kernel/drivers/block/loop.ko\n"},
                 f"linux-headers-{RELEASE}": {"usr/src/x": b""}}
        for name, files in names.items():
            deb(pool / f"{name}_6.12.0-061200.202411172144_amd64.deb", name, "6.12.0-061200.202411172144", files)
        write(pool / "linux-headers-6.12.0-061200_6.12.0_all.deb", b"no package")
        self.sums()

    def sums(self) -> None:
        lines = [f"{hashlib.new(kind, path.read_bytes()).hexdigest()}  {path.name}" for kind in ("sha1", "sha256")
                 for path in sorted(self.home.glob("*.deb"))]
        write(self.home / "CHECKSUMS", "\n".join(["# Checksums-Sha256:", *lines]) + "\n")

    def fetch(self, version: str = "v6.12") -> StockKernel:
        return mainline.fetch(version, self.store, self.said.append)

    def left_over(self) -> list[Path]:
        return [*self.store.kernels.glob(".unfinished*"), *(self.store.apt / "downloads").glob("*")]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with serving(tmp_path / "site", monkeypatch) as url:
        made = Site(tmp_path, url)
        monkeypatch.setattr(virtme, "BASE_URL", made.url)
        made.publish()
        yield made


def test_a_build_is_a_kernel_of_the_store(site: Site) -> None:
    kernel = resolve("mainline:v6.12", site.store, named=NAMED, say=site.said.append)
    assert (kernel.name, kernel.release, kernel.package) == ("mainline-v6.12", RELEASE, "")
    assert kernel.missing_modules(["tcm_loop", "loop"]) == [] and kernel.hz == 250
    assert sorted(p.name for p in kernel.image.parents[1].iterdir()) == ["boot", "lib", "manifest.json"]
    assert site.left_over() == [] and not any("headers" in name for name, _ in Server.asked)


def test_packages_beside_the_page_of_the_tag(site: Site) -> None:
    """Old builds have no directory for the architecture."""
    for path in site.home.iterdir():
        path.rename(site.root / "v6.12" / path.name)
    site.home.rmdir()
    assert site.fetch().release == RELEASE


def test_what_is_not_wanted_is_not_fetched(site: Site) -> None:
    """Other architectures, headers, and the lowlatency kernel that old builds have too."""
    for name in ("linux-modules-x_1_arm64.deb", "linux-image-unsigned-6.12.0-061200-lowlatency_1_amd64.deb"):
        write(site.home / name, b"no package")
    assert site.fetch().release == RELEASE
    assert [name.partition("-6.12")[0] for name, _ in Server.asked] == ["linux-image-unsigned", "linux-modules"]


def test_names_that_links_spell_otherwise(site: Site) -> None:
    """A link has %2B for +; the file and the sums have the name itself, and a second try finds it."""
    for path in site.home.glob("*_amd64.deb"):
        path.rename(path.with_name(path.name.replace("_6.12.0-", "_6.12.0+x-")))
    site.sums()
    write(site.home / "CHECKSUMS", (sums := (site.home / "CHECKSUMS").read_text()).replace("linux-modules", "x"))
    with pytest.raises(LabError, match=r"no sum for linux-modules-.*_6\.12\.0\+x-"):
        site.fetch()
    write(site.home / "CHECKSUMS", sums)
    assert len(list(site.store.apt.glob("downloads/*/linux-image*+x-*_amd64.deb"))) == 1
    assert site.fetch().release == RELEASE and site.left_over() == []
    assert sum(name.startswith("linux-image") for name, _ in Server.asked) == 1


def test_package_that_is_as_damaged_as_its_sum_says(site: Site) -> None:
    path = next(site.home.glob("linux-modules*"))
    path.write_bytes(path.read_bytes()[:-100])
    site.sums()
    with pytest.raises(LabError, match=r"a package of the mainline kernel v6\.12 is damaged and was removed"):
        site.fetch()
    assert not list(site.store.apt.glob("downloads/*/*.deb"))


def test_nothing_is_unpacked_beside_the_packages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(packages: list[Path], into: Path) -> str:
        seen.extend(path.name for path in packages[0].parent.iterdir())
        return unpack(packages, into)

    monkeypatch.setattr(mainline, "unpack", look)
    site.fetch()
    assert len(seen) == 2 and all(name.endswith("_amd64.deb") for name in seen)


def test_packages_that_are_being_unpacked_are_no_leavings(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Listed when the download was a day old, and taken up again since."""
    def swept(packages: list[Path], into: Path) -> str:
        inventory.sweep((site.store.apt / "downloads").iterdir())
        return unpack(packages, into)

    monkeypatch.setattr(mainline, "unpack", swept)
    assert site.fetch().release == RELEASE and site.left_over() == []


def test_second_call_asks_nobody(site: Site) -> None:
    first = site.fetch()
    shutil.rmtree(site.root)
    assert site.fetch() == first


def test_interrupted_download_goes_on(site: Site) -> None:
    Server.cut = True
    with pytest.raises(LabError, match="cannot be fetched: .*; run it again to go on where it stopped"):
        site.fetch()
    assert list((site.store.apt / "downloads/mainline-v6.12").glob("*.part")) and not site.store.kernels.exists()
    Server.cut, Server.asked = False, []
    assert site.fetch().release == RELEASE
    assert Server.asked[0][1] > 0
    assert site.left_over() == []


def test_maker_that_was_killed_after_a_download(site: Site) -> None:
    into = site.store.apt / "downloads/mainline-v6.12"
    image = next(site.home.glob("linux-image*"))
    write(into / image.name, image.read_bytes())
    assert site.fetch().release == RELEASE
    assert not any(name.startswith("linux-image") for name, _ in Server.asked)


@pytest.mark.parametrize("harm", ["content", "sum", "no sums"])
def test_what_is_not_as_the_sums_say_is_refused(site: Site, harm: str) -> None:
    path = next(site.home.glob("linux-image*"))
    match harm:
        case "content":
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        case "sum":
            sums = site.home / "CHECKSUMS"
            sums.write_text("".join(line for line in sums.read_text().splitlines(True) if "linux-image" not in line))
        case "no sums":
            (site.home / "CHECKSUMS").unlink()
    with pytest.raises(LabError, match="is not what the sums .* say|has no sum for linux-image|cannot be fetched"):
        site.fetch()
    assert not site.store.kernels.exists()


def test_unpacking_that_is_broken_off_keeps_the_packages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(*_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(mainline, "unpack", broken_off)
        site.fetch()
    Server.asked = []
    assert site.fetch().release == RELEASE and Server.asked == [] and site.left_over() == []


def test_server_that_knows_no_ranges(site: Site) -> None:
    part = site.store.apt / "downloads/mainline-v6.12" / f"{next(site.home.glob('linux-image*')).name}.part"
    write(part, b"something else")
    Server.ranges = False
    assert site.fetch().release == RELEASE and site.left_over() == []


def test_tag_without_a_build(site: Site) -> None:
    with pytest.raises(UsageError, match=r"there is no build of mainline v6\.99-rc1"):
        site.fetch("v6.99-rc1")


@pytest.mark.parametrize("version", ["6.12", "v6", "v6.12-1", "v6.12/../x", "", "v6.*"])
def test_what_is_no_tag(tmp_path: Path, version: str) -> None:
    with pytest.raises(UsageError, match=r"is no mainline version: write mainline:v6\.12"):
        mainline.fetch(version, Store(tmp_path))


def test_no_internet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtme, "BASE_URL", "http://127.0.0.1:9/mainline")
    with pytest.raises(LabError, match=r"mainline:v6\.12 cannot be fetched: .*it needs internet"):
        mainline.fetch("v6.12", Store(tmp_path))


def test_two_at_once(site: Site) -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    labs = [context.Process(target=_fetch, args=(site.url, site.store.root, queue)) for _ in range(2)]
    for lab in labs:
        lab.start()
    assert [queue.get(timeout=60) for _ in labs] == [RELEASE] * 2
    for lab in labs:
        lab.join(30)
    assert len(Server.asked) == len(set(Server.asked)) == 2, "each package once"


def _fetch(url: str, root: Path, queue: multiprocessing.Queue[str]) -> None:
    virtme.BASE_URL = url
    try:
        queue.put(mainline.fetch("v6.12", Store(root)).release)
    except BaseException as problem:
        queue.put(repr(problem))
        raise
