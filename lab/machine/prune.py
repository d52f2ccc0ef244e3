"""Images and checkpoints that nobody uses any more: the store does not grow for ever."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

KEEP_DAYS = 7.0


def used(path: Path) -> None:
    """Note that something of the store is in use now: its time of change says when it was last."""
    with contextlib.suppress(OSError):  # another user's store may be read only
        os.utime(path)


def prune(*folders: Path, keep_days: float = KEEP_DAYS) -> list[Path]:
    """Remove whatever in these folders was not used for `keep_days`, killed makers' leavings too; returns what went.

    Guests that run from a removed file keep it: they hold it open.
    """
    limit = time.time() - keep_days * 86400
    gone = []
    for entry in (e for folder in folders if folder.is_dir() for e in folder.iterdir()):
        with contextlib.suppress(OSError):
            if entry.lstat().st_mtime < limit:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
                gone.append(entry)
    return gone
