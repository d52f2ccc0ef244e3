"""The word that draws what happens."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lab.scenario.base import LunRef, Strict
from lab.scenario.units import Duration

Kind = Literal["write", "read", "verify", "scsi", "configfs", "reset", "lun", "fault"]
# These make other operations fail; only then may one.
DISTURBING: tuple[Kind, ...] = ("reset", "lun", "fault")


class Stress(Strict):
    """Steps that a generator draws from the scenario's seed, by several workers at once, each written into the kernel
    log before it begins, as a scenario would have it. Data must be right at any time; an operation may fail only where
    `reset`, `lun` or `fault` is among the operations. The same seed draws the same steps for each worker."""

    time: Duration = Field(description="how long new operations are begun")
    workers: int = Field(4, ge=1, le=16, description="each writes to a part of every LUN of its own")
    luns: list[LunRef] = Field(min_length=1, max_length=16, description="the LUNs that I/O goes to")
    operations: dict[Kind, Annotated[int, Field(ge=1, le=100)]] = Field(
        min_length=1, description="what is drawn -> how often, against the others: write, read, verify: blocks; scsi: "
                                  "commands, also ones to be refused; configfs: reads; reset: of the LUN; lun: remove "
                                  "and add one; fault: dm-suspend or dm-error for a moment")

    @field_validator("time")
    @classmethod
    def _some(cls, seconds: float) -> float:
        if seconds <= 0:
            raise ValueError("the time must be longer than 0s")
        return seconds

    @property
    def disturbed(self) -> bool:
        """Whether operations may fail."""
        return any(kind in self.operations for kind in DISTURBING)
