"""A signed archive: the lab takes what the signature covers and refuses everything that was tampered with."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from signed_archive import Key, SignedArchive
from test_kernels_material import kernel_files

from lab.errors import LabError
from lab.kernels import debian
from lab.kernels.store import Store

pytestmark = pytest.mark.skipif(not (shutil.which("apt-get") and shutil.which("gpg")), reason="no apt or no gpg here")
NAME, VERSION = "linux-image-6.1.0-10-amd64", "6.1.192-2"


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[Key, Key]]:
    made = (Key("archive"), Key("other"))
    yield made
    for key in made:
        key.remove()


class Host:
    def __init__(self, root: Path, key: Key) -> None:
        self.archive = SignedArchive(root / "archive", key)
        self.etc = self.archive.signed_etc(root / "etc", "bookworm")
        self.store = Store(root / "store")
        self.said: list[str] = []
        self.archive.add_kernel("bookworm", "6.1.0-10", VERSION)
        self.lists = self.archive.root / "dists/bookworm"

    def fetch(self, wanted: str = VERSION) -> str:
        return debian.fetch(wanted, self.store, self.said.append, etc=self.etc).version

    def expire(self) -> None:
        for stamp in self.store.apt.glob("*/updated"):
            os.utime(stamp, (0, 0))

    def refused(self, words: str, wanted: str = VERSION) -> None:
        with pytest.raises(LabError, match=words):
            self.fetch(wanted)
        assert not self.store.kernels.exists() or not list(self.store.kernels.iterdir())
        assert not list((self.store.apt / "downloads").glob("*"))


@pytest.fixture
def host(tmp_path: Path, keys: tuple[Key, Key]) -> Host:
    return Host(tmp_path, keys[0])


def test_what_is_signed_is_taken(host: Host) -> None:
    assert host.fetch() == VERSION


def test_package_that_was_replaced(host: Host, tmp_path: Path) -> None:
    """By another package that is whole in itself and as long."""
    path = next((host.archive.root / "pool").glob(f"{NAME}*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    host.refused("could not fetch .*Hash Sum mismatch")


def test_list_that_was_changed(host: Host) -> None:
    index = host.lists / "main/binary-amd64/Packages.gz"
    text = gzip.decompress(index.read_bytes()).decode().replace("Description: test", "Description: evil")
    index.write_bytes(gzip.compress(text.encode(), mtime=0))
    host.refused("apt could not get its package lists .*(Hash Sum mismatch|unexpected size)")


def test_list_and_sums_that_were_changed(host: Host) -> None:
    """Everything fits together but the signature."""
    signed = (host.lists / "InRelease").read_text()
    host.archive.add("bookworm", "linux-image-6.1.0-11-amd64", "6.1.193-1", kernel_files("6.1.0-11-amd64"))
    release = (host.lists / "Release").read_text()
    head, _, tail = signed.partition("Origin: ")
    forged = head + release + tail[tail.index("-----BEGIN PGP SIGNATURE-----"):]
    (host.lists / "InRelease").write_text(forged)
    host.refused("apt could not get its package lists .*(not signed|signature|BADSIG)")


def test_signature_of_somebody_else(host: Host, keys: tuple[Key, Key]) -> None:
    host.archive.key = keys[1]
    host.archive.publish("bookworm")
    host.refused("apt could not get its package lists .*(NO_PUBKEY|not signed)")


def test_signature_that_was_taken_away(host: Host) -> None:
    (host.lists / "InRelease").unlink()
    host.refused("apt could not get its package lists .*not signed")


def test_old_good_lists_stay_when_new_ones_are_bad(host: Host, keys: tuple[Key, Key]) -> None:
    host.archive.add_kernel("bookworm", "6.1.0-9", "6.1.190-1")
    assert host.fetch() == VERSION
    host.archive.key = keys[1]
    host.archive.add_kernel("bookworm", "6.1.0-11", "6.1.193-1")
    host.expire()
    with pytest.raises(LabError, match=r"apt knows no linux-image for 6\.1\.193.* not every list could be fetched"):
        host.fetch("6.1.193")
    assert host.fetch("6.1.190-1") == "6.1.190-1", "what the good lists name can be had"


def test_suite_that_the_archive_dropped(host: Host) -> None:
    """The other suites go on, it is no complaint, and the lists count as fresh."""
    host.archive.add_kernel("trixie", "6.12.9", "6.12.9-1")
    assert [s.version for s in debian.known(host.store, host.said.append, etc=host.etc)] == ["6.12.9-1", VERSION]
    host.said.clear()
    debian.known(host.store, host.said.append, etc=host.etc)
    assert host.said == [], "apt is not asked again, nobody complains"


def test_suite_of_the_host_that_is_not_there(host: Host) -> None:
    """That is a complaint: the host names it."""
    host.archive.signed_etc(host.etc, "bookworm", "bookworm-backports")
    assert host.fetch() == VERSION
    assert any("could not fetch every list" in line and "bookworm-backports" in line for line in host.said)
