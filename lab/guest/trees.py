"""`attribute` and `walk`: many files of configfs in one step. What each must say is the host's to judge."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lab.guest import clock
from lab.guest import configfs as low
from lab.guest.files import within
from lab.guest.observation import Observation, Refused, errno_name
from lab.guest.registry import driver
from lab.guest.session import Session

_FILES_LIMIT = 2000
_TEXT_LIMIT = 4096


@driver("attribute")
def attribute(session: Session, deadline: float, *, file: str | list[str], takes: list[str] | None = None,
              reads: str | None = None, refuses: list[str] | None = None, errno: str | list[str] = "EINVAL",
              optional: bool = False) -> Observation:
    """Write every value into every file. `writes`: what each gave, and what the file said before and after it."""
    writes: list[dict[str, Any]] = []
    for name in [file] if isinstance(file, str) else file:
        path = within(session.root, session.expand(name))
        if optional and low.missing(path):
            writes.append({"file": name, "missing": True})
            continue
        for value in [*(takes or ()), *(refuses or ())]:
            _in_time(deadline)
            before = _said(path)
            writes.append({"file": name, "value": value, "before": before, "errno": _write(path, value),
                           "after": _said(path)})
    return {"ok": True, "writes": writes}


@driver("walk")
def walk(session: Session, deadline: float, *, directory: str, files: dict[str, str],
         optional: dict[str, str] | None = None, empty: list[str] | None = None) -> Observation:
    """Read every file below a directory. `found`: its text or the name of the error, by path; `empty`: directories."""
    root = within(session.root, session.expand(directory))
    found: dict[str, str] = {}
    bare: list[str] = []
    for folder, folders, names in os.walk(root, onerror=_raise):
        where = Path(folder)
        links = [name for name in folders if (where / name).is_symlink()]
        if not folders and not names:
            bare.append(str(where.relative_to(root)))
        for name in [*names, *links]:
            _in_time(deadline)
            found[str((where / name).relative_to(root))] = _said(where / name)
        if len(found) > _FILES_LIMIT:
            raise Refused(f"more than {_FILES_LIMIT} files are below {directory}")
    return {"ok": True, "found": found, "empty": sorted(bare)}


def _said(path: Path) -> str:
    """A file's text without its last newline, a link's target, or the name of the error that reading gives."""
    try:
        text = os.readlink(path) if path.is_symlink() else low.read(path).decode("utf-8", "backslashreplace")
    except OSError as error:
        return errno_name(error.errno)
    return text[:_TEXT_LIMIT].removesuffix("\n")


def _write(path: Path, value: str) -> str | None:
    try:
        low.write(path, value)
    except OSError as error:
        return errno_name(error.errno)
    return None


def _in_time(deadline: float) -> None:
    if clock.now() > deadline:
        raise Refused("the time for this step is over", errno="ETIMEDOUT")


def _raise(error: OSError) -> None:
    raise error
