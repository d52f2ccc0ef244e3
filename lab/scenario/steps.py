"""The steps of a scenario: one type for each word. A driver of the same name in lab.guest carries it out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lab.problems import nearest
from lab.scenario.base import FORMS, HEX, LUN_TEXT, Argument, LunRef, ModuleName, Name, Regex, Scalar, Slip, Strict
from lab.scenario.expect import Expect
from lab.scenario.units import BlockRanges, Duration
from lab.t10.commands import COMMANDS, check_arguments

CDB = r"^([0-9a-f]{2}){6,260}$"
VALUE_HEX = r"^([0-9a-f]{2})*$"
TIMEOUT_LIMIT_S = 600.0
KEY = r"^[a-z0-9]$"
FORMS.update({CDB: "6 to 260 bytes in hex, two small digits each", VALUE_HEX: FORMS[HEX],
              KEY: "one small letter or digit"})

Path = Annotated[Argument, Field(min_length=1)]


class Write(Strict):
    """Write every block of a range; its contents name LBA and generation (the ledger)."""

    lun: LunRef = Field(description=LUN_TEXT)
    blocks: BlockRanges | None = Field(None, description="default: the whole LUN")
    pattern: Literal["ledger"] = Field("ledger", description="what the blocks hold")
    transfer: int = Field(64, ge=1, le=2048, description="blocks of one command")
    depth: int = Field(1, ge=1, le=128, description="commands in flight")
    via: Literal["block", "sg"] = Field("block", description="O_DIRECT on /dev/sdX, or WRITE(16) on /dev/sgN")


class Verify(Strict):
    """Read every block of a range and hold it against the ledger."""

    lun: LunRef = Field(description=LUN_TEXT)
    blocks: BlockRanges | None = Field(None, description="default: the whole LUN")
    allow_changed: BlockRanges = Field(default_factory=list, description="blocks that may hold anything")
    zero: BlockRanges = Field(default_factory=list, description="blocks that must read as zeros")
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
        given = [n for n in ("hex", "fill", "ledger", "read") if getattr(self, n) not in (None, False)]
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
    keep_attention: bool = Field(False, description="do not first clear a pending unit attention")

    @field_validator("command")
    @classmethod
    def _known_command(cls, value: str | None) -> str | None:
        if value is not None and value not in COMMANDS:
            near = nearest(value, COMMANDS)
            raise Slip(f"unknown SCSI command {value!r}" + ("" if near else f"; known are {', '.join(COMMANDS)}"), near)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Scsi:
        if (self.command is None) == (self.cdb is None):
            raise ValueError("scsi needs either command or cdb")
        if self.write is not None and self.command != "compare_and_write":
            raise ValueError("write belongs to the command compare_and_write; use data")
        if self.command is not None:
            check_arguments(self.command, lba=self.lba, blocks=self.blocks, arguments=self.arguments)
        elif self.lba is not None or self.blocks is not None or self.arguments:
            raise ValueError("a raw cdb holds its lba, blocks and arguments itself")
        return self


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


class FileStep(Strict):
    """One operation on a file below a root; exactly one of the verbs."""

    read: Path | None = Field(None, description="a file to read")
    write: Path | None = Field(None, description="a file to write")
    value: str | None = Field(None, description="for write: the text, without a newline added")
    value_hex: str | None = Field(None, pattern=VALUE_HEX, description="for write: the bytes in hex")
    value_repeat: int = Field(1, ge=1, le=65536, description="for write: the value this many times over")

    @model_validator(mode="after")
    def _one_verb(self) -> FileStep:
        known = [v for v in ("read", "write", "mkdir", "rmdir", "link", "unlink") if v in type(self).model_fields]
        verbs = [v for v in known if getattr(self, v) is not None]
        if len(verbs) != 1:
            found = f", not {' and '.join(verbs)} together" if verbs else ""
            raise ValueError(f"exactly one of the verbs {', '.join(known)} is needed{found}")
        values = (self.value is not None) + (self.value_hex is not None)
        if values != (self.write is not None) or (self.value_repeat != 1 and self.write is None):
            raise ValueError("write needs either value or value_hex, and only write takes a value")
        if (getattr(self, "link", None) is None) != (getattr(self, "to", None) is None):
            raise ValueError("link needs to, what the link points to, and only link takes it")
        return self


class Configfs(FileStep):
    """A path is below /sys/kernel/config/target; {target} stands for loopback/WWN/tpgt_N, {NAME} for a
    target or backstore of that name."""

    mkdir: Path | None = Field(None, description="a directory to make")
    rmdir: Path | None = Field(None, description="a directory to remove")
    link: Path | None = Field(None, description="the symbolic link to make")
    to: Path | None = Field(None, description="for link: what it points to")
    unlink: Path | None = Field(None, description="a symbolic link to remove")


def _needs_lun(path: str, lun: str | None) -> None:
    """A sysfs path is either relative, to a LUN's device, or absolute below /sys or /proc."""
    if path.startswith("/") and not path.startswith(("/sys/", "/proc/")):
        raise ValueError("an absolute path must be below /sys or /proc")
    if path.startswith("/") == (lun is not None):
        raise ValueError("an absolute path takes no lun" if lun else f"{path!r} is below a LUN's device: give lun")


