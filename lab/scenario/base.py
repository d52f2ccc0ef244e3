"""The strict base of every type of the language."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic import StringConstraints as Text

NAME = r"^[a-z][a-z0-9_-]*$"
LUN = r"^[a-z][a-z0-9_-]*(/[0-9]{1,5})?$"
HEX = r"^([0-9a-f]{2})+$"
MODULE = r"^[A-Za-z0-9_-]+$"

# What a pattern demands, in words, for messages.
FORMS = {
    NAME: "a name of small letters, digits, - and _ that begins with a letter",
    LUN: "a backstore's name or TARGET/NUMBER",
    HEX: "bytes in hex, two small digits each, such as 00ff",
    MODULE: "the name of a kernel module",
}


class Slip(ValueError):
    """A value that is not known; carries the nearest right word."""

    def __init__(self, message: str, suggestion: str | None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return pattern


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("a NUL character cannot be passed to the kernel here")
    return text


Scalar = StrictStr | StrictInt | StrictFloat | StrictBool
Name = Annotated[str, Text(pattern=NAME, max_length=64)]
LunRef = Annotated[str, Text(pattern=LUN)]
LUN_TEXT = "a LUN: its backstore's name, or TARGET/NUMBER where that is behind several"
ModuleName = Annotated[str, Text(pattern=MODULE, max_length=64)]
Regex = Annotated[str, Text(min_length=1), AfterValidator(_compiles)]
Argument = Annotated[str, AfterValidator(_no_nul)]


class Strict(BaseModel):
    """Unknown keys are errors, types are not guessed, a value does not change once it is made."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
