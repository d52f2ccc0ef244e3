"""Brings a guest's coverage counters to the run directory: artifacts/coverage/, as its kernel made them (gcov).

Nothing here changes a verdict: what cannot be had is a note of the run.
"""

from __future__ import annotations

import base64
import binascii
import time
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from lab.errors import LabError
from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout
from lab.run.record import Recorder

FOLDER = "coverage"
_DEADLINE_S = 20.0  # with KVM, for all of it
_LIMIT_BYTES = 64 << 20  # of one run: drivers/target has 0.3 MB
_CANNOT = (LinkLost, LinkTimeout, AgentFailed, ValueError, OSError)


class Counters:
    """The counters of one run's guest; does nothing unless `wanted`. Interrupted passes through everywhere."""

    def __init__(self, link: Link, recorder: Recorder, *, wanted: bool, slowdown: float) -> None:
        self._link, self._recorder, self._wanted = link, recorder, wanted
        self._deadline_s = _DEADLINE_S * slowdown

    def begin(self) -> None:
        """What the guest ran until now is not this run's."""
        if not self._wanted:
            return
        try:
            self._link.request("coverage", deadline_s=self._deadline_s, reset=True)
        except _CANNOT as error:
            self.none(str(error))
            self._wanted = False

    def keep(self) -> None:
        """Write the counters to the run directory."""
        if not self._wanted:
            return
        began = time.monotonic()
        try:
            files = fetch(self._link, self._deadline_s)
            write(files, self._recorder.artifacts() / FOLDER)
        except _CANNOT as error:
            self.none(str(error))
            return
        self._recorder.event("coverage", files=len(files), bytes=sum(map(len, files.values())),
                             seconds=round(time.monotonic() - began, 3))

    def none(self, why: str) -> None:
        """Say that this run has no coverage."""
        if self._wanted:
            self._recorder.event("note", text=f"no coverage of this run: {why}")


def fetch(link: Link, deadline_s: float) -> dict[str, bytes]:
    """Path of an object on the host that built it -> its counters, a .gcda file.

    Raises LinkLost, LinkTimeout, AgentFailed, and ValueError for an answer that is none.
    """
    found: dict[str, bytes] = {}
    end, more, size = time.monotonic() + deadline_s, True, 0
    while more:
        reply = link.request("coverage", deadline_s=max(0.1, end - time.monotonic()), after=max(found, default=""))
        files, more = reply.get("files"), reply.get("more") is True
        if not isinstance(files, dict) or (more and not files):
            raise ValueError(f"the guest sent counters that are none: {str(reply)[:80]}")
        for name, packed in files.items():
            found[_checked(name)] = unpacked = _unpacked(packed, _LIMIT_BYTES - size)
            size += len(unpacked)
    return found


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Each file below `folder` at its object's path. OSError when the disk is full."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read(folder: Path) -> dict[str, Path]:
    """What `write` wrote: path of an object on the host that built it -> the file."""
    return {f"/{path.relative_to(folder).as_posix()}": path for path in sorted(folder.rglob("*.gcda"))}


def _checked(name: str) -> str:
    """A guest that went wrong must not choose where the host writes."""
    path = PurePosixPath(name)
    if not path.is_absolute() or ".." in path.parts or path.suffix != ".gcda" or "\0" in name:
        raise ValueError(f"the guest sent counters of {name[:80]!r}")
    return str(path)


def _unpacked(packed: object, limit: int) -> bytes:
    if not isinstance(packed, str):
        raise ValueError("the guest sent counters that are no text")
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(packed, validate=True), limit + 1)
    except (zlib.error, binascii.Error) as error:
        raise ValueError(f"the guest sent counters that are damaged ({error})") from None
    if not inflate.eof or len(data) > limit:
        raise ValueError(f"the guest sent counters that are cut off or longer than {_LIMIT_BYTES} bytes")
    return data


def answers(link: Link, slowdown: float) -> dict[str, bytes]:
    """The counters of a guest that was just made. LabError: what its kernel lacks, or why it does not answer."""
    try:
        return fetch(link, _DEADLINE_S * slowdown)
    except ValueError as error:
        raise LabError(str(error)) from None
