"""What a step or a whole scenario expects: the observable facts that a verdict compares."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from lab.problems import nearest
from lab.scenario.base import HEX, Regex, Scalar, Slip, Strict
from lab.scenario.units import Duration
from lab.t10.sense import parse_sense
from lab.t10.status import HOST_STATUS

Status = Literal["GOOD", "CHECK_CONDITION", "CONDITION_MET", "BUSY", "RESERVATION_CONFLICT", "TASK_SET_FULL",
                 "ACA_ACTIVE", "TASK_ABORTED"]
Errno = Literal["EACCES", "EAGAIN", "EBUSY", "EEXIST", "EFBIG", "EINVAL", "EIO", "EILSEQ", "EISDIR", "ENODATA",
                "ENODEV", "ENOENT", "ENOMEM", "ENOSPC", "ENOSYS", "ENOTDIR", "ENOTEMPTY", "ENXIO", "EPERM",
                "EREMOTEIO", "EOPNOTSUPP", "EOVERFLOW", "EBADE", "ENOLINK", "ETIMEDOUT", "ENAMETOOLONG", "EROFS",
                "ERANGE", "EBADMSG", "EFAULT", "ESRCH"]


class Took(Strict):
    """How long a step may take. Only lower bounds and generous upper ones survive a slow machine."""

    at_least: Duration | None = Field(None, description="the step must not end before this")
    at_most: Duration | None = Field(None, description="scaled by how slow this host's guests are")

    @model_validator(mode="after")
    def _is_a_span(self) -> Took:
        if self.at_least is None and self.at_most is None:
            raise ValueError("took needs at_least or at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is longer than at_most, which nothing can meet")
        return self


class KernelMessage(Strict):
    """A kernel message that is let pass (`allow`), or that must come (`require`)."""

    match: Regex = Field(description="a regular expression, searched in the message or its title")
    reason: str = Field(min_length=1, description="why; shown in the report")


class KernelExpect(Strict):
    """What the kernel may and must print, in the scenario or in one step. Any other failure message fails the run.

    In a step: `allow` lets pass what began or was reported in it, `require` must come between its begin and its end.
    """

    allow: list[KernelMessage] = Field(default_factory=list, description="messages that are let pass")
    require: list[KernelMessage] = Field(default_factory=list, description="messages that must come")

    def allowed(self, title: str, text: str) -> str | None:
        """The reason why a kernel report with this title and text is let pass; None when it is not."""
        return next((m.reason for m in self.allow if re.search(m.match, title) or re.search(m.match, text)), None)


class Expect(Strict):
    """Facts about one step. All that are given must hold. With none given but `kernel`, the step must succeed."""

    ok: bool | None = Field(None, description="the step as a whole succeeded, or failed")
    status: Status | None = Field(None, description="SAM-5 status of the command")
    sense: str | None = Field(None, description="sense key by name, or key/ASC/ASCQ in hex: MEDIUM_ERROR, "
                                                "or 5/21/00, or both: ILLEGAL_REQUEST 21/00")
    sense_format: Literal["fixed", "descriptor"] | None = Field(
        None, description="format of the sense data (SPC-4 4.5)")
    information: int | None = Field(None, ge=0, le=2**64 - 1, description="INFORMATION field of the sense data")
    errno: Errno | Annotated[list[Errno], Field(min_length=1)] | None = Field(
        None, description="error of the system call; a list: any of them")
    host_status: str | None = Field(None, description="host byte of the command: DID_TRANSPORT_DISRUPTED")
    residual: int | None = Field(None, description="bytes of the buffer that were not transferred")
    fields: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict, description="decoded fields of the answer")
    data: str | None = Field(None, pattern=HEX, description="the answer begins with these bytes")
    fill: int | None = Field(None, ge=0, le=255, description="every byte of the answer has this value")
    text: str | None = Field(None, description="what was read or printed is exactly this, without white space around")
    match: Regex | None = Field(None, description="what was read or printed contains this regular expression")
    exit: int | None = Field(None, description="exit status of the program")
    took: Took | None = Field(None, description="how long the step took")
    any_of: list[Expect] | None = Field(None, min_length=1, description="one of these must hold")
    kernel: KernelExpect | None = Field(None, description="messages of the kernel during this step")

    @field_validator("sense")
    @classmethod
    def _sense_is_known(cls, value: str | None) -> str | None:
        if value is not None:
            parse_sense(value)  # raises ValueError with the nearest right name
        return value

    @field_validator("host_status")
    @classmethod
    def _host_status_is_known(cls, value: str | None) -> str | None:
        if value is not None and value not in HOST_STATUS.values():
            raise Slip(f"unknown host status {value!r}", nearest(value, HOST_STATUS.values()))
        return value

    @model_validator(mode="after")
    def _says_something(self) -> Expect:
        if not self.facts:
            raise ValueError("an empty expect asserts nothing; leave it out to expect success")
        if self.kernel is not None and not self.kernel.allow and not self.kernel.require:
            raise ValueError("an empty kernel lets nothing pass and requires nothing; leave it out")
        return self

    @property
    def facts(self) -> list[str]:
        """The names of the facts that are given."""
        return [name for name in type(self).model_fields if getattr(self, name) not in (None, {})]

    @property
    def observed(self) -> list[str]:
        """The facts that the step's own observation decides: all but what the kernel prints."""
        return [name for name in self.facts if name != "kernel"]


class ScenarioExpect(Strict):
    """What must be true of the scenario as a whole."""

    kernel: KernelExpect = Field(default_factory=KernelExpect, description="messages; the default is a clean log")
