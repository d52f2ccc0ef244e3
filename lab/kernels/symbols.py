"""Where the vmlinux and the modules with debug information of a kernel lie, for who decodes its reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.kernels import debug
from lab.kernels.image import version_of
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store, silent

_INSTALLED = Path("/usr/lib/debug")
_STOCK = "debian-"


@dataclass(frozen=True)
class Symbols:
    """Plain paths, and what tells that they are of the kernel: `release` and `version` are its uname -r and -v."""

    vmlinux: Path | None
    modules: tuple[Path, ...]  # directories with NAME.ko below them
    release: str
    version: str


def symbols_of(kernel: Kernel, store: Store, say: Callable[[str], None] = silent, *, fetch: bool = False,
               etc: Path = Path("/etc/apt")) -> Symbols | None:
    """What decoding a report of this kernel needs; None when there is nothing.

    A tree: its vmlinux as it was when the kernel was resolved, and its modules. A stock kernel: its -dbg package, when
    it is in the store, or with `fetch` from the archives (about 1 GB; raises as debug_info does). An image: a
    vmlinux-RELEASE beside it, or in /usr/lib/debug. Whether a vmlinux is the right one is for the decoder to see.
    """
    if (version := stock_version(kernel, store)) is not None:
        info = debug.debug_info(version, store, say, etc=etc) if fetch else debug.stored(version, store)
        vmlinux, modules = (info.vmlinux, [info.modules]) if info else (None, [])
    else:
        vmlinux = next((path for path in _beside(kernel) if path.is_file()), None)
        modules = [kernel.modules] if kernel.modules else []
    installed = _INSTALLED / "lib/modules" / kernel.release
    modules += [installed] if installed.is_dir() else []
    if vmlinux is None:
        vmlinux = next((path for path in _installed(kernel.release) if path.is_file()), None)
    if vmlinux is None and not modules:
        return None
    return Symbols(vmlinux, tuple(modules), kernel.release, _version(kernel))


def stock_version(kernel: Kernel, store: Store) -> str | None:
    """The package version of a stock kernel of the store; None for any other kernel."""
    root = kernel.image.parent.parent
    return root.name.removeprefix(_STOCK) if root.parent == store.kernels and root.name.startswith(_STOCK) else None


def _beside(kernel: Kernel) -> Iterator[Path]:
    """Staged with the image; where the image came from; an image that nobody staged."""
    yield kernel.image.with_name(f"vmlinux-{kernel.release}")
    try:
        origin = Path(json.loads((kernel.image.parent.parent / "staged.json").read_text())["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    yield from (origin / "vmlinux", origin.with_name(f"vmlinux-{kernel.release}"), origin.with_name("vmlinux"))


def _installed(release: str) -> tuple[Path, ...]:
    return (_INSTALLED / "boot" / f"vmlinux-{release}", _INSTALLED / "lib/modules" / release / "vmlinux",
            _INSTALLED / f"usr/lib/modules/{release}/vmlinux")


def _version(kernel: Kernel) -> str:
    try:
        return version_of(kernel.image)
    except LabError:
        return ""
