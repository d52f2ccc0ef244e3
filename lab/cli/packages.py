"""Programs of the host that the lab needs beside those that go into the guest, and their Debian packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.kernels import build_tools

HOST_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86", "depmod": "kmod", "file": "file",
    "ldd": "libc-bin", "setpriv": "util-linux",
    "dpkg-deb": "dpkg", "apt-get": "apt", "git": "git", "make": "make", "xz": "xz-utils", "addr2line": "binutils",
    "zstd": "zstd",
}

# What building kernels and modules takes; a run on a kernel that is there already needs none of it. Debian's stock
# kernel is built with the compiler that the package gcc of the same release stands for.
BUILD_TOOLS = {**build_tools.BUILD_TOOLS, "pahole": "pahole"}
BUILD_HEADERS = {**build_tools.BUILD_HEADERS, "stdio.h": "libc6-dev", "openssl/opensslv.h": "libssl-dev"}
TEST_TOOLS = {"gpg": "gpg"}  # signs archives that tests make
_INCLUDES = Path("/usr/include")


def lacking_for_builds(has_tool: Callable[[str], bool], includes: Path = _INCLUDES) -> dict[str, list[str]]:
    """Debian package -> what it would bring: programs, and headers of libraries that a kernel's own tools use."""
    lacking: dict[str, list[str]] = {}
    for tool, package in BUILD_TOOLS.items():
        if not has_tool(tool):
            lacking.setdefault(package, []).append(tool)
    homes = (includes, *includes.glob("*-linux-gnu"))
    for header, package in BUILD_HEADERS.items():
        if not any((home / header).is_file() for home in homes):
            lacking.setdefault(package, []).append(header)
    return lacking
