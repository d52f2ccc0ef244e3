"""git for tests: as a developer who has a name, whatever this machine's git knows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_NOBODY = {"GIT_AUTHOR_NAME": "A Developer", "GIT_AUTHOR_EMAIL": "dev@example.org", "GIT_COMMITTER_NAME": "A Developer",
           "GIT_COMMITTER_EMAIL": "dev@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(directory: Path, *words: str) -> str:
    """What it prints, without white space around. Fails the test with git's words when it fails."""
    done = subprocess.run(["git", "-C", str(directory), *words], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **_NOBODY}, check=False)
    assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr}"
    return done.stdout.strip()
