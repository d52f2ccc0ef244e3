"""The words that look at and change single files of the kernel, and that wait for what they say."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lab.scenario.base import FORMS, HEX, Argument, LunRef, Name, Regex, Strict

VALUE_HEX = r"^([0-9a-f]{2})*$"
FORMS[VALUE_HEX] = FORMS[HEX]

Path = Annotated[Argument, Field(min_length=1)]


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

    tcmu: Name | None = Field(
        None, description="a tcmu backstore: match is held against what its handler saw since it started, in lines "
                          "`commands 7`, `met 1` (a rule), `held 1` (unanswered), `notice LUN_RESET 2` (of 2 commands)")

    @model_validator(mode="after")
    def _one_condition(self) -> WaitFor:
        kinds = ("sysfs", "configfs", "kernel_message", "in_flight", "tcmu")
        given = [k for k in kinds if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"wait_for needs exactly one of {', '.join(kinds)}")
        tests = [t for t in ("equals", "exists", "match") if getattr(self, t) is not None]
        if len(tests) != (given[0] in ("sysfs", "configfs", "tcmu")):
            raise ValueError("a file needs exactly one of equals, exists, match, and nothing else takes them")
        if self.tcmu is not None and self.match is None:
            raise ValueError("tcmu needs match")
        if self.sysfs is not None:
            _needs_lun(self.sysfs, self.lun)
        elif (self.in_flight is not None) != (self.lun is not None):
            raise ValueError("in_flight needs a lun" if self.lun is None else f"{given[0]} takes no lun")
        return self
