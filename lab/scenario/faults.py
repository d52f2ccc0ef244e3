"""Faults: what each needs and which keys it takes, and the words `inject` and `clear`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lab.problems import listed
from lab.scenario.base import FORMS, Name, Scalar, Strict
from lab.scenario.expect import Status
from lab.scenario.objects import Backstore
from lab.scenario.rules import ENDS, check_rule, whole_sense
from lab.scenario.units import BlockRanges, Duration, Size
from lab.t10.commands import COMMANDS

RULE = r"^[0-4] -?[0-9]+( 0x[0-9a-f]{1,2})+$"
FORMS[RULE] = "a line such as 2 -1 0x28 0x0 0x0 0x2 0x3 0x11 0x0, as scsi_debug's `error` file takes it"


@dataclass(frozen=True)
class Place:
    """What a fault's backstore must lie on, in words, and how a scenario says so."""

    words: str
    example: str
    fits: Callable[[Backstore], bool]


DM = Place("a device-mapper device", "on: {type: dm, over: ...}", lambda b: b.on is not None and b.on.type == "dm")
SCSI_DEBUG = Place("a scsi_debug disk", "on: {type: scsi_debug}",
                   lambda b: b.on is not None and b.on.bottom == "scsi_debug")
NULL_BLK = Place("a null_blk device", "on: {type: null_blk}", lambda b: b.on is not None and b.on.bottom == "null_blk")
BLOCK = Place("a block device", "on: {type: ...}", lambda b: b.on is not None)
FILE = Place("a file", "type: fileio", lambda b: b.type == "fileio" and b.on is None)
TCMU = Place("the handler of a tcmu backstore", "type: tcmu", lambda b: b.type == "tcmu")
EXT4 = Place("a file on ext4", "type: fileio, filesystem: ext4", lambda b: FILE.fits(b) and b.filesystem == "ext4")


@dataclass(frozen=True)
class Kind:
    """A fault: where it can be (None: in no backstore), its keys, and what a kernel needs for it."""

    place: Place | None
    keys: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    config: tuple[str, ...] = ()


def _attribute(name: str, place: Place | None = None, keys: tuple[str, ...] = ("parameters",)) -> Kind:
    """One of the kernel's fault attributes (Documentation/fault-injection)."""
    return Kind(place, keys, ("parameters",), config=("CONFIG_FAULT_INJECTION_DEBUG_FS", f"CONFIG_{name.upper()}"))


FAULTS = {
    "dm-error": Kind(DM, ("sectors",), modules=("dm_mod",)),
    "dm-suspend": Kind(DM, modules=("dm_mod",)),
    "dm-flakey": Kind(DM, ("mode", "byte", "up", "down"), modules=("dm_mod", "dm_flakey")),
    "dm-delay": Kind(DM, ("delay", "only"), ("delay",), modules=("dm_mod", "dm_delay")),
    "scsi-debug": Kind(SCSI_DEBUG, ("parameters",), ("parameters",)),
    "scsi-debug-error": Kind(SCSI_DEBUG, ("rule",), ("rule",)),
    "disk-offline": Kind(SCSI_DEBUG),
    "disk-delete": Kind(SCSI_DEBUG),
    "null-blk-badblocks": Kind(NULL_BLK, ("sectors",), ("sectors",)),
    "enospc": Kind(EXT4),
    "read-only": Kind(EXT4),
    "truncate": Kind(FILE, ("keep",), ("keep",)),
    "tcmu": Kind(TCMU, ("command", "opcode", "lba", "times", "delay", *ENDS, "information")),
    "tcmu-dead": Kind(TCMU),
    "memory-pressure": Kind(None, ("leave",), ("leave",)),
    "cpu-stall": Kind(None, ("time",), ("time",)),
    "failslab": _attribute("failslab", keys=("parameters", "cache")),
    "fail_page_alloc": _attribute("fail_page_alloc"),
    "fail_make_request": _attribute("fail_make_request", BLOCK),
    "fail_io_timeout": _attribute("fail_io_timeout", BLOCK),
}
FaultName = Literal[
    "dm-error", "dm-suspend", "dm-flakey", "dm-delay", "scsi-debug", "scsi-debug-error", "disk-offline", "disk-delete",
    "null-blk-badblocks", "enospc", "read-only", "truncate", "tcmu", "tcmu-dead", "memory-pressure", "cpu-stall",
    "failslab", "fail_page_alloc", "fail_make_request", "fail_io_timeout"]
STALL_LIMIT_S = 10.0  # half of what the kernel's soft-lockup detector takes for one (watchdog_thresh)


