"""Named kernels: kernels/NAME.yaml says what a short name stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StrictStr, StringConstraints, ValidationError

from lab import document
from lab.problems import Problems

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]*$", max_length=64)]
_Line = Annotated[StrictStr, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\n]*$")]

NO_KERNELS = ("known-bugs.yaml", "unreachable.yaml")
"""The files there that are no kernels (docs/known-bugs.md, docs/coverage.md)."""


class _File(BaseModel):
    """The format of kernels/*.yaml."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    kernel: _Name
    summary: _Line
    spec: _Line
    cmdline: _Line | None = None


@dataclass(frozen=True)
class NamedKernel:
    """A name, what it is for, what it stands for, and more kernel parameters for it."""

    name: str
    summary: str
    spec: str
    cmdline: str
    path: Path


def named_kernels(named: Path) -> list[NamedKernel]:
    """All of `named`/*.yaml, by name. Raises Problems (a UsageError) for the first file that is not right."""
    return [load(path) for path in sorted(named.glob("*.yaml")) if path.name not in NO_KERNELS]


def load(path: Path) -> NamedKernel:
    """One file; raises Problems with all that is wrong in it.

    Its `kernel` must be its file name, so that a name is found without reading every file.
    """
    source = document.read(path)
    try:
        file = _File.model_validate(source.value)
    except ValidationError as error:
        raise Problems([source.problem(e["loc"], f"{'.'.join(map(str, e['loc']))}: {e['msg']}",
                                       key=e["type"] == "extra_forbidden") for e in error.errors()]) from None
    if file.kernel != path.stem:
        message = f"the kernel is called {file.kernel!r}; it must be called as its file, {path.stem!r}"
        raise Problems([source.problem(("kernel",), message)])
    return NamedKernel(file.kernel, file.summary, file.spec, file.cmdline or "", path)
