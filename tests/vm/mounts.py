"""Mounts that only one process sees: a full disk, a missing program, without touching the host."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest


def private_mounts(*commands: str, after: str = "") -> list[str]:
    """Words to put before a command: it runs after these mount commands, in a mount namespace of its own.

    `after` is run when the command has ended, still inside. Skips the test where the host allows no such thing.
    """
    flags = ["-m"] if os.geteuid() == 0 else ["-Urm"]
    probe = subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True,
                           timeout=30, check=False)
    if probe.returncode:
        pytest.skip(f"this host allows no private mounts: {probe.stderr.strip()}")
    script = "\n".join(["set -e", *commands, "set +e", '"$@"', "status=$?", after, "exit $status"])
    return ["unshare", *flags, "--kill-child", "sh", "-c", script, "sh"]


def small_disk(where: object, size: str) -> str:
    """The command that mounts an empty file system of this size."""
    return f"mount -t tmpfs -o size={size} none {shlex.quote(str(where))}"
