"""A built kernel tree: the source tree itself, or the O= directory it was built in."""

from __future__ import annotations

from pathlib import Path

from lab.errors import UsageError
from lab.kernels.image import release_of
from lab.kernels.staging import Parts

IMAGE = Path("arch/x86/boot/bzImage")
_EXTRAS = ("modules.builtin", "modules.builtin.modinfo", "modules.order")


def parts_of(tree: Path) -> Parts:
    """Image, configuration and modules of a built tree.

    Raises UsageError with what to do for a tree that is not built, half built, or no kernel tree at all.
    """
    release_file = tree / "include/config/kernel.release"
    if not (tree / IMAGE).is_file() or not release_file.is_file() or not (tree / ".config").is_file():
        raise UsageError(_why_not(tree))
    release, image_says = release_file.read_text().strip(), release_of(tree / IMAGE)
    if release != image_says:
        raise UsageError(f"{tree} is half built: its bzImage is {image_says}, but the tree is at {release}; "
                         f"run make -C {tree}")
    extras = [(name, tree / name) for name in _EXTRAS if (tree / name).is_file()]
    vmlinux = tree / "vmlinux"
    return Parts(release, tree / IMAGE, tree / ".config", tuple(extras + _modules(tree)),
                 vmlinux=vmlinux if vmlinux.is_file() else None)


def _modules(tree: Path) -> list[tuple[str, Path]]:
    """modules.order names .o files since 6.2 and .ko before, up to 5.x with kernel/ in front."""
    order = tree / "modules.order"
    names = order.read_text().split() if order.is_file() else []
    found = []
    for name in names:
        module = name.removeprefix("kernel/").removesuffix(".o").removesuffix(".ko") + ".ko"
        if not (tree / module).is_file():
            raise UsageError(f"{tree} is half built: modules.order names {module}, which is not there; "
                             f"run make -C {tree} modules")
        found.append((f"kernel/{module}", tree / module))
    return found


def _why_not(tree: Path) -> str:
    if (tree / "Kconfig").is_file() and (tree / "Kbuild").is_file():
        return (f"{tree} is a kernel tree that is not built; write {tree}+base to have the lab build it, run make -C "
                f"{tree} bzImage modules, or give the O= directory it was built in")
    if (tree / ".config").is_file():
        return f"{tree} is configured but has no {IMAGE}; run make -C {tree} bzImage modules"
    return f"{tree} is not a built kernel tree: it has no {IMAGE}"
