"""The disk with a kernel's modules: those that scenarios may load, with all that they depend on.

The guest mounts it read-only at /lib/modules. A disk, and not a 9p share of the host: no boot hangs at its mount, a
machine with it can be checkpointed as it is, and a guest has no way to the host's files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.machine.disk import make_ext4
from lab.machine.prune import used

# Paths below the modules directory, without the compression suffix.
WANTED = (
    "kernel/drivers/target/*", "kernel/drivers/md/dm-*", "kernel/drivers/block/*", "kernel/drivers/uio/uio.ko",
    "kernel/drivers/scsi/sg.ko", "kernel/drivers/scsi/sd_mod.ko", "kernel/drivers/scsi/sr_mod.ko",
    "kernel/drivers/scsi/st.ko", "kernel/drivers/scsi/scsi_debug.ko", "kernel/drivers/scsi/scsi_transport_*",
    "kernel/drivers/scsi/device_handler/*", "kernel/drivers/char/virtio_console.ko", "kernel/fs/configfs/*",
    "kernel/fs/ext4/*", "kernel/fs/xfs/*", "kernel/drivers/misc/lkdtm/*", "kernel/crypto/*crc*",
    "kernel/arch/x86/crypto/*crc*", "kernel/lib/crc*", "kernel/drivers/net/virtio_net.ko",
    "kernel/drivers/net/ethernet/intel/e1000/*", "kernel/drivers/firmware/qemu_fw_cfg.ko",
    "kernel/block/*", "kernel/drivers/virtio/*",
    "extra/*", "updates/*",  # where make modules_install, DKMS and weak-modules put modules from outside the tree
)
_SUFFIXES = (".xz", ".zst", ".gz")


def module_disk(modules: Path, identity: str, images: Path, lock: Callable[[], object],
                say: Callable[[str], None]) -> Path:
    """The ext4 image for one kernel's `modules` directory (lib/modules/RELEASE); made once for each identity."""
    wanted = hashlib.sha256("\n".join((identity, *WANTED)).encode()).hexdigest()
    image = images / f"modules-{modules.name}-{wanted[:16]}.ext4"
    if image.exists():
        used(image)
        return image
    with lock():  # type: ignore[attr-defined]
        if not image.exists():
            say(f"making the module disk of {modules.name}")
            _make(modules, image)
    return image


def _make(modules: Path, image: Path) -> None:
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=image.parent, prefix=".making-") as tmp:
        target = Path(tmp) / "root" / modules.name
        target.mkdir(parents=True)
        for name in sorted(_closure(modules)):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(modules / name, target / name)
        for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
            if (modules / name).exists():
                shutil.copyfile(modules / name, target / name)
        # depmod wants DIR/lib/modules/RELEASE.
        base = Path(tmp) / "base" / "lib"
        base.mkdir(parents=True)
        (base / "modules").symlink_to(Path(tmp) / "root")
        process.run([process.find("depmod", "kmod"), "-b", base.parent, modules.name], timeout_s=120)
        make_ext4(Path(tmp) / "root", Path(tmp) / "image", label="lab-modules")
        os.replace(Path(tmp) / "image", image)


def _closure(modules: Path) -> set[str]:
    """Relative paths of the wanted modules and their dependencies, by modules.dep."""
    try:
        lines = (modules / "modules.dep").read_text().splitlines()
    except OSError as error:
        raise LabError(f"{modules}/modules.dep cannot be read ({error.strerror}); run depmod for it") from error
    depends = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    found: set[str] = set()
    for name in depends:
        if any(fnmatch(_plain(name), pattern) for pattern in WANTED):
            found.update((name, *depends[name]))
    return found


def _plain(name: str) -> str:
    return next((name.removesuffix(s) for s in _SUFFIXES if name.endswith(s)), name)
