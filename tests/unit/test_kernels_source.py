"""source:VERSION: Debian's packaged kernel sources, unpacked once; what breaks off, and what is wrong in a package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from test_kernels_material import Archive

from lab.errors import LabError, UsageError
from lab.kernels import source_package
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")
NAME = "linux-source-6.12"


class Host:
    """A host whose archive has sources, and a store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archive = Archive(root / "archive")
        self.etc = self.archive.etc(root / "etc", "bookworm")
        self.store = Store(root / "store")
        self.said: list[str] = []

    def add(self, suite: str, version: str, *, cut: int = 0) -> None:
        """A package with an archive of a tree that tells its version; `cut`: the archive lacks so many bytes."""
        tree = self.root / f"made-{version}" / NAME
        tree.mkdir(parents=True)
        (tree / "Kconfig").write_text(version)
        tarball = tree.parent / f"{NAME}.tar.xz"
        subprocess.run(["tar", "-cJf", tarball, "-C", tree.parent, NAME], check=True)
        data = tarball.read_bytes()
        self.archive.add(suite, NAME, version, {f"usr/src/{NAME}.tar.xz": data[:len(data) - cut]})

    def tree(self, wanted: str) -> str:
        """The version that the sources say they are."""
        return (source_tree(wanted, self.store, self.said.append, etc=self.etc) / "Kconfig").read_text()

    def left_over(self) -> list[Path]:
        return [*(self.store.root / "sources").glob(".unfinished*"), *(self.store.apt / "downloads").glob("*")]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(source_package, "_UNPACKED_BYTES", 0)
    host = Host(tmp_path)
    host.add("bookworm", "6.12.9-1")
    return host


def test_unpacked_once(host: Host) -> None:
    assert host.tree("6.12") == "6.12.9-1" and host.left_over() == []
    shutil.rmtree(host.archive.root)
    assert host.tree("6.12") == host.tree("6.12.9-1") == "6.12.9-1"


def test_unpacking_that_is_broken_off_keeps_the_package(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(source_package, "extract", broken_off)
        host.tree("6.12")
    assert [path.name for path in host.left_over()] == [f"{NAME}_6.12.9-1_amd64.deb"]
    assert host.tree("6.12") == "6.12.9-1" and host.left_over() == []


def test_package_with_half_an_archive(host: Host) -> None:
    host.add("bookworm", "6.12.10-1", cut=40)
    with pytest.raises(LabError, match=rf"the package {NAME} 6\.12\.10-1 is damaged and was removed .*run it again"):
        host.tree("6.12")
    assert host.left_over() == []


def test_an_exact_version_is_not_its_rebuild(host: Host) -> None:
    host.add("bookworm", "6.12.17-1~deb12u1")
    host.add("trixie", "6.12.17-1")
    assert host.tree("6.12.17-1~deb12u1") == "6.12.17-1~deb12u1"
    assert host.tree("6.12.17-1") == "6.12.17-1", "the one that is in the store does not stand in for it"


def test_a_rebuild_stands_in_and_that_is_said(host: Host) -> None:
    host.add("bookworm", "6.12.18-1~deb12u1")
    for _ in range(2):
        host.said.clear()
        assert host.tree("6.12.18-1") == "6.12.18-1~deb12u1"
        assert f"apt has no {NAME} 6.12.18-1 itself; taking 6.12.18-1~deb12u1" in host.said
    assert not any("fetching" in line for line in host.said), "it is in the store"


def test_version_that_apt_does_not_know(host: Host) -> None:
    with pytest.raises(UsageError, match=r"apt has no linux-source of 6\.13; it has 6\.12\.9-1"):
        host.tree("6.13")
