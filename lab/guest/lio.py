"""LIO's objects through configfs: backstores, tcm_loop targets, LUNs. Made in order, removed in reverse."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.guest import configfs
from lab.guest.blockdev import Device, scsi_address
from lab.guest.ledger import Ledger
from lab.guest.observation import Refused, Skip, errno_name
from lab.guest.tcmu import Handler

_PAGE = os.sysconf("SC_PAGE_SIZE")
# Made by the kernel with their parents, and not removable.
_DEFAULT = {"discovery_auth", "statistics", "default_lu_gp", "default_tg_pt_gp"}
_PLUGIN = {"ramdisk": "rd_mcp", "fileio": "fileio", "iblock": "iblock", "pscsi": "pscsi", "tcmu": "user"}
_MODULE = {"fileio": "target_core_file", "tcmu": "target_core_user"}


@dataclass
class Backstore:
    """One backstore: its place below core/, what lies under it, what its blocks must hold."""

    name: str
    spec: dict[str, Any]
    path: str
    device: Device | None = None
    file: Path | None = None
    handler: Handler | None = None
    undo: list[Callable[[], None]] = field(default_factory=list)
    ledger: Ledger | None = None


@dataclass
class Target:
    """One target port group with its nexus, and which backstore each LUN number shows."""

    name: str
    wwn: str
    tpgt: int
    nexus: str | None
    luns: dict[int, str]
    scsi_timeout_s: float | None

    @property
    def path(self) -> str:
        return f"loopback/{self.wwn}/tpgt_{self.tpgt}"


def serial(name: str) -> str:
    """A stable unit serial number: XCOPY and APTPL need one, and VPD 0x83 shows it."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