class Sysfs(FileStep):
    """A path is below the LUN's SCSI device in sysfs (`state`, `timeout`, `queue_depth`), or absolute below
    /sys or /proc."""

    lun: LunRef | None = Field(None, description="the LUN that a relative path belongs to")

    @model_validator(mode="after")
    def _rooted(self) -> Sysfs:
        _needs_lun(self.read or self.write or "", self.lun)
        return self


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


class Run(Strict):
    """Any program in the guest, without a shell. {LUN} in an argument stands for its /dev/sdX, {sg:LUN} for
    /dev/sgN."""

    argv: list[Argument] = Field(min_length=1, description="program and arguments")
    stdin: str = Field("", description="what it reads")


class WaitFor(Strict):
    """Wait until a condition holds; the deadline is the step's timeout."""

    lun: LunRef | None = Field(None, description="the LUN that sysfs or in_flight is about")
    sysfs: Path | None = Field(None, description="a file, as in sysfs")
    configfs: Path | None = Field(None, description="a file, as in configfs")
    equals: str | None = Field(None, description="the file holds this text, without white space around")
    exists: bool | None = Field(None, description="the file is there, or is not")
    match: Regex | None = Field(None, description="the file holds text that matches this regular expression")
    kernel_message: Regex | None = Field(
        None, description="a regular expression in the kernel log since the scenario began")
    in_flight: int | None = Field(
        None, ge=0, description="at least this many requests of the LUN's disk are in flight")

    @model_validator(mode="after")
    def _one_condition(self) -> WaitFor:
        kinds = ("sysfs", "configfs", "kernel_message", "in_flight")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError("wait_for needs exactly one of sysfs, configfs, kernel_message, in_flight")
        tests = [t for t in ("equals", "exists", "match") if getattr(self, t) is not None]
        if len(tests) != (given[0] in ("sysfs", "configfs")):
            raise ValueError("a file needs exactly one of equals, exists, match, and nothing else takes them")
        if self.sysfs is not None:
            _needs_lun(self.sysfs, self.lun)
        elif (self.in_flight is not None) != (self.lun is not None):
            raise ValueError("in_flight needs a lun" if self.lun is None else f"{given[0]} takes no lun")
        return self


class Sleep(Strict):
    """Let time pass."""

    time: Duration = Field(description="for how long; prefer wait_for")


class Sysrq(Strict):
    """A letter to /proc/sysrq-trigger. In tests of the lab itself: c panics, l and w only report."""

    key: str = Field(pattern=KEY, description="the letter")


class Background(Strict):
    """Start a step and go on; `join` waits for it and judges it by its own `expect`."""

    name: Name = Field(description="what join calls it")
    step: Step = Field(description="the step that is started")


class Join(Strict):
    """Wait for a step in the background. With an `expect` here, that one counts instead of the step's own."""

    name: Name = Field(description="of the background step")


class Step(Strict):
    """One step: exactly one word, and what is common to all."""

    write: Write | None = None
    verify: Verify | None = None
    fio: Fio | None = None
    scsi: Scsi | None = None
    inject: Inject | None = None
    clear: Clear | None = None
    reset: Reset | None = None
    lun: LunStep | None = None
    target: TargetStep | None = None
    configfs: Configfs | None = None
    sysfs: Sysfs | None = None
    module: Module | None = None
    run: Run | None = None
    wait_for: WaitFor | None = None
    sleep: Sleep | None = None
    sysrq: Sysrq | None = None
    background: Background | None = None
    join: Join | None = None
    name: str | None = Field(None, min_length=1, max_length=200, description="what the report calls the step")
    expect: Expect | None = Field(None, description="default: the step succeeds")
    timeout: Duration = Field(60.0, description="scaled by how slow this host's guests are")

    @field_validator("timeout")
    @classmethod
    def _bounded(cls, seconds: float) -> float:
        if not 0 < seconds <= TIMEOUT_LIMIT_S:
            raise ValueError("a timeout must be longer than 0s and at most 10min")
        return seconds

    @property
    def word(self) -> str:
        """The one word of this step."""
        return next(w for w in WORDS if getattr(self, w) is not None)

    @model_validator(mode="after")
    def _one_word(self) -> Step:
        words = [w for w in WORDS if getattr(self, w) is not None]
        if len(words) != 1:
            raise ValueError(f"a step has exactly one word of: {', '.join(WORDS)}"
                             + (f"; this one has {' and '.join(words)}" if words else ""))
        return self


COMMON = ("name", "expect", "timeout")
WORDS = tuple(n for n in Step.model_fields if n not in COMMON)
