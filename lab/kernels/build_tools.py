"""What a host needs to build kernels."""

from __future__ import annotations

from pathlib import Path

from lab import process
from lab.errors import MissingTool

BUILD_TOOLS = {"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc",
               "perl": "perl", "cpio": "cpio", "xz": "xz-utils", "git": "git"}
"""Program -> its Debian package."""
BUILD_HEADERS = {"libelf.h": "libelf-dev", "openssl/opensslv.h": "libssl-dev"}
"""Header -> its Debian package; objtool and the certificates of a comfortable configuration need them."""
_ASK_DEADLINE_S = 30.0


def check_build_tools() -> None:
    """Raises MissingTool for the first program or header that is not there, before anything is built."""
    for tool, package in BUILD_TOOLS.items():
        process.find(tool, package)
    for header, package in BUILD_HEADERS.items():
        done = process.run(["gcc", "-fsyntax-only", "-x", "c", "-"], stdin=f"#include <{header}>\n",
                           timeout_s=_ASK_DEADLINE_S, check=False)
        if done.returncode != 0:
            raise MissingTool(header, package)


def compiler() -> str:
    """The compiler's own name and version, wherever it lies: `gcc (Debian 12.2.0-14+deb12u1) 12.2.0`."""
    done = process.run([process.find("gcc", "gcc"), "--version"], timeout_s=_ASK_DEADLINE_S)
    return done.stdout.splitlines()[0].strip()


def cached() -> str:
    """What CC is: gcc, through ccache where that is installed."""
    try:
        process.find("ccache", "ccache")
    except MissingTool:
        return "gcc"
    return "ccache gcc"


def is_kernel_tree(path: Path) -> bool:
    """Whether a directory is the top of kernel sources."""
    return (path / "Kconfig").is_file() and (path / "Kbuild").is_file() and (path / "Makefile").is_file()
