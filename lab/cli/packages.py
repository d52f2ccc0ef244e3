"""Programs of the host that the lab needs beside those that go into the guest, and their Debian packages."""

from __future__ import annotations

HOST_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86", "depmod": "kmod", "file": "file",
    "ldd": "libc-bin", "setpriv": "util-linux",
    "dpkg-deb": "dpkg", "apt-get": "apt", "git": "git", "make": "make", "xz": "xz-utils", "addr2line": "binutils",
    "zstd": "zstd",
}
