"""The target drivers of Debian's own kernel source, for tests that build them: by the lab's apt, kept in the store."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.kernels import versions
from lab.kernels.companions import Wanted, fetched
from lab.kernels.store import Store
from lab.kernels.target_sources import PLACES
from lab.kernels.unpack import extract_some


def target_source(version: str, store: Store) -> Path:
    """A tree with drivers/target, its headers and the top Makefile of linux-source-* of exactly this version.

    The first time fetches 140 MB, which are thrown away again. Do not write to the tree: it is every test's.
    """
    root = store.root / "sources" / f"target-{version}"
    if root.is_dir():
        return root
    series = versions.series(version)
    package = Wanted(f"linux-source-{series}", version, lambda _: (), r"^linux-source-[0-9.]+$", 0.3)
    with store.lock(f"source-target-{version}"):
        if not root.is_dir():
            with fetched(package, store, print, Path("/etc/apt")) as files, store.new_directory(root) as directory:
                extract_some(files[0], directory / "raw", ["*.tar.xz"])
                _unpack(directory)
    return root


def _unpack(directory: Path) -> None:
    tarball, = (directory / "raw").rglob("linux-source-*.tar.xz")
    top = tarball.name.removesuffix(".tar.xz")
    subprocess.run(["tar", "-xJf", tarball, "-C", directory, "--strip-components=1", "--no-same-owner",
                    f"{top}/Makefile", *(f"{top}/{place}" for place in PLACES)], check=True, timeout=600)
    for path in sorted((directory / "raw").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    (directory / "raw").rmdir()
