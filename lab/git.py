"""The one module that calls git: bounded, quiet, with git's own words in the error."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError

_DEADLINE_S = 600.0  # a checkout of a kernel on a cold disk takes a minute
_GRACE_S = 10.0
# What a caller's environment must not decide: which repository is meant, and the language of the messages.
_UNSET = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_COMMON_DIR")

_ENVIRONMENT = {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


@dataclass(frozen=True)
class Git:
    """git in one directory: a checkout, a worktree or a bare repository."""

    directory: Path

    options: Sequence[str] = ()  # before the command: -c name=value

    def __call__(self, *words: str | Path, deadline_s: float = _DEADLINE_S,
                 env: Mapping[str, str] | None = None) -> str:
        """What `git WORDS` prints, without the last newline. LabError with git's last words when it fails."""
        done = self.ask(*words, deadline_s=deadline_s, env=env)
        if done.returncode != 0:
            raise LabError(f"git {words[0]} failed in {self.directory}: {done.last_words()}")
        return done.stdout.removesuffix("\n")

    def ask(self, *words: str | Path, deadline_s: float = _DEADLINE_S,
            env: Mapping[str, str] | None = None) -> process.Completed:
        """Run it and leave the exit status to the caller. MissingTool where there is no git.

        The user's repository stays theirs: nothing is written there for later (`git status` refreshes the index, and a
        commit of theirs would meet its lock), and a lab that is killed lets git end itself, with its `.lock` files.
        """
        environment = {name: value for name, value in os.environ.items() if name not in _UNSET}
        argv = [process.find("git", "git"), "-C", self.directory, *self.options, *words]
        return process.run_gently(argv, timeout_s=deadline_s, grace_s=_GRACE_S,
                                  env={**environment, **_ENVIRONMENT, **(env or {})})

    def commit(self, revision: str) -> str | None:
        """The full hash of the commit that a revision names; None when it names none."""
        done = self.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        return done.stdout.strip() if done.returncode == 0 else None
