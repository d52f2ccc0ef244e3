"""The one module that calls git: bounded, quiet, with git's own words in the error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError

_DEADLINE_S = 600.0  # a checkout of a kernel on a cold disk takes a minute
# What a caller's environment must not decide: which repository is meant, and the language of the messages.
_UNSET = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR")


@dataclass(frozen=True)
class Git:
    """git in one directory: a checkout, a worktree or a bare repository."""

    directory: Path

    def __call__(self, *words: str | Path, stdin: str | None = None, deadline_s: float = _DEADLINE_S,
                 env: Mapping[str, str] | None = None) -> str:
        """What `git WORDS` prints, without the last newline. LabError with git's last words when it fails."""
        done = self.ask(*words, stdin=stdin, deadline_s=deadline_s, env=env)
        if done.returncode != 0:
            raise LabError(f"git {words[0]} failed in {self.directory}: {done.last_words()}")
        return done.stdout.removesuffix("\n")

    def ask(self, *words: str | Path, stdin: str | None = None, deadline_s: float = _DEADLINE_S,
            env: Mapping[str, str] | None = None) -> process.Completed:
        """Run it and leave the exit status to the caller. MissingTool where there is no git."""
        environment = {name: value for name, value in os.environ.items() if name not in _UNSET}
        return process.run([process.find("git", "git"), "-C", self.directory, *words], stdin=stdin,
                           timeout_s=deadline_s, check=False,
                           env={**environment, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(env or {})})

    def commit(self, revision: str) -> str | None:
        """The full hash of the commit that a revision names; None when it names none."""
        done = self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return done.stdout.strip() if done.returncode == 0 else None
