"""The words that change objects: faults, resets, LUNs, targets and kernel modules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lab.scenario.base import LUN_TEXT, LunRef, ModuleName, Name, Scalar, Strict
from lab.scenario.units import BlockRanges


class Inject(Strict):
    """Switch a fault on. It is cleared by `clear`, or by the teardown."""

    fault: Literal["dm-error", "dm-suspend"] = Field(description="the device fails, or holds all I/O")
    on: Name = Field(description="backstore")
    sectors: BlockRanges | None = Field(None, description="dm-error: 512-byte sectors; default: the whole device")

    @model_validator(mode="after")
    def _consistent(self) -> Inject:
        if self.sectors is not None and self.fault != "dm-error":
            raise ValueError("sectors belongs to dm-error; dm-suspend stops the whole device")
        return self


class Clear(Strict):
    """Switch a fault off."""

    fault: Literal["dm-error", "dm-suspend"] = Field(description="as in inject")
    on: Name = Field(description="backstore")


class Reset(Strict):
    """SG_SCSI_RESET without escalation: what `sg_reset -N` does."""

    lun: LunRef = Field(description=LUN_TEXT)
    level: Literal["device", "target", "bus", "host"] = Field("device", description="what is reset")


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
