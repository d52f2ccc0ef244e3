"""Errors that a user can act on. Each str() is one sentence: what is wrong, where, what to do."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot go on; shown to the user as one sentence, never as a traceback."""

    exit_code = 3


class UsageError(LabError):
    """The user asked for something that cannot be: a bad option, scenario file or kernel name."""

    exit_code = 2


class MissingTool(LabError):
    """A program of the host that the lab needs is not installed."""

    def __init__(self, tool: str, package: str) -> None:
        super().__init__(f"{tool} is not installed; type: apt-get install {package}")
        self.tool, self.package = tool, package


class BuildFailed(LabError):
    """A kernel or module does not build: the source's fault. The sentence has the compiler's first error."""
