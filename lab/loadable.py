"""Which modules of a kernel a guest can load: those that scenarios may ask for, with all that they depend on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from pathlib import Path

from lab.errors import LabError

# Paths below the modules directory, without the compression suffix.
LOADABLE = (
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
_MATCH = re.compile("|".join(map(translate, LOADABLE))).match  # one match for each of thousands of names
# What a kernel's build writes beside its modules, and depmod reads: it makes all other indexes.
BUILD_INDEXES = ("modules.order", "modules.builtin", "modules.builtin.modinfo")


def canonical(module: str) -> str:
    """tcm-loop, tcm_loop.ko.xz and kernel/drivers/target/loopback/tcm_loop.ko are the module tcm_loop."""
    return module.rsplit("/", 1)[-1].split(".ko", 1)[0].replace("-", "_")


def loadable(modules: Path, also: Iterable[str] = ()) -> set[str]:
    """Paths below lib/modules/RELEASE, by its modules.dep. `also`: names of modules that are wanted besides.

    Raises LabError when there is no modules.dep.
    """
    depends, names = _depends(modules), set(also)
    found: set[str] = set()
    for name in depends:
        if _MATCH(_plain(name)) or canonical(name) in names:
            found.update((name, *depends[name]))
    return found


def _depends(modules: Path) -> Mapping[str, list[str]]:
    try:
        lines = (modules / "modules.dep").read_text().splitlines()
    except OSError as error:
        raise LabError(f"{modules}/modules.dep cannot be read ({error.strerror}); run depmod for it") from error
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def _plain(name: str) -> str:
    return next((name.removesuffix(s) for s in _SUFFIXES if name.endswith(s)), name)
