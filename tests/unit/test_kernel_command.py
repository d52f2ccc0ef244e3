"""`lab kernel fetch` as processes, against an archive on a server here: interrupted, killed, two at once; and the host
is as it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from package_server import Server, serving
from test_kernels_material import Archive

from lab.kernels import debian
from lab.kernels.store import Store

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")
ROOT = Path(__file__).resolve().parents[2]
# The command with another /etc/apt; this host's own is not touched.
LAB = """
import sys
from pathlib import Path
from lab.kernels import available, debian, sources
etc = Path(sys.argv.pop(1))
for function in (debian.fetch, debian.known, available.available):
    function.__kwdefaults__["etc"] = etc
sources.host_sources.__defaults__ = (etc,)
from lab.cli.main import entry
entry()
"""
IMAGE = "linux-image-6.12.9-amd64"
_BYTES = 3 << 20


class Host:
    def __init__(self, root: Path, url: str) -> None:
        self.archive = Archive(root / "archive", url)
        self.etc = self.archive.etc(root / "etc", "bookworm")
        self.store = root / "store"
        self.env = {**os.environ, "LAB_STORE": str(self.store)}
        self.archive.add_kernel("bookworm", "6.12.9", "6.12.9-1", padding=os.urandom(_BYTES))
        self.archive.add_kernel("bookworm", "6.12.10", "6.12.10-1")
        self.archive.add_kernel("bookworm", "6.1.0-9", "6.1.190-1")
        self.archive.add("bookworm", "linux-headers-6.12.10-amd64", "6.12.10-1", {})

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", LAB, str(self.etc), "kernel", *words], cwd=ROOT, env=self.env,
                                text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    def lab(self, *words: str) -> subprocess.CompletedProcess[str]:
        child = self.start(*words)
        out, err = child.communicate(timeout=120)
        assert "Traceback" not in err
        return subprocess.CompletedProcess(words, child.returncode, out, err)

    def package(self) -> Path:
        return self.store / f"apt/downloads/{IMAGE}_6.12.9-1_amd64.deb"

    def partial_bytes(self) -> int:
        with contextlib.suppress(OSError):
            return self.package().stat().st_size
        return 0

    def left_over(self) -> list[Path]:
        return [*(self.store / "kernels").glob(".unfinished*"), *(self.store / "apt/downloads").glob("*")]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with serving(tmp_path / "archive", monkeypatch) as url:
        yield Host(tmp_path, url)


def wait(condition: Callable[[], object], deadline_s: float = 60) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.005)


def settled(size: Callable[[], int]) -> int:
    """What it is when nobody writes any more: a killed lab's apt has a moment to end."""
    wait(lambda: (before := size(), time.sleep(0.5)) and size() == before)
    return size()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_stopped_download_goes_on(host: Host, number: signal.Signals) -> None:
    Server.pause_s = 0.1
    child = host.start("fetch", "debian:6.12.9-1")
    wait(lambda: host.partial_bytes() > _BYTES // 4)
    os.kill(child.pid, number)
    _, err = child.communicate(timeout=30)
    if number == signal.SIGINT:
        assert child.returncode == 130 and "Traceback" not in err
    assert child.returncode != 0 and not list((host.store / "kernels").glob("*"))
    have = settled(host.partial_bytes)
    assert 0 < have < _BYTES
    Server.pause_s, Server.asked = 0.0, []
    done = host.lab("fetch", "debian:6.12.9-1")
    assert done.returncode == 0, done.stderr
    assert host.left_over() == []
    assert Server.asked == [(host.package().name, have)], "what was there is not fetched again"


def test_interrupted_unpacking_leaves_nothing_half_and_need_not_fetch_again(
        host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    store = Store(host.store)
    with monkeypatch.context() as patched:
        patched.setattr(debian, "unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            debian.fetch("6.12.9-1", store, etc=host.etc)
    assert host.left_over() == [host.package()] and not list(store.kernels.glob("*"))
    size = host.package().stat().st_size
    Server.asked = []
    assert debian.fetch("6.12.9-1", store, etc=host.etc).version == "6.12.9-1"
    assert Server.asked in ([], [(host.package().name, size)]) and host.left_over() == []


def test_two_at_once_fetch_once(host: Host) -> None:
    Server.pause_s = 0.1
    labs = [host.start("fetch", "debian:6.12.9-1", "debian:6.12.10-1") for _ in range(2)]
    outputs = [lab.communicate(timeout=120) for lab in labs]
    assert [lab.returncode for lab in labs] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] and len(outputs[0][0].splitlines()) == 2
    assert len(Server.asked) == len(set(Server.asked)) == 2, "each package once"
    assert host.left_over() == []


def test_one_goes_on_when_the_other_is_killed(host: Host) -> None:
    Server.pause_s = 1.0
    first = host.start("fetch", "debian:6.12.9-1")
    wait(lambda: host.partial_bytes() > 0)
    second = host.start("fetch", "debian:6.12.9-1")
    assert second.stderr and "waiting for another lab" in second.stderr.readline()
    os.kill(first.pid, signal.SIGKILL)
    Server.pause_s = 0.0
    first.communicate(timeout=30)
    out, err = second.communicate(timeout=120)
    assert second.returncode == 0 and out == "debian:6.12.9-1\n", err
    assert host.left_over() == []


def test_one_that_cannot_be_fetched_stops_none(host: Host) -> None:
    next((host.archive.root / "pool").glob(f"{IMAGE}*")).unlink()
    done = host.lab("fetch", "debian:6.12.*", "debian:9.9", "debian:6.1")
    assert done.returncode == 3 and done.stdout.splitlines() == ["debian:6.12.10-1", "debian:6.1"]
    assert "could not fetch linux-image-6.12.9-amd64" in done.stderr and "no linux-image for 9.9" in done.stderr


def test_tampered_package_is_refused(host: Host) -> None:
    path = next((host.archive.root / "pool").glob(f"{IMAGE}*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = host.lab("fetch", "debian:6.12.9-1")
    assert done.returncode == 3 and "Hash Sum mismatch" in done.stderr and not list((host.store / "kernels").glob("*"))


def test_the_host_is_not_changed(host: Host) -> None:
    """Its configuration, lists, cache and installed packages: what is in them, and when it was written."""
    def state() -> dict[str, str]:
        found = {}
        for root in (host.etc, *map(Path, ("/etc/apt", "/var/lib/apt", "/var/cache/apt", "/var/lib/dpkg/status"))):
            for path in [root, *root.rglob("*")]:
                content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
                found[str(path)] = f"{path.lstat().st_mtime_ns} {content}"
        return found

    before = state()
    assert host.lab("fetch", "debian:6.12.10-1").returncode == 0
    assert host.lab("list", "--available").returncode == 0
    assert state() == before
