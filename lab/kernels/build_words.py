"""Words for kernels that are to be built: source:6.12, git:REF, and any source tree, each with +FLAVOR."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.errors import UsageError
from lab.git import Git
from lab.kernels import flavors
from lab.kernels.build import Recipe, build_tree
from lab.kernels.build_tools import is_kernel_tree
from lab.kernels.kbuild import MAKE_DEADLINE_S
from lab.kernels.kernel import Kernel
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store, full_disk_explained, silent
from lab.usage import hold

_SOURCE, _GIT = "source:", "git:"


def built(word: str, flavor: str | None, store: Store, say: Callable[[str], None] = silent, *,
          base: Path | None = None) -> Kernel:
    """Build what the word means: source:6.12, git:REF, git:PATH@REF or the path of a source tree; +FLAVOR may follow.

    `flavor` is for words without one; the default is base. `base`: what a path is relative to. Raises UsageError,
    BuildFailed.
    """
    word, own = split(word)
    chosen = own or flavor or "base"
    flavors.flavor(chosen)
    with _tree_of(word, base or Path.cwd(), store, say) as tree:
        kernel = build_tree(tree, Recipe(chosen), store, say)
    name = f"{_name(word)}-{kernel.release}"
    return dataclasses.replace(kernel, spec=f"{word}+{chosen}", name=name)


def to_be_built(word: str, base: Path | None = None) -> bool:
    """Whether a word asks for a build: source:, git:, or a source tree with a flavor."""
    plain, flavor = split(word)
    return plain.startswith((_SOURCE, _GIT)) or (flavor is not None and _is_tree((base or Path.cwd()) / plain))


def split(word: str) -> tuple[str, str | None]:
    """A word without its +FLAVOR, and that; the end of a path that only looks like one is none."""
    plain, plus, flavor = word.rpartition("+")
    return (plain, flavor) if plus and flavor in flavors.names() and not Path(word).exists() else (word, None)


def _is_tree(path: Path) -> bool:
    return is_kernel_tree(path.expanduser())


@contextlib.contextmanager
def _tree_of(word: str, base: Path, store: Store, say: Callable[[str], None]) -> Iterator[Path]:
    """The sources that a word means; as long as the block lasts, no other lab changes them."""
    if word.startswith(_SOURCE):
        yield source_tree(word.removeprefix(_SOURCE), store, say)
    elif word.startswith(_GIT):
        place, at, revision = word.removeprefix(_GIT).rpartition("@")
        with _checkout((base / (place if at else "")).expanduser().resolve(), revision, store, say) as tree:
            yield tree
    else:
        path = (base / word).expanduser()
        if not is_kernel_tree(path):
            raise UsageError(f"{word} cannot be built: it is no kernel source tree, source:VERSION or git:REF")
        yield path


@contextlib.contextmanager
def _checkout(repository: Path, revision: str, store: Store, say: Callable[[str], None]) -> Iterator[Path]:
    """A checkout of its own in the store, which borrows the repository's objects and leaves no trace there.

    One for each repository, so that the next commit compiles only what differs: whoever wants another waits.
    """
    if not repository.is_dir() or Git(repository).ask("rev-parse", "--git-dir").returncode != 0:
        raise UsageError(f"{repository} is no git repository; write git:PATH@REF, or type git:REF in one")
    git = Git(repository)
    commit = git.commit(revision)
    if commit is None:
        raise UsageError(f"there is no commit {revision!r} in {repository}")
    if git.ask("cat-file", "-e", f"{commit}:Kconfig").returncode != 0:
        raise UsageError(f"{revision} of {repository} is no kernel: there is no Kconfig in it")
    common = (repository / git("rev-parse", "--git-common-dir")).resolve()
    place = hashlib.sha256(str(common).encode()).hexdigest()[:12]
    tree = store.root / "sources" / f"git-{common.parent.name}-{place}"
    with store.lock(f"git-{place}", deadline_s=MAKE_DEADLINE_S, say=say):
        with full_disk_explained(store.root):
            _check_out(tree, common, commit, lambda: say(f"checking out {revision} of {repository}"))
        yield tree


def _check_out(tree: Path, common: Path, commit: str, tell: Callable[[], None]) -> None:
    """Bring the checkout to a commit; files that do not differ keep their times."""
    tree.mkdir(parents=True, exist_ok=True)
    hold(tree)
    own = Git(tree)
    own("init", "--quiet")
    (tree / ".git/objects/info/alternates").write_text(f"{common}/objects\n")
    shallow = common / "shallow"
    if shallow.is_file():
        (tree / ".git/shallow").write_text(shallow.read_text())
    if own.commit("HEAD") != commit:
        tell()
    own("checkout", "--quiet", "--force", "--detach", commit)
    own("clean", "--quiet", "-d", "-x", "--force")


def _name(word: str) -> str:
    """For suites and folders: the same for the same word."""
    text = word if word.startswith((_SOURCE, _GIT)) else f"tree-{Path(word).expanduser().resolve().name}"
    return re.sub(r"[^A-Za-z0-9._+~-]+", "-", text).strip("-")
