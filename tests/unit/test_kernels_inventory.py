"""What the store holds, and getting rid of it; words that mean several kernels; Ubuntu's kernels."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_kernels_debian import Host
from test_kernels_material import bzimage, module

from lab.errors import LabError, UsageError
from lab.kernels import debian, inventory, patterns
from lab.kernels.available import available
from lab.kernels.store import Store
from lab.usage import hold


def make(store: Store, name: str, *, days: float = 0.0, size: int = 8192) -> Path:
    path = store.root / name
    path.mkdir(parents=True)
    (path / "file").write_bytes(b"x" * size)
    os.utime(path, (time.time() - days * 86400,) * 2)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    for name, days in (("kernels/debian-6.1.192-2", 40), ("headers/debian-6.1.192-2", 1),
                       ("kernels/debian-6.12.117-1", 0), ("builds/base-1234", 3), ("objects/linux-base", 50),
                       ("kernels/.unfinished-x-1", 2)):
        make(store, name, days=days)
    return store


def lab(store: Store, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lab", "kernel", *words], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "LAB_STORE": str(store.root)}, check=False)


class TestStore:
    def test_everything_is_listed_once(self, store: Store) -> None:
        os.link(store.root / "builds/base-1234/file", store.root / "kernels/debian-6.1.192-2/same")
        items = inventory.stored(store)
        assert [(i.kind, i.name) for i in items] == [
            ("stock", "debian-6.1.192-2"), ("stock", "debian-6.12.117-1"), ("builds", "base-1234"),
            ("headers", "debian-6.1.192-2"), ("objects", "linux-base")]
        assert [i.bytes for i in items] == [16384, 8192, 0, 8192, 8192], "a file with two names counts once"

    def test_the_command_lists_kernels_and_sums(self, store: Store) -> None:
        said = lab(store, "list").stdout
        assert "debian-6.1.192-2" in said and "40 days ago" in said and "linux-base" not in said
        assert said.splitlines()[-1].startswith("in all 0 MB: stock 0 MB")
        assert "6.12.117" not in lab(store, "list", "6.1").stdout

    def test_a_kernel_goes_with_its_headers(self, store: Store) -> None:
        done = lab(store, "remove", "debian:6.1.192-2")
        assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
        assert {i.name for i in inventory.stored(store)} == {"debian-6.12.117-1", "base-1234", "linux-base"}

    def test_what_is_not_there_is_said(self, store: Store) -> None:
        done = lab(store, "remove", "debian:9.9")
        assert (done.returncode, done.stdout) == (2, "") and "there is no 'debian:9.9' in the store" in done.stderr

    def test_what_a_running_lab_uses_stays(self, store: Store) -> None:
        kernel = store.kernels / "debian-6.1.192-2"
        code = f"""if True:
            from pathlib import Path; from lab.usage import hold
            hold(Path({str(kernel)!r}))
            print(flush=True)
            input()"""
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout and holder.stdout.readline()
            os.utime(kernel, (0, 0))
            tried = lab(store, "prune", "--dry-run")
            done = lab(store, "remove", "debian-6.1.192-2")
            holder.communicate(b"\n", timeout=60)
        assert "remove stock debian-6.1.192-2" not in tried.stdout and "remove objects linux-base" in tried.stdout
        assert "debian-6.1.192-2 is in use by a running lab" in tried.stderr
        assert done.returncode == 3 and "debian-6.1.192-2 is in use by a running lab" in done.stderr
        assert kernel.is_dir() and not (store.root / "headers/debian-6.1.192-2").exists()
        assert lab(store, "remove", "debian-6.1.192-2").returncode == 0 and not kernel.exists()

    def test_prune_takes_what_is_old(self, store: Store) -> None:
        (store.apt / "downloads").mkdir(parents=True)
        os.utime((store.apt / "downloads/new.deb").open("w").name, (0, 0))  # as apt does; it may be taken up again
        tried = lab(store, "prune", "--dry-run")
        assert "would remove stock debian-6.1.192-2" in tried.stdout and len(inventory.stored(store)) == 5
        done = lab(store, "prune", "--older-than", "30")
        assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("in all 0 MB: stock 0 MB, objects 0 MB")
        assert {i.name for i in inventory.stored(store)} == {"debian-6.12.117-1", "base-1234", "debian-6.1.192-2"}
        assert not (store.kernels / ".unfinished-x-1").exists() and (store.apt / "downloads/new.deb").exists()
        assert lab(store, "prune", "--older-than", "0").returncode == 2

    def test_leavings_that_another_lab_uses_up_meanwhile(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        downloads = store.apt / "downloads"
        downloads.mkdir(parents=True)
        (downloads / "used.deb").touch()
        real = Path.glob

        def glob(path: Path, pattern: str) -> list[Path]:
            found = list(real(path, pattern))
            for file in found if path == downloads else ():
                file.unlink()
            return found

        monkeypatch.setattr(Path, "glob", glob)
        monkeypatch.setattr(inventory, "_UNFINISHED_KEEP_S", -60.0)
        found = inventory.leavings(store)
        assert store.kernels / ".unfinished-x-1" in found and downloads / "used.deb" not in found
        inventory.sweep([*found, downloads / "gone.deb"])
        assert not (store.kernels / ".unfinished-x-1").exists()

    def test_a_download_in_use_is_not_swept(self, store: Store) -> None:
        held, idle = make(store, "apt/downloads/mainline-v6.12"), make(store, "apt/downloads/mainline-v6.11")
        hold(held)
        inventory.sweep([held, idle])
        assert (held / "file").exists() and not idle.exists() and list(held.parent.iterdir()) == [held]

    def test_prune_frees_as_much_as_is_wanted_oldest_first(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inventory, "free_bytes", lambda _: 100_000)
        items = inventory.stored(store)
        doomed = inventory.stale(store, items, older_than_days=45, keep_free_bytes=100_000 + 8192 + 1)
        assert [i.name for i in doomed] == ["linux-base", "debian-6.1.192-2"]
        assert inventory.stale(store, items, older_than_days=99) == []


class TestPatterns:
    @pytest.fixture
    def known(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        versions = ["6.12.9-1", "6.12.10-1", "6.1.190-1", "6.12.43-1~bpo12+1"]
        monkeypatch.setattr(debian, "known", lambda *_: [debian.Stock(v, v, ()) for v in versions]
                            + [debian.Stock("6.19.1-1", "", (), "its package is in no list")])
        return versions

    @pytest.mark.parametrize(("word", "expected"), [
        ("debian:6.12.*", ["debian:6.12.9-1", "debian:6.12.10-1", "debian:6.12.43-1~bpo12+1", "debian:6.12.117-1"]),
        ("debian:*bpo*", ["debian:6.12.43-1~bpo12+1"]), ("debian:6.12", ["debian:6.12"]), ("~/linux", ["~/linux"]),
        ("./a*b", ["./a*b"])])
    def test_words(self, word: str, expected: list[str], known: list[str], store: Store) -> None:
        assert patterns.expand(word, store) == expected

    @pytest.mark.parametrize("word", ["debian:6.19.*", "debian:9.*"])
    def test_nothing_matches(self, word: str, known: list[str], store: Store) -> None:
        with pytest.raises(UsageError, match=r"no kernel matches .*6\.12\.117-1"):
            patterns.expand(word, store)

    def test_without_apt_the_store_serves(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: object) -> list[debian.Stock]:
            raise LabError("no network")

        monkeypatch.setattr(debian, "known", fails)
        assert patterns.expand("debian:6.1.*", store) == ["debian:6.1.192-2"]
        with pytest.raises(UsageError, match="no network"):
            patterns.expand("debian:5.*", store)


class TestApt:
    def test_what_can_be_had(self, tmp_path: Path) -> None:
        host = Host(tmp_path)
        host.archive.add_kernel("bookworm", "6.1.0-9", "6.1.190-1")
        host.archive.add_kernel("trixie", "6.12.9+deb13", "6.12.9-1")
        host.archive.add("bookworm", "linux-headers-6.1.0-9-amd64", "6.1.190-1", {})
        host.fetch("6.1.190-1")
        newer, older = available(host.store, etc=host.etc)
        assert (newer.word, newer.stored, newer.headers) == ("debian:6.12.9-1", False, False)
        assert (older.word, older.stored, older.headers, older.debug) == ("debian:6.1.190-1", True, True, False)

    def test_ubuntu(self, tmp_path: Path) -> None:
        """Its target drivers are in a package of more modules that nothing depends on."""
        host = Host(tmp_path, "noble")
        release, version = "6.8.0-31-generic", "6.8.0-31.31"
        home = f"lib/modules/{release}/kernel/drivers"
        host.archive.add("noble", f"linux-image-{release}", version, {f"boot/vmlinuz-{release}": bzimage(release)},
                         f"linux-modules-{release}")
        host.archive.add("noble", f"linux-modules-{release}", version, {
            f"{home}/sg.ko": module("sg"), f"boot/config-{release}": b"CONFIG_X=y\n"})
        host.archive.add("noble", f"linux-modules-extra-{release}", version, {
            f"{home}/target/tcm_loop.ko": module("tcm_loop")})
        host.archive.add("noble", "linux-image-generic", version, {}, f"linux-image-{release}")
        for wanted in ("", "6.8"):
            kernel = host.fetch(wanted)
            assert kernel.release == release and kernel.root.name == f"ubuntu-{version}"
            assert "tcm_loop.ko:" in (kernel.modules / "modules.dep").read_text()