class Configuration:
    """LIO's tree below `root` (/sys/kernel/config/target). What was there before this object is not ours."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before = self.inventory()

    def inventory(self) -> set[str]:
        """Every directory that a scenario can make: HBAs, backstores, ALUA groups, WWNs, TPGs, LUNs, ACLs."""
        patterns = ("core/*", "core/*/*", "core/*/*/alua/*", "core/alua/lu_gps/*", "loopback", "loopback/*",
                    "loopback/*/tpgt_*", "loopback/*/tpgt_*/lun/*", "loopback/*/tpgt_*/acls/*",
                    "loopback/*/tpgt_*/acls/*/lun_*")
        found = {str(p.relative_to(self.root)) for pattern in patterns for p in self.root.glob(pattern)
                 if p.is_dir() and not p.is_symlink() and p.name not in _DEFAULT}
        return found - {"core/alua", "core/alua/lu_gps"}

    def make_backstore(self, backstore: Backstore) -> None:
        """Create, configure and enable a backstore, then write serial and attributes, before any LUN is linked."""
        folder = self.root / backstore.path
        self._make_hba(folder.parent, backstore.spec["type"])
        if backstore.spec.get("hba_mode"):
            configfs.write(folder.parent / "hba_mode", "1")
        configfs.make(folder)
        configfs.write(folder / "control", self._control(backstore))
        if backstore.device is not None:
            configfs.write(folder / "udev_path", backstore.device.node)
        configfs.write(folder / "enable", "1")
        if backstore.spec["type"] != "pscsi":  # that has its disk's own (target_wwn_vpd_unit_serial_store refuses)
            configfs.write(folder / "wwn/vpd_unit_serial", backstore.spec.get("serial") or serial(backstore.name))
        # After enable: before it, 6.1 oopses on emulate_tpu (fixed by 4cbec7e89a41).
        for attribute, value in (backstore.spec.get("attributes") or {}).items():
            self._write_attribute(folder / "attrib", attribute, value)

    def remove_backstore(self, backstore: Backstore) -> None:
        """Remove a backstore and its HBA. OSError (EBUSY) while it is linked."""
        folder = self.root / backstore.path
        configfs.remove(folder)
        configfs.remove(folder.parent)

    def _make_hba(self, folder: Path, kind: str) -> None:
        try:
            configfs.make(folder)
        except OSError as error:
            raise Skip(f"{kind} backstores cannot be made: {errno_name(error.errno)} "
                       f"(module {_MODULE.get(kind, f'target_core_{kind}')})") from None

    @staticmethod
    def _write_attribute(folder: Path, attribute: str, value: object) -> None:
        if configfs.missing(folder / attribute):
            raise Skip(f"this kernel's backstore has no attribute {attribute}")
        try:
            configfs.write(folder / attribute, str(value))
        except OSError as error:
            name = errno_name(error.errno)
            raise Refused(f"attribute {attribute}={value}: {name}", errno=name) from None

    @staticmethod
    def _control(backstore: Backstore) -> str:
        spec = backstore.spec
        if spec["type"] == "ramdisk":
            return f"rd_pages={-(-spec['size'] // _PAGE)}" + (",rd_nullio=1" if spec.get("nullio") else "")
        if spec["type"] == "fileio":
            flags = [name for name, key in (("fd_buffered_io=1", "buffered"), ("fd_async_io=1", "asynchronous"))
                     if spec.get(key)]
            return ",".join([f"fd_dev_name={backstore.file}", f"fd_dev_size={spec['size']}", *flags])
        if spec["type"] == "tcmu":
            # Without it a daemon that listens on netlink, and may be there, would be waited for.
            given = {"nl_reply_supported": -1, **(spec.get("control") or {})}
            return ",".join([f"dev_size={spec['size']}", *(f"{key}={value}" for key, value in given.items())])
        assert backstore.device is not None
        if spec["type"] == "pscsi":
            host, channel, target, lun = scsi_address(backstore.device.node)
            place = f"scsi_channel_id={channel},scsi_target_id={target},scsi_lun_id={lun}"
            return place if spec.get("hba_mode") else f"scsi_host_id={host},{place}"
        return f"udev_path={backstore.device.node}" + (",readonly=1" if spec.get("readonly") else "")

    def make_target(self, target: Target) -> None:
        """WWN, TPG and nexus; a LUN linked before the nexus would not be discovered."""
        try:
            configfs.make(self.root / "loopback")
        except OSError as error:
            raise Skip(f"the loopback fabric cannot be made: {errno_name(error.errno)} (module tcm_loop)") from None
        configfs.make(self.root / "loopback" / target.wwn)
        configfs.make(self.root / target.path)
        if target.nexus is not None:
            configfs.write(self.root / target.path / "nexus", target.nexus)

    def link(self, target: Target, number: int, backstore: Backstore) -> None:
        """Link a backstore as a LUN. A LUN directory that is there already, and empty, is used."""
        folder = self.root / target.path / "lun" / f"lun_{number}"
        made = configfs.make(folder)
        try:
            os.symlink(self.root / backstore.path, folder / backstore.name)
        except OSError:
            if made:
                configfs.remove(folder)
            raise

    def unlink(self, target: Target, number: int) -> None:
        """Unlink a LUN and remove its directory."""
        folder = self.root / target.path / "lun" / f"lun_{number}"
        for name in configfs.entries(folder):
            if (folder / name).is_symlink() and _is_backstore(folder / name):
                os.unlink(folder / name)
        configfs.remove(folder)

    def address(self, target: Target) -> str:
        """The SCSI host and target id that LUNs appear under: `H:0:tpgt`."""
        return configfs.read_text(self.root / target.path / "address")

    def remove_target(self, target: Target) -> None:
        """LUNs, nexus (goes with the TPG), TPG, and the WWN when it was the last TPG. First error is raised."""
        problems = self._remove_tpg(self.root / target.path)
        wwn = self.root / "loopback" / target.wwn
        if not any(name.startswith("tpgt_") for name in configfs.entries(wwn)):
            _try(lambda: configfs.remove(wwn), f"rmdir loopback/{target.wwn}", problems)
        if problems:
            raise problems[0]

    def _remove_tpg(self, tpg: Path) -> list[OSError]:
        problems: list[OSError] = []
        where = tpg.relative_to(self.root)
        acls = [tpg / "acls" / name for name in configfs.directories(tpg / "acls")]
        for acl in acls:
            self._unmap_luns(acl, problems)
        for lun in configfs.directories(tpg / "lun"):
            folder = tpg / "lun" / lun
            for name in configfs.entries(folder):
                if (folder / name).is_symlink() and _is_backstore(folder / name):
                    _try(_call(os.unlink, folder / name), f"unlink {where}/lun/{lun}/{name}", problems)
            _try(_call(configfs.remove, folder), f"rmdir {where}/lun/{lun}", problems)
        if acls:
            # tcm_loop has no close_session: rmdir of the nexus's own ACL waits until the nexus is gone.
            _try(lambda: configfs.write(tpg / "nexus", "NULL"), f"NULL to {where}/nexus", [])
        for acl in acls:
            _try(_call(configfs.remove, acl), f"rmdir {where}/acls/{acl.name}", problems)
        _try(_call(configfs.remove, tpg), f"rmdir {where}", problems)
        return problems

    def _unmap_luns(self, acl: Path, problems: list[OSError]) -> None:
        for mapped in (n for n in configfs.directories(acl) if n.startswith("lun_")):
            for name in configfs.entries(acl / mapped):
                if (acl / mapped / name).is_symlink():
                    _try(_call(os.unlink, acl / mapped / name), f"unlink {acl.name}/{mapped}/{name}", problems)
            _try(_call(configfs.remove, acl / mapped), f"rmdir {acl.name}/{mapped}", problems)

    def teardown(self) -> list[str]:
        """Remove everything that was not there before, always through to the end; the problems."""
        problems: list[OSError] = []
        ours = sorted(self.inventory() - self._before)
        for path in (p for p in ours if p.count("/") == 2 and p.startswith("loopback/")):
            problems += self._remove_tpg(self.root / path)
        for path in (p for p in ours if p.count("/") == 1 and p.startswith("loopback/")):
            _try(_call(configfs.remove, self.root / path), f"rmdir {path}", problems)
        # `rmmod tcm_loop` wants this one gone.
        if "loopback" in ours:
            _try(_call(configfs.remove, self.root / "loopback"), "rmdir loopback", problems)
        for path in sorted((p for p in ours if p.startswith("core/")), key=lambda p: -p.count("/")):
            _try(_call(configfs.remove, self.root / path), f"rmdir {path}", problems)
        return [f"{p.filename}: {errno_name(p.errno)}" for p in problems]

    def left(self) -> list[str]:
        """Directories that are there now and were not before."""
        return sorted(self.inventory() - self._before)


def _is_backstore(link: Path) -> bool:
    # The other link that a LUN directory can hold is none of ours.
    return "/core/" in os.path.realpath(link) or "/core/" in os.readlink(link)


def _call(function: Callable[[Path], None], path: Path) -> Callable[[], None]:
    return lambda: function(path)


def _try(action: Callable[[], None], doing: str, problems: list[OSError]) -> None:
    try:
        action()
    except FileNotFoundError:
        pass
    except OSError as error:
        problems.append(OSError(error.errno or errno.EIO, error.strerror, doing))


def plugin(kind: str) -> str:
    """The HBA directory's name without its number: rd_mcp, fileio, iblock, pscsi."""
    return _PLUGIN[kind]
