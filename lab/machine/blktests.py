"""What a guest needs for blktests: the checkout that the variable BLKTESTS names, and the host's GNU programs.

None of it is part of the lab. Without the variable a guest has nothing of this, with it guests have another image.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lab import process
from lab.errors import MissingTool, UsageError

VARIABLE = "BLKTESTS"
PLACE = "/opt/blktests"  # in the guest
# What `check` and its tests call, where the guest has only busybox's or none. What the host lacks is left out: `check`
# itself says of a test that it cannot be run without, and the guest says what `check` cannot be run without.
# A `sh` of busybox would take busybox's programs before those of PATH.
PROGRAMS = {
    "bash": "bash", "gawk": "gawk awk", "diffutils": "diff cmp", "findutils": "find xargs", "grep": "grep",
    "sed": "sed", "dash": "sh", "gzip": "gzip zcat zgrep", "bc": "bc", "strace": "strace", "parted": "parted",
    "blktrace": "blktrace", "xfsprogs": "mkfs.xfs xfs_io", "nvme-cli": "nvme", "nbd-client": "nbd-client",
    "nbd-server": "nbd-server", "mdadm": "mdadm", "kpartx": "kpartx", "bsdextrautils": "column hexdump",
    "procps": "pgrep pkill ps", "mount": "losetup mount umount",
    "util-linux": "getopt blockdev lsblk blkdiscard blkzone dmesg partx setpriv taskset findmnt fallocate flock "
                  "mountpoint fsfreeze swapon mkswap",
    "coreutils": "basename cat chmod chown comm cp cut date dd dirname env expr head id kill ln ls md5sum mkdir mkfifo "
                 "mknod mktemp mv nproc od printf readlink realpath rm rmdir seq sha1sum shuf sleep sort stat stdbuf "
                 "sync tac tail tee timeout touch tr true truncate uname uniq wc yes",
}
_LEFT_OUT = {".git", "results"}


def checkout() -> Path | None:
    """The directory that the user names; None without. UsageError where it is no checkout of blktests."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not (folder / "check").is_file() or not (folder / "tests").is_dir():
        raise UsageError(f"{VARIABLE}={named}: there is no `check` and no `tests` in it; name a checkout of blktests")
    return folder


def files() -> Iterator[tuple[str, Path]]:
    """(path in the guest, file of the host) of the checkout, with what `make` built there."""
    folder = checkout()
    for directory in folders():
        assert folder is not None
        yield from ((f"{PLACE}/{f.relative_to(folder)}", f) for f in sorted(directory.iterdir()) if f.is_file())


def folders() -> list[Path]:
    """The directories of the checkout: a new file in one of them makes a new image."""
    folder = checkout()
    if folder is None:
        return []
    found = []
    for place, names, _ in os.walk(folder):
        names[:] = sorted(set(names) - _LEFT_OUT)
        found.append(Path(place))
    return found


def programs() -> list[Path]:
    """Those of the host's programs that are there; none without a checkout."""
    found = []
    for package, tools in PROGRAMS.items() if checkout() is not None else ():
        for tool in tools.split():
            with contextlib.suppress(MissingTool):
                found.append(process.find(tool, package))
    return found


def built() -> list[Path]:
    """The binaries of the checkout, whose shared libraries the guest needs."""
    found = []
    for _, file in files():
        with file.open("rb") as opened:
            if opened.read(4) == b"\x7fELF":
                found.append(file)
    return found
