"""What a source tree holds at this moment, as a hash: for a checkout of git with all that is not committed yet."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError
from lab.git import Git

_SWITCHES = ("splitIndex", "untrackedCache", "fsmonitor")
# What a developer may have on would write beside the index, which is in .git, or start a daemon.
_PLAIN = {"GIT_CONFIG_COUNT": "3", **{f"GIT_CONFIG_KEY_{n}": f"core.{name}" for n, name in enumerate(_SWITCHES)},
          **{f"GIT_CONFIG_VALUE_{n}": "false" for n in range(len(_SWITCHES))}}


def tree_hash(tree: Path) -> str:
    """A git tree's hash, "git-" in front; of a directory that is no checkout a hash over names, sizes and times.

    Nothing is written to the tree, nor to its .git: index and objects are temporary. LabError when git fails.
    """
    if is_checkout(tree):
        return f"git-{_of_checkout(Git(tree))}"
    seen = hashlib.sha256()
    for line in _stats(str(tree), ""):
        seen.update(line.encode(errors="surrogateescape"))
    return f"stat-{seen.hexdigest()[:40]}"


def is_checkout(tree: Path) -> bool:
    """Whether the directory is the top of a checkout whose sources git knows.

    Debian's linux-source brings a .gitignore that ignores everything: `git init` there makes no checkout of it.
    """
    if not (tree / ".git").exists():
        return False
    git = Git(tree)
    top = git.ask("rev-parse", "--show-toplevel")
    return top.returncode == 0 and Path(top.stdout.strip()).resolve() == tree.resolve() and bool(
        git("ls-files", "--cached", "--others", "--exclude-standard", "--", "Makefile"))


def head_of(tree: Path) -> str:
    """The commit that is checked out; "" where there is none."""
    return Git(tree).commit("HEAD") or "" if (tree / ".git").exists() else ""


def _of_checkout(git: Git) -> str:
    objects = (git.directory / git("rev-parse", "--git-path", "objects")).resolve()
    index = git.directory / git("rev-parse", "--git-path", "index")
    with tempfile.TemporaryDirectory(prefix="lab-index-") as temporary:
        own = Path(temporary) / "index"
        if index.is_file():
            shutil.copy2(index, own)  # with its time: files are compared with it
        (Path(temporary) / "objects").mkdir()
        env = {**_PLAIN, "GIT_INDEX_FILE": str(own), "GIT_OBJECT_DIRECTORY": f"{temporary}/objects",
               "GIT_ALTERNATE_OBJECT_DIRECTORIES": _alternates(objects)}
        git("add", "--all", env=env)
        return git("write-tree", env=env)


def _alternates(objects: Path) -> str:
    """git takes a list; a path with a colon must be quoted there."""
    if not objects.is_dir():
        raise LabError(f"{objects} is not there: this checkout lost its repository")
    quoted = str(objects).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _stats(directory: str, prefix: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        name = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if entry.name != ".git":
                yield from _stats(entry.path, f"{name}/")
        else:
            stat = entry.stat(follow_symlinks=False)
            yield f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
