"""Cases that a scenario describes itself and a suite's programs carry out: copies, and jobs of fio."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lab.problems import listed
from lab.scenario.base import Scalar, Strict
from lab.scenario.units import BlockRanges

_NOT_FIO = ("filename", "name", "output", "output-format")


def _of_fio(job: dict[str, Scalar]) -> dict[str, Scalar]:
    if taken := [key for key in job if key in _NOT_FIO]:
        raise ValueError(f"{taken[0]} cannot be set: the job runs on the LUN's disk, and is called as its case")
    return job


Job = Annotated[dict[str, Scalar], Field(min_length=1), AfterValidator(_of_fio)]
Jobs = Annotated[list[Job], Field(min_length=1)]
Way = Literal["sg", "block", "file"]
_SET = ("if", "of", "bs", "ibs", "obs", "count", "skip", "seek")


def _free(options: dict[str, Scalar]) -> dict[str, Scalar]:
    if taken := [key for key in options if key in _SET]:
        raise ValueError(f"{taken[0]} cannot be set here: it is what reads, writes, blocks, skip and seek say")
    return options


class Copy(Strict):
    """One copy, and what must be true after it: every block of the range holds what the source's does, no other block
    of the destination has changed, and the program counted as many as there are."""

    program: Literal["sg_dd", "sgp_dd", "sgm_dd", "sg_xcopy", "ddpt"] = Field(
        "sg_dd", description="of sg3_utils, or ddpt; the scenario is skipped where the guest has it not")
    reads: Way = Field("sg", description="the source LUN as /dev/sgN or /dev/sdX, or a file with the same blocks")
    writes: Way = Field("sg", description="the destination LUN as /dev/sgN or /dev/sdX, or a file")
    blocks: int = Field(ge=1, le=1 << 20, description="count=; bs= is the block size of the LUNs")
    skip: int = Field(0, ge=0, description="first block of the source")
    seek: int = Field(0, ge=0, description="first block of the destination")
    options: Annotated[dict[str, Scalar], AfterValidator(_free)] = Field(
        default_factory=dict, description="further operands: bpt, thr, iflag, oflag, coe, blk_sgio, cdbsz, ...")
    compare: Literal["same", "different"] | None = Field(
        None, description="--verify: nothing is copied, the destination holds the blocks already, or one of them does "
                          "not")
    unreadable: BlockRanges = Field(default_factory=list, description="blocks of the source that are copied as zeros")
    counted: int | None = Field(None, ge=0, description="blocks that the program says it copied; default: all")
    exit: int = Field(0, ge=0, le=255, description="exit status; 14 is a miscompare")

    @model_validator(mode="after")
    def _consistent(self) -> Copy:
        if self.program == "sg_xcopy" and "file" in (self.reads, self.writes):
            raise ValueError("EXTENDED COPY is between LUNs: a file cannot be copied by sg_xcopy")
        if self.compare is not None and self.program not in ("sg_dd", "ddpt"):
            raise ValueError(f"only {listed(['sg_dd', 'ddpt'], 'and')} compare")
        if self.compare is not None and self.writes != "sg":
            raise ValueError("VERIFY goes to /dev/sgN: compare needs writes: sg")
        return self
