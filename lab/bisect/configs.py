"""Configurations between a good and a bad one, made by the kernel's own `make olddefconfig`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError, UsageError
from lab.kernels.build_process import alone, build_output
from lab.kernels.build_tools import cached, is_kernel_tree
from lab.kernels.clean_view import view_of
from lab.kernels.config import options_of
from lab.kernels.kbuild import environment
from lab.kernels.store import Store, full_disk_explained, silent
from lab.usage import hold

_DEADLINE_S = 600.0
_MENTIONED = re.compile(r"^(?:# )?CONFIG_(\w+)(?:=| is not set)", re.MULTILINE)
_PROBED = 48  # more differences are not probed for what depends on what: each takes seconds


@dataclass(frozen=True)
class Merged:
    """A configuration that olddefconfig has settled; its file is named by its content."""

    path: Path
    values: Mapping[str, str]  # what is off is not there


class Configs:
    """All configurations between two: the good one with some options as in the bad one.

    Nothing is written to `tree`. Raises UsageError for a file that is no configuration and for ends that do not differ,
    LabError when make fails.
    """

    def __init__(self, tree: Path, good: Path, bad: Path, store: Store, say: Callable[[str], None] = silent) -> None:
        tree, self._say = kernel_tree(tree), say
        place = hashlib.sha256(str(tree).encode()).hexdigest()[:12]
        self._tree = view_of(tree, store, say)
        self._store, self._lock = store, f"configs-{place}"
        self._directory = store.root / "configs" / place
        self._made: dict[frozenset[str], Merged] = {}
        say("settling both configurations with make olddefconfig")
        self.good, self.bad = (self._settled(_text(path)) for path in (good, bad))
        self._chosen = [self._choices(end) for end in (self.good, self.bad)]
        order = dict.fromkeys([*_order(self.bad.path), *_order(self.good.path)])
        differ = {o for o in {**self._chosen[0], **self._chosen[1]} if self._chosen[0].get(o) != self._chosen[1].get(o)}
        self.differences = tuple(option for option in order if option in differ)
        if not self.differences:
            raise UsageError(f"{good} and {bad} are the same for {tree} after make olddefconfig; nothing differs")

    def merged(self, options: frozenset[str]) -> Merged:
        """The good configuration with `options` as in the bad one, settled; each is made once."""
        if options not in self._made:
            good, bad = self._chosen
            lines = [line for option, line in good.items() if option not in options]
            # At the end: of a choice the last one that is set counts.
            lines += [bad[option] for option in self.differences if option in options and option in bad]
            self._made[options] = self._settled("\n".join(lines) + "\n")
        return self._made[options]

    def survivors(self, options: frozenset[str]) -> frozenset[str]:
        """Those of `options` that are as in the bad configuration after olddefconfig."""
        have = self.merged(options).values
        return frozenset(o for o in options if have.get(o) == self.bad.values.get(o))

    def described(self, option: str) -> str:
        """CONFIG_X: off -> y"""
        was, now = (ends.values.get(option, "off") for ends in (self.good, self.bad))
        return f"CONFIG_{option}: {was} -> {now}"

    def groups(self) -> list[frozenset[str]]:
        """The differences in the order of the menus; those that cannot be without each other are one group.

        What depends on an option is found by leaving it out of the bad configuration.
        """
        group = {option: frozenset((option,)) for option in self.differences}
        if 1 < len(group) <= _PROBED:
            self._say(f"looking which of the {len(group)} options depend on each other")
            everything = frozenset(self.differences)
            for option in self.differences:
                rest = everything - {option}
                for fallen in rest - self.survivors(rest):
                    joined = group[option] | group[fallen]
                    group.update(dict.fromkeys(joined, joined))
        return list(dict.fromkeys(group.values()))

    def _settled(self, text: str) -> Merged:
        with self._objects() as (objects, lock):
            (objects / ".config").write_text(text)
            self._make(objects, lock, "olddefconfig")
            return self._kept(objects / ".config")

    def _choices(self, end: Merged) -> dict[str, str]:
        """Option -> its line, of those that somebody has to set: the others follow from them (savedefconfig)."""
        with self._objects() as (objects, lock):
            (objects / ".config").write_text(end.path.read_text())
            self._make(objects, lock, "savedefconfig")
            lines = (objects / "defconfig").read_text().splitlines()
        return {found[1]: line for line in lines if (found := _MENTIONED.match(line))}

    def _make(self, objects: Path, lock: int, target: str) -> None:
        """As kernels are configured when they are built. Raises LabError with make's first error."""
        done = build_output([process.find("make", "make"), "-C", self._tree, f"O={objects}", f"CC={cached()}", target],
                            lock=lock, deadline_s=_DEADLINE_S, env=environment())
        if done.returncode != 0:
            raise LabError(f"make {target} fails in {self._tree}: {_first_error(done)}")

    def _kept(self, config: Path) -> Merged:
        text = config.read_text()
        path = self._directory / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.config"
        if not path.is_file():
            self._store.write_text(path, text)
        return Merged(path, options_of(path))

    @contextmanager
    def _objects(self) -> Iterator[tuple[Path, int]]:
        """A directory for make's O=, where its tools are built once, and the lock of `alone`."""
        with self._store.lock(self._lock, say=self._say), full_disk_explained(self._store.root):
            objects = self._directory / "objects"
            objects.mkdir(parents=True, exist_ok=True)
            hold(self._directory)
            with alone(objects, self._say) as lock:
                yield objects, lock


def kernel_tree(tree: Path) -> Path:
    """Its absolute path. UsageError when it is none."""
    tree = tree.absolute()
    if not is_kernel_tree(tree):
        raise UsageError(f"{tree} is not a kernel tree: there is no Kconfig, Kbuild and Makefile in it; give a "
                         "checkout")
    return tree


def _text(path: Path) -> str:
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from None
    if not _MENTIONED.search(text):
        raise UsageError(f"{path} is not a kernel configuration: no line of it sets a CONFIG_ option")
    return text


def _order(config: Path) -> Iterable[str]:
    return _MENTIONED.findall(config.read_text())


def _first_error(done: process.Completed) -> str:
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return next((line.lstrip("* ") for line in lines if "error" in line.lower() or "not clean" in line),
                done.last_words())
