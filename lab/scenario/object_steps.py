"""The words that change objects: resets, LUNs, targets and kernel modules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lab.scenario.base import LUN_TEXT, LunRef, ModuleName, Name, Scalar, Strict


class Reset(Strict):
    """SG_SCSI_RESET without escalation: what `sg_reset -N` does."""

    lun: LunRef = Field(description=LUN_TEXT)
    level: Literal["device", "target", "bus", "host"] = Field("device", description="what is reset")


class BackstoreStep(Strict):
    """`remove` takes a backstore's directory away, `add` makes it again, with its attributes, over the same file or
    device; what a ramdisk held is gone then."""

    action: Literal["add", "remove"] = Field(description="what happens to it")
    backstore: Name = Field(description="its name")


class LunStep(Strict):
    """Link a backstore as a LUN, or unlink it."""

    action: Literal["add", "remove"] = Field(description="link or unlink")
    target: Name = Field("target", description="a target's name; the default stands for the only one")
    number: int = Field(ge=0, description="the LUN")
    backstore: Name | None = Field(None, description="for add")

    @model_validator(mode="after")
    def _consistent(self) -> LunStep:
        if (self.action == "add") != (self.backstore is not None):
            raise ValueError("add needs backstore" if self.action == "add" else "remove takes no backstore")
        return self


class TargetStep(Strict):
    """`remove` takes LUNs, nexus, TPG and WWN away; `add` makes them again; offline/online is transport_status."""

    action: Literal["add", "remove", "offline", "online"] = Field(description="what happens to it")
    target: Name = Field("target", description="a target's name; the default stands for the only one")


class Account(Strict):
    """Between `begin` and `end`, every command is accounted for: all requests of the SCSI device have ended,
    and LIO counts as many commands of the backstore as the disks of all its LUNs have sent. `expect: {fields:
    ...}` of `end` says how many (in 5.10 a request that timed out is not among the completed): requests,
    completed, accepted (in_cmds of the LUN), commands (num_cmds of the backstore), reads, writes, read_bytes,
    written_bytes (of the block layer), read_mib, written_mib (LIO's)."""

    lun: LunRef = Field(description=LUN_TEXT)
    action: Literal["begin", "end"] = Field(description="begin counting, or judge what was counted")


class Module(Strict):
    """Load a kernel module with its parameters, or unload it."""

    action: Literal["load", "unload"] = Field(description="what happens to it")
    name: ModuleName = Field(description="the module")
    parameters: dict[str, Scalar] = Field(default_factory=dict, description="for load")

    @model_validator(mode="after")
    def _consistent(self) -> Module:
        if self.parameters and self.action != "load":
            raise ValueError("parameters belong to load")
        return self
