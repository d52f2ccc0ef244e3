"""What a host needs to build kernels."""

from __future__ import annotations

from pathlib import Path

from lab import process
from lab.errors import MissingTool
from lab.kernels.config import options_of

BUILD_TOOLS = {"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc",
               "lz4": "lz4"}
"""Program -> its Debian package: what every flavor needs beside what Debian always has."""
BUILD_HEADERS = {"libelf.h": "libelf-dev"}
"""Header -> its Debian package; objtool is built with it."""
# Option -> program and package. The kernel compresses itself, describes its types, packs its headers.
_TOOLS_FOR = {"KERNEL_LZ4": ("lz4", "lz4"), "KERNEL_XZ": ("xz", "xz-utils"), "KERNEL_ZSTD": ("zstd", "zstd"),
              "KERNEL_BZIP2": ("bzip2", "bzip2"), "KERNEL_LZO": ("lzop", "lzop"),
              "DEBUG_INFO_BTF": ("pahole", "pahole"), "IKHEADERS": ("cpio", "cpio")}
_HEADERS_FOR = dict.fromkeys(("SYSTEM_TRUSTED_KEYRING", "MODULE_SIG"), ("openssl/opensslv.h", "libssl-dev"))
_ASK_DEADLINE_S = 30.0


def check_build_tools() -> None:
    """Raises MissingTool for the first program or header that is not there, before anything is configured."""
    for tool, package in BUILD_TOOLS.items():
        process.find(tool, package)
    for header, package in BUILD_HEADERS.items():
        _check_header(header, package)


def check_tools_for(config: Path) -> None:
    """Raises MissingTool for what a configuration needs besides, before anything is compiled."""
    on = {option for option, value in options_of(config).items() if value == "y"}
    for tool in dict.fromkeys(_TOOLS_FOR[option] for option in _TOOLS_FOR if option in on):
        process.find(*tool)
    for header in dict.fromkeys(_HEADERS_FOR[option] for option in _HEADERS_FOR if option in on):
        _check_header(*header)


def _check_header(header: str, package: str) -> None:
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
