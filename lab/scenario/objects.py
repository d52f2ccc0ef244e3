"""The LIO objects of a scenario: backstores, what lies under them, and targets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from lab.scenario.base import FORMS, Argument, ModuleName, Name, Scalar, Strict
from lab.scenario.units import Duration, Size

WWN = r"^(naa|fc|iqn)\.[^\s/]+$"
CONFIG = r"^CONFIG_[A-Z0-9_]+(=[ym])?$"
PARAMETER = r"^[a-z_]+$"
FORMS[PARAMETER] = "a parameter of small letters and _"
MODULE_PARAMETER = r"^[a-z0-9_]+\.[A-Za-z0-9_]+$"
FORMS[MODULE_PARAMETER] = "a module's parameter, such as tcm_loop.can_queue"
FORMS[WWN] = "a name that begins with naa., fc. or iqn., without spaces and slashes"
FORMS[CONFIG] = "a kernel option such as CONFIG_TCM_FC, or CONFIG_TCM_FC=m"

# A test compares this with what the guest loads.
MODULES_OF_TYPE = {
    "ramdisk": (), "fileio": ("target_core_file",), "iblock": ("target_core_iblock",),
    "pscsi": ("target_core_pscsi",), "tcmu": ("target_core_user",),
    "loop": ("loop",), "brd": ("brd",), "scsi_debug": ("scsi_debug",), "null_blk": ("null_blk",), "dm": ("dm_mod",),
}


class Under(Strict):
    """The block device under an iblock or fileio backstore, or the SCSI disk of a pscsi one."""

    type: Literal["loop", "brd", "scsi_debug", "null_blk", "dm"] = Field(description="what kind of block device")
    over: Literal["loop", "brd", "scsi_debug", "null_blk", "ramdisk"] | None = Field(
        None, description="for dm: what the linear table maps to; ramdisk is another word for brd")
    block_size: Literal[512, 4096] = Field(512, description="logical block size, for loop, scsi_debug, null_blk")
    parameters: dict[ModuleName, Scalar] = Field(
        default_factory=dict, description="scsi_debug: parameters of the module, such as dif, lbpu, delay; null_blk: "
                                          "attributes of the device in configfs, such as irqmode, memory_backed")

    @property
    def bottom(self) -> str:
        """The kind of the lowest device: what a dm table maps to, else the device itself."""
        kind = self.over if self.type == "dm" and self.over is not None else self.type
        return "brd" if kind == "ramdisk" else kind


class Backstore(Strict):
    """One directory under core/; `attributes` are written before any LUN is linked."""

    type: Literal["ramdisk", "fileio", "iblock", "pscsi", "tcmu"] = Field(
        description="the LIO backend; tcmu: a handler of the lab in the guest answers its commands")
    size: Size = Field(16 << 20, description="of the device")
    nullio: bool = Field(False, description="ramdisk: reads return anything, writes go nowhere")
    buffered: bool = Field(False, description="fileio: fd_buffered_io=1 (write-back cache)")
    asynchronous: bool = Field(False, description="fileio: fd_async_io=1")
    filesystem: Literal["tmpfs", "ext4"] = Field("tmpfs", description="fileio: where the file lies")
    readonly: bool = Field(False, description="iblock: readonly=1")
    hba_mode: bool = Field(False, description="pscsi: its HBA stands for the whole SCSI host (hba_mode=1)")
    on: Under | None = Field(None, description="iblock, fileio, pscsi: the device under it; pscsi: a scsi_debug")
    control: dict[Annotated[str, Field(pattern=PARAMETER)], StrictInt] = Field(
        default_factory=dict, description="tcmu: further parameters of its control file, such as hw_block_size")
    serial: Annotated[str, Field(min_length=1, max_length=254)] | None = Field(
        None, description="wwn/vpd_unit_serial")
    attributes: dict[StrictStr, StrictInt | StrictStr] = Field(
        default_factory=dict, description="files of attrib/ and their values")

    @property
    def block_size(self) -> int:
        """Bytes of a logical block of its LUNs, as far as the scenario says."""
        below = self.on.block_size if self.on is not None else self.control.get("hw_block_size", 512)
        given = self.attributes.get("block_size", below)
        return int(given) if str(given).isascii() and str(given).isdigit() and int(given) else 512


class Target(Strict):
    """One target port group of a tcm_loop target with its nexus and LUNs."""

    name: Name = Field("target", description="how steps name it")
    wwn: Annotated[str, Field(pattern=WWN, max_length=223)] = Field(
        "naa.6001405000000001", description="the target's name in configfs")
    tpgt: int = Field(1, ge=0, le=31, description="target portal group tag; the SCSI target ID of its disks")
    nexus: Annotated[str, Field(pattern=WWN, max_length=223)] | None = Field(
        "naa.6001405000000002", description="initiator port; null: no nexus, so no disks")
    luns: dict[Annotated[int, Field(ge=0, le=65535)], Name] = Field(
        default_factory=dict, description="LUN number -> backstore")
    scsi_timeout: Duration | None = Field(None, description="device/timeout of every LUN's disk; whole seconds")


class Requires(Strict):
    """What a kernel must have, else the scenario is skipped with every reason."""

    modules: list[ModuleName] = Field(default_factory=list, description="modules, loaded or built in")
    config: list[Annotated[str, Field(pattern=CONFIG)]] = Field(
        default_factory=list, description="options that must be on: CONFIG_X, or CONFIG_X=m where only that will do")
    tools: list[Argument] = Field(default_factory=list, description="programs in the guest")
    parameters: list[Annotated[str, Field(pattern=MODULE_PARAMETER)]] = Field(
        default_factory=list, description="parameters of modules, MODULE.PARAMETER, that are in /sys/module")
    configfs: list[Annotated[Argument, Field(min_length=1)]] = Field(
        default_factory=list, description="files that are there once all is made, each a path as in `configfs`")
