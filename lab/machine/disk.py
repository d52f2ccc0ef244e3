"""Read-only ext4 disk images, made from a directory without root."""

from __future__ import annotations

import os
from pathlib import Path

from lab import process


def make_ext4(root: Path, image: Path, *, label: str) -> None:
    """Write `root` as an ext4 file system to `image`; the files belong to root in it. LabError when it fails."""
    used = sum(f.lstat().st_size // 4096 + 1 for f in root.rglob("*")) * 4096
    inodes = sum(1 for _ in root.rglob("*")) + 256
    with open(image, "wb") as file:
        os.truncate(file.fileno(), used + used // 10 + (8 << 20))
    process.run([process.find("mke2fs", "e2fsprogs"), "-q", "-F", "-t", "ext4", "-L", label, "-O",
                 "^has_journal,^resize_inode", "-m", "0", "-N", str(inodes), "-E", "root_owner=0:0,lazy_itable_init=0",
                 "-d", root, image], timeout_s=300)
