"""The words of -k: patterns become kernels, sources are built in a flavor, and a slip is found before anything runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lab.cli import host
from lab.cli.host import say
from lab.errors import UsageError
from lab.kernels.build_tools import is_kernel_tree
from lab.kernels.build_words import built, to_be_built
from lab.kernels.kernel import Kernel
from lab.kernels.patterns import expand
from lab.kernels.resolve import resolve
from lab.kernels.store import Store

_FETCHED = re.compile(r"^debian(:|$)")
_SCHEME = re.compile(r"^[a-z]+:")


def expanded(words: Sequence[str], flavor: str) -> list[str]:
    """The words with each pattern replaced by the kernels that it matches, each once. UsageError for a word that can
    mean nothing, for a pattern that matches nothing, and for a flavor where nothing is to be built."""
    store = Store.default()
    found = list(dict.fromkeys(one for word in words for one in expand(word, store, say)))
    for word in found:
        _look(word, store)
    if flavor and not any(is_source(word) for word in found):
        raise UsageError(f"--flavor {flavor} is for kernels that are built: give -k a kernel tree, git:REF or "
                         "source:VERSION")
    return found


def kernel_of(wanted: str | Kernel, flavor: str, store: Store) -> str | Kernel:
    """The word, or the kernel built from it where a flavor is wanted and it is a source. LabError, UsageError."""
    if flavor and isinstance(wanted, str) and is_source(wanted):
        return built(wanted, flavor, store, say)
    return wanted


def is_source(word: str) -> bool:
    """Whether a kernel can be built of it: a source tree, a git reference, a source package."""
    return not _FETCHED.match(word) and not _is_named(word) and (to_be_built(word) or _is_tree(word))


def text_of(wanted: str | Kernel) -> str:
    """What stands for a kernel in a sentence."""
    return wanted if isinstance(wanted, str) else wanted.spec


def file_name(word: str) -> str:
    """A word as a name of a folder and of a JUnit suite."""
    return re.sub(r"[^A-Za-z0-9._+~-]", "_", word).strip("._") or "kernel"


def _look(word: str, store: Store) -> None:
    """A word that is no name, no scheme and no path is a slip: say so at once, not as results of a kernel."""
    if not (_FETCHED.match(word) or _SCHEME.match(word) or _is_named(word) or _exists(word)):
        resolve(word, store, named=host.KERNELS, say=say)


def _is_named(word: str) -> bool:
    return "/" not in word and _exists(str(host.KERNELS / f"{word}.yaml"))


def _exists(word: str) -> bool:
    """Whether a path, IMAGE:MODULES or TREE+FLAVOR begins with a file that is there."""
    try:
        parts = word, word.rpartition(":")[0], word.rpartition("+")[0]
        return any(Path(part).expanduser().exists() for part in parts if part)
    except (OSError, ValueError, RuntimeError):
        return False


def _is_tree(word: str) -> bool:
    try:
        return is_kernel_tree(Path(word).expanduser())
    except (OSError, ValueError, RuntimeError):
        return False
