"""The words that move data: pattern I/O, fio and SCSI commands."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from lab.problems import nearest
from lab.scenario.base import FORMS, HEX, LUN_TEXT, LunRef, Scalar, Slip, Strict
from lab.scenario.units import BlockRanges, Duration
from lab.t10.commands import COMMANDS, check_arguments

CDB = r"^([0-9a-f]{2}){6,252}$"
FORMS[CDB] = "6 to 252 bytes in hex, two small digits each"

# As the ledger finds a block: what the last write put there, what was there before it, parts of both, or neither.
BlockState = Literal["new", "old", "torn", "lost"]


class Write(Strict):
    """Write every block of a range; its contents name LBA and generation (the ledger)."""

    lun: LunRef = Field(description=LUN_TEXT)
    blocks: BlockRanges | None = Field(None, description="default: the whole LUN")
    pattern: Literal["ledger"] = Field("ledger", description="what the blocks hold")
    transfer: int = Field(64, ge=1, le=2048, description="blocks of one command")
    depth: int = Field(1, ge=1, le=128, description="commands in flight")
    via: Literal["block", "sg"] = Field("block", description="O_DIRECT on /dev/sdX, or WRITE(16) on /dev/sgN")


class Read(Strict):
    """Read every block of a range, whatever it holds: `verify` looks at what is read, this only at how it ends."""

    lun: LunRef = Field(description=LUN_TEXT)
    blocks: BlockRanges | None = Field(None, description="default: the whole LUN")
    transfer: int = Field(64, ge=1, le=2048, description="blocks of one command")
    depth: int = Field(1, ge=1, le=128, description="commands in flight")
    via: Literal["block", "sg"] = Field("block", description="O_DIRECT on /dev/sdX, or READ(16) on /dev/sgN")


class Verify(Strict):
    """Read every block of a range and hold it against the ledger."""

    lun: LunRef = Field(description=LUN_TEXT)
    blocks: BlockRanges | None = Field(None, description="default: the whole LUN")
    allow_changed: BlockRanges = Field(default_factory=list, description="blocks that may hold anything")
    zero: BlockRanges = Field(default_factory=list, description="blocks that must read as zeros")
    acknowledged: list[Literal["new", "torn", "lost"]] = Field(
        default=["new"], min_length=1, description="what a block may be whose last write was acknowledged")
    failed: list[BlockState] = Field(
        default=["new", "old"], min_length=1, description="what a block may be whose last write failed")
    in_flight: list[BlockState] = Field(
        default=["new", "old"], min_length=1, description="what a block may be whose last write has not ended yet")
    transfer: int = Field(64, ge=1, le=2048, description="blocks of one command")
    via: Literal["block", "sg"] = Field("block", description="O_DIRECT on /dev/sdX, or READ(16) on /dev/sgN")


class Fio(Strict):
    """Run fio on the LUN's disk. Options are fio's own; filename, direct=1 and ioengine=libaio are set."""

    lun: LunRef = Field(description=LUN_TEXT)
    options: dict[str, Scalar] = Field(
        min_length=1, description="fio job options: rw, bs, size, iodepth, verify, runtime, ...")

    @field_validator("options")
    @classmethod
    def _not_the_file(cls, options: dict[str, Scalar]) -> dict[str, Scalar]:
        if "filename" in options:
            raise ValueError("filename cannot be set; the job runs on the LUN's disk")
        return options


class PatternData(Strict):
    """Data that a command sends."""

    hex: str | None = Field(None, pattern=HEX, description="these bytes, repeated to the length")
    fill: int | None = Field(None, ge=0, le=255, description="every byte has this value")
    ledger: bool | None = Field(None, description="blocks of the ledger; on GOOD they are recorded as written")
    read: bool | None = Field(None, description="what the blocks at the LBA hold now (COMPARE AND WRITE)")
    length: int | None = Field(None, ge=0, le=1 << 24, description="bytes; default: what the CDB says")
    flip: int | None = Field(None, ge=0, description="then invert the byte at this offset")

    @model_validator(mode="after")
    def _one_source(self) -> PatternData:
        # By identity: a fill of 0 is given, although 0 == False.
        given = [v for v in (self.hex, self.fill, self.ledger, self.read) if v is not None and v is not False]
        if len(given) != 1:
            raise ValueError("data needs exactly one of hex, fill, ledger: true, read: true")
        return self


class Scsi(Strict):
    """Send one SCSI command through the LUN's /dev/sgN: by name with its fields, or as raw bytes."""

    lun: LunRef = Field(description=LUN_TEXT)
    command: str | None = Field(None, description="standard name, such as read10, write_same16, inquiry",
                                json_schema_extra={"enum": [*COMMANDS]})
    cdb: str | None = Field(None, pattern=CDB, description="raw CDB in hex instead")
    lba: int | None = Field(None, ge=0, le=2**64 - 1, description="logical block address")
    blocks: int | None = Field(None, ge=0, le=2**32 - 1, description="the CDB's transfer length")
    arguments: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="further fields of the CDB or parameter list")
    data: PatternData | None = Field(None, description="data-out, and the compare part of COMPARE AND WRITE")
    write: PatternData | None = Field(None, description="COMPARE AND WRITE: the write part")
    receive: int | None = Field(None, ge=0, le=1 << 20, description="bytes of the data-in buffer")
    page_offset: int | None = Field(None, ge=0, le=4095, description=(
        "the data buffer begins at this byte of a page, and the kernel uses its pages as they are (/dev/sdX)"))
    source: LunRef | None = Field(None, description="EXTENDED COPY: the LUN that is read; default: `lun`")
    destination: LunRef | None = Field(None, description="EXTENDED COPY: the LUN that is written; default: `lun`")
    abort_after: Duration | None = Field(
        None, description="how long SCSI waits before it aborts the command (ABORT TASK); default: the disk's timeout")
    keep_attention: bool = Field(False, description="do not first clear a pending unit attention")

    @field_validator("command")
    @classmethod
    def _known_command(cls, value: str | None) -> str | None:
        if value is not None and value not in COMMANDS:
            near = nearest(value, COMMANDS)
            known = "" if near else f"; known are {', '.join(COMMANDS)}"
            raise Slip(f"unknown SCSI command {value!r}{known}", near)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Scsi:
        if self.abort_after is not None and self.abort_after < 0.001:
            raise ValueError("abort_after is at least 1ms")
        if (self.command is None) == (self.cdb is None):
            raise ValueError("scsi needs either command or cdb")
        if self.write is not None and self.command != "compare_and_write":
            raise ValueError("write belongs to the command compare_and_write; use data")
        if self.command != "extended_copy" and (self.source or self.destination):
            raise ValueError("source and destination belong to the command extended_copy")
        if self.command is not None:
            check_arguments(self.command, lba=self.lba, blocks=self.blocks, arguments=self.arguments)
        elif self.lba is not None or self.blocks is not None or self.arguments:
            raise ValueError("a raw cdb holds its lba, blocks and arguments itself")
        return self
