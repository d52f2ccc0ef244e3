"""Which modules a kernel has, loadable or built in, and which CONFIG option gives a module."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from lab.loadable import canonical

# Kconfig symbols from drivers/target, drivers/scsi, drivers/block, drivers/md, fs and net of Linux 5.10 to 7.3.
OPTIONS = {
    "lkdtm": "LKDTM",
    "9p": "9P_FS", "9pnet_virtio": "NET_9P_VIRTIO", "brd": "BLK_DEV_RAM", "btrfs": "BTRFS_FS",
    "configfs": "CONFIGFS_FS", "crc32c_generic": "CRYPTO_CRC32C", "crct10dif_generic": "CRYPTO_CRCT10DIF",
    "dm_crypt": "DM_CRYPT", "dm_delay": "DM_DELAY", "dm_dust": "DM_DUST", "dm_flakey": "DM_FLAKEY",
    "dm_integrity": "DM_INTEGRITY", "dm_log_writes": "DM_LOG_WRITES", "dm_mod": "BLK_DEV_DM",
    "dm_multipath": "DM_MULTIPATH", "dm_snapshot": "DM_SNAPSHOT", "dm_thin_pool": "DM_THIN_PROVISIONING",
    "dm_zero": "DM_ZERO", "ext4": "EXT4_FS", "fuse": "FUSE_FS", "ib_srpt": "INFINIBAND_SRPT",
    "iscsi_target_mod": "ISCSI_TARGET", "iscsi_tcp": "ISCSI_TCP", "libiscsi": "SCSI_ISCSI_ATTRS",
    "loop": "BLK_DEV_LOOP", "md_mod": "BLK_DEV_MD", "null_blk": "BLK_DEV_NULL_BLK", "nvme": "BLK_DEV_NVME",
    "overlay": "OVERLAY_FS", "raid1": "MD_RAID1", "sbp_target": "SBP_TARGET", "scsi_debug": "SCSI_DEBUG",
    "scsi_dh_alua": "SCSI_DH_ALUA", "scsi_mod": "SCSI", "sd_mod": "BLK_DEV_SD", "ses": "SCSI_ENCLOSURE",
    "sg": "CHR_DEV_SG", "sr_mod": "BLK_DEV_SR", "st": "CHR_DEV_ST", "t10_pi": "BLK_DEV_INTEGRITY_T10",
    "target_core_file": "TCM_FILEIO", "target_core_iblock": "TCM_IBLOCK", "target_core_mod": "TARGET_CORE",
    "target_core_pscsi": "TCM_PSCSI", "target_core_user": "TCM_USER2", "tcm_fc": "TCM_FC",
    "tcm_loop": "LOOPBACK_TARGET", "tcm_qla2xxx": "TCM_QLA2XXX", "uio": "UIO", "usb_f_tcm": "USB_F_TCM",
    "vhost_scsi": "VHOST_SCSI", "virtio_blk": "VIRTIO_BLK", "virtio_console": "VIRTIO_CONSOLE",
    "virtio_net": "VIRTIO_NET", "virtio_pci": "VIRTIO_PCI", "virtio_scsi": "SCSI_VIRTIO", "xfs": "XFS_FS",
    "zram": "ZRAM",
}


@dataclass(frozen=True)
class ModuleNames:
    """The modules of one kernel, with _ for - in their names as the kernel itself does."""

    loadable: frozenset[str]
    built_in: frozenset[str]


def names_in(modules: Path) -> ModuleNames:
    """Read modules.dep and modules.builtin of a lib/modules/RELEASE directory; a missing one counts as empty."""
    dep, builtin = modules / "modules.dep", modules / "modules.builtin"
    return ModuleNames(_names(dep, *_version(dep)), _names(builtin, *_version(builtin)))


def _version(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=64)
def _names(path: Path, mtime_ns: int, _size: int) -> frozenset[str]:
    if not mtime_ns:
        return frozenset()
    lines = path.read_text(errors="replace").splitlines()
    return frozenset(canonical(line.split(":", 1)[0]) for line in lines if line.strip())
