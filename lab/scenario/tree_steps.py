"""The words for many files of configfs at once: `attribute` writes one value after the other, `walk` reads a tree."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lab.scenario.base import Argument, Regex, Strict
from lab.scenario.expect import Errno

Path = Annotated[Argument, Field(min_length=1)]


class Attribute(Strict):
    """Write one value after the other into each file, first those it takes, then those it refuses, which must change
    nothing. Paths are those of `configfs`."""

    file: Path | Annotated[list[Path], Field(min_length=1)] = Field(description="the file, or each of these")
    takes: list[str] = Field(default_factory=list, description="values that are taken; the last one stays")
    reads: str | None = Field(None, description="what the file says after each of takes; default: the value itself")
    refuses: list[str] = Field(default_factory=list, description="values that are refused, without a newline added")
    errno: Errno | Annotated[list[Errno], Field(min_length=1)] = Field(
        "EINVAL", description="the error of each refused write; a list: any of them")
    optional: bool = Field(False, description="a file that is not there is passed over")

    @model_validator(mode="after")
    def _writes_something(self) -> Attribute:
        if not self.takes and not self.refuses:
            raise ValueError("attribute needs values: takes, refuses or both")
        if self.reads is not None and not self.takes:
            raise ValueError("reads is what the file says after takes, and there is no takes")
        if "" in self.takes + self.refuses:
            raise ValueError("configfs does not pass an empty write on; a newline is the nearest to nothing")
        return self

    @property
    def files(self) -> list[str]:
        """The files, also when there is one."""
        return [self.file] if isinstance(self.file, str) else self.file

    @property
    def errnos(self) -> list[str]:
        """The errors that a refused value may give."""
        return [self.errno] if isinstance(self.errno, str) else list(self.errno)


class Walk(Strict):
    """Read every file below a directory of configfs: all that are named must be there and say what they must, and
    nothing else may be there."""

    directory: Path = Field(description="where to begin, as in configfs")
    files: dict[Path, Regex] = Field(
        min_length=1, description="path -> a regular expression for all of the text, or the error that reading gives; "
                                  "a symbolic link says where it points to")
    optional: dict[Path, Regex] = Field(default_factory=dict, description="the same, of files that may be missing")
    empty: list[Path] = Field(default_factory=list, description="directories that hold nothing")

    @model_validator(mode="after")
    def _named_once(self) -> Walk:
        if twice := sorted(self.files.keys() & self.optional.keys()):
            raise ValueError(f"{twice[0]} is in files and in optional; it can be one of them only")
        return self