class Inject(Strict):
    """Switch a fault on. It is cleared by `clear`, or by the teardown."""

    fault: FaultName = Field(description="what goes wrong")
    on: Name | None = Field(None, description="backstore; memory-pressure, cpu-stall, failslab and fail_page_alloc "
                                              "have none")
    sectors: BlockRanges | None = Field(None, description="dm-error, null-blk-badblocks: 512-byte sectors; "
                                                          "default: the whole device")
    mode: Literal["error", "error_reads", "error_writes", "drop_writes", "corrupt_reads", "corrupt_writes"] | None = \
        Field(None, description="dm-flakey: all I/O fails (the default), reads or writes do, writes are acknowledged "
                                "and dropped, or a byte of each request is changed")
    byte: Annotated[int, Field(ge=1, le=1 << 20)] | None = Field(
        None, description="dm-flakey: which byte of each request is changed; the first is 1, and the default")
    up: Duration | None = Field(None, description="dm-flakey: so long it works first; whole seconds")
    down: Duration | None = Field(None, description="dm-flakey: then it fails so long, and so on; default: it fails "
                                                    "until it is cleared")
    delay: Duration | None = Field(None, description="dm-delay: how much later each request is passed on; tcmu: how "
                                                     "much later the command is answered")
    only: Literal["reads", "writes"] | None = Field(None, description="dm-delay: the requests that wait; default: all")
    parameters: dict[str, Scalar] = Field(
        default_factory=dict, description="scsi-debug: attributes of its driver, such as opts and every_nth; "
                                          "failslab and others: files of theirs, such as probability and times")
    rule: str | None = Field(None, pattern=RULE, description=(
        "scsi-debug-error: a line for the disk's `error` file in debugfs; `2 -1 0x28 0x0 0x0 0x2 0x3 0x11 0x0` makes "
        "one READ(10) fail with 3/11/00"))
    keep: Size | None = Field(None, description="truncate: what is left of the file")
    leave: Size | None = Field(None, description="memory-pressure: memory that stays available")
    time: Duration | None = Field(None, description="cpu-stall: how long every CPU is kept from all but interrupts and "
                                                    f"a twentieth of its work; at most {STALL_LIMIT_S:g}s")
    command: str | None = Field(None, description="tcmu, one rule: standard name of the commands; default: all",
                                json_schema_extra={"enum": [*COMMANDS]})
    opcode: Annotated[int, Field(ge=0, le=255)] | None = Field(None, description="tcmu: operation code instead")
    lba: BlockRanges | None = Field(None, description="tcmu: only commands that touch one of these blocks")
    times: Annotated[int, Field(ge=1)] | None = Field(None, description="tcmu: only the first so many; default: all")
    sense: Annotated[str, AfterValidator(whole_sense)] | None = Field(
        None, description="tcmu: CHECK CONDITION with this sense data, key/ASC/ASCQ in hex; a RECOVERED ERROR (1/..) "
                          "is told after the command was carried out")
    information: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        None, description="tcmu: INFORMATION field of the sense data")
    status: Status | None = Field(None, description="tcmu: this status, and nothing is done")
    drop: bool | None = Field(None, description="tcmu: not carried out and not answered; BUSY once it is cleared")
    ring: Literal["unknown-opcode", "unknown-id", "twice", "keep-buffer", "pad-to-end", "bad-address"] | None = Field(
        None, description="tcmu: an answer with TCMU_UFLAG_UNKNOWN_OP; with an id that no command has; a second one in "
                          "the slot of a command that is held; one with TCMU_UFLAG_KEEP_BUF; padding behind it up to "
                          "the end of the ring; or the handler's death by a wrong address")
    cache: str | None = Field(None, pattern=r"^[A-Za-z0-9_:-]+$", description="failslab: only this slab cache")

    @model_validator(mode="after")
    def _consistent(self) -> Inject:
        kind = FAULTS[self.fault]
        _has_place(self.fault, self.on)
        given = [key for key in type(self).model_fields if getattr(self, key) not in (None, {})]
        for key in given:
            if key not in ("fault", "on", *kind.keys):
                owners = [name for name, other in FAULTS.items() if key in other.keys]
                raise ValueError(f"{key} belongs to {listed(owners, 'and')}, and this is {self.fault}")
        if missing := [key for key in kind.needed if key not in given]:
            raise ValueError(f"{self.fault} needs {missing[0]}")
        if (self.up is None) != (self.down is None):
            raise ValueError("up and down come together")
        if any(span is not None and span != int(span) for span in (self.up, self.down)):
            raise ValueError("dm-flakey counts up and down in whole seconds")
        if self.byte is not None and self.mode not in ("corrupt_reads", "corrupt_writes"):
            raise ValueError("byte belongs to the modes corrupt_reads and corrupt_writes")
        if self.fault == "tcmu":
            check_rule(self.model_dump())
        if self.time is not None and self.time > STALL_LIMIT_S:
            raise ValueError(f"a stall of more than {STALL_LIMIT_S:g}s may be taken for a lockup")
        return self


class Clear(Strict):
    """Switch a fault off."""

    fault: FaultName = Field(description="as in inject")
    on: Name | None = Field(None, description="backstore, as in inject")

    @model_validator(mode="after")
    def _consistent(self) -> Clear:
        _has_place(self.fault, self.on)
        return self


def _has_place(fault: str, on: str | None) -> None:
    if (FAULTS[fault].place is None) != (on is None):
        raise ValueError(f"{fault} needs on, a backstore" if on is None else f"{fault} has no backstore; leave out on")
