"""Names in steps that mean nothing, and blocks that lie beyond the end of a LUN."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.document import KeyPath
from lab.explain import Fault
from lab.problems import nearest
from lab.scenario.faults import FAULTS
from lab.scenario.luns import Lun, UnknownLun, luns, may_fail, resolve, target_called
from lab.scenario.objects import Target
from lab.scenario.parts import Parts, Placed
from lab.scenario.steps import Run

_SECTOR = 512
_NAME_IN_PATH = re.compile(r"\{([a-z][a-z0-9_-]*)\}")  # as the guest replaces them
_LUN_IN_ARGUMENT = re.compile(r"\{(sg:)?([a-z][a-z0-9_-]*(?:/[0-9]{1,5})?)\}")
_PATHS = ("read", "write", "mkdir", "rmdir", "link", "to", "unlink")


def check(parts: Parts) -> Iterator[Fault]:
    """All faults of references. Silent on LUNs and targets when a broken target may be what is meant."""
    names = References(parts)
    yield from names.of_requires()
    for placed in parts.placed:
        yield from names.of_step(placed)


class References:
    """The names that steps may use."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.targets: list[Target] = [t for t in parts.targets if t is not None]
        self.luns: list[Lun] = luns(self.targets, (p.step for p in parts.placed))
        self.complete = parts.knows("lun", "targets", "backstores")

    def of_requires(self) -> Iterator[Fault]:
        for index, text in enumerate(self.parts.requires.configfs if self.parts.requires is not None else ()):
            yield from self._path(("requires", "configfs", index), text)

    def of_step(self, placed: Placed) -> Iterator[Fault]:
        step, path = placed.step, (*placed.path, placed.step.word)
        word = getattr(step, step.word)
        for name in ("lun", "source", "destination"):
            if isinstance(lun := getattr(word, name, None), str):
                yield from self._lun((*path, name), lun)
        if isinstance(getattr(word, "lun", None), str) and not may_fail(step):
            yield from self._blocks(path, word)
        for index, lun in enumerate(step.stress.luns if step.stress is not None else ()):
            yield from self._lun((*path, "luns", index), lun)
        if isinstance(getattr(word, "target", None), str):
            yield from self._target((*path, "target"), word.target)
        for name in ("on", "backstore", "tcmu"):
            if isinstance(backstore := getattr(word, name, None), str):
                yield from self._backstore((*path, name), backstore)
        yield from self._faulty(placed)
        yield from self._handled(placed)
        yield from self._texts(placed)

    def _lun(self, path: KeyPath, reference: str) -> Iterator[Fault]:
        if not self.complete:
            return
        try:
            resolve(reference, self.luns, self.targets, self.parts.backstores)
        except UnknownLun as error:
            yield Fault(path, str(error), error.suggestion)

    def _target(self, path: KeyPath, name: str) -> Iterator[Fault]:
        if self.complete and target_called(name, self.targets) is None:
            known = [t.name for t in self.targets]
            yield Fault(path, f"no target is called {name!r}", nearest(name, known))

    def _backstore(self, path: KeyPath, name: str) -> Iterator[Fault]:
        if name not in self.parts.backstores and self.parts.knows("backstores"):
            yield Fault(path, f"no backstore is called {name!r}", nearest(name, self.parts.backstores))

    def _handled(self, placed: Placed) -> Iterator[Fault]:
        """What a handler has seen is there for a tcmu backstore only."""
        wait = placed.step.wait_for
        backstore = self.parts.backstores.get(wait.tcmu or "") if wait is not None else None
        if wait is not None and backstore is not None and backstore.type != "tcmu":
            yield Fault((*placed.path, "wait_for", "tcmu"),
                        f"only a backstore of type tcmu has a handler, and {wait.tcmu!r} is {backstore.type}")

    def _faulty(self, placed: Placed) -> Iterator[Fault]:
        """A fault needs a backstore that it can be in, and sectors and blocks that are there."""
        inject = placed.step.inject
        backstore = self.parts.backstores.get(inject.on or "") if inject is not None else None
        if inject is None or inject.on is None or backstore is None:
            return
        path, place = (*placed.path, "inject"), FAULTS[inject.fault].place
        if place is not None and not place.fits(backstore):
            yield Fault((*path, "on"), f"{inject.fault} needs {place.words}, and {inject.on!r} lies on none; "
                                       f"give it {place.example}")
        for key, unit in (("sectors", _SECTOR), ("lba", backstore.block_size)):
            words, ranges = ("sector" if key == "sectors" else "block"), getattr(inject, key) or []
            yield from _beyond((*path, key), ranges, backstore.size // unit, words, inject.on)

    def _blocks(self, path: KeyPath, word: object) -> Iterator[Fault]:
        try:
            lun = resolve(getattr(word, "lun", ""), self.luns, self.targets, self.parts.backstores)
        except UnknownLun:
            return
        backstore = self.parts.backstores.get(lun.backstore)
        for name in ("blocks", "allow_changed", "zero"):
            ranges = getattr(word, name, None)
            if backstore is not None and isinstance(ranges, list):
                count = backstore.size // backstore.block_size
                yield from _beyond((*path, name), ranges, count, "block", lun.backstore)

    def _texts(self, placed: Placed) -> Iterator[Fault]:
        step = placed.step
        if step.configfs is not None:
            for name in _PATHS:
                yield from self._path((*placed.path, "configfs", name), getattr(step.configfs, name))
        if step.walk is not None:
            yield from self._path((*placed.path, "walk", "directory"), step.walk.directory)
        if step.attribute is not None:
            for name in step.attribute.files:
                yield from self._path((*placed.path, "attribute", "file"), name)
        if step.wait_for is not None:
            yield from self._path((*placed.path, "wait_for", "configfs"), step.wait_for.configfs)
        if step.run is not None:
            yield from self._arguments((*placed.path, "run", "argv"), step.run)

    def _path(self, path: KeyPath, text: str | None) -> Iterator[Fault]:
        known = [*self.parts.backstores, *(t.name for t in self.targets)]
        for name in _NAME_IN_PATH.findall(text or ""):
            if self.complete and name not in known and target_called(name, self.targets) is None:
                yield Fault(path, f"{{{name}}} stands for no target or backstore", nearest(name, known))

    def _arguments(self, path: KeyPath, run: Run) -> Iterator[Fault]:
        for index, argument in enumerate(run.argv):
            for generic, name in _LUN_IN_ARGUMENT.findall(argument):
                known = {lun.backstore for lun in self.luns} | {str(lun) for lun in self.luns}
                if not generic and name not in known | set(self.parts.backstores) and nearest(name, known) is None:
                    continue  # braces of the program's own, such as awk's
                yield from self._lun((*path, index), name)


def _beyond(path: KeyPath, ranges: list[tuple[int, int]], count: int, unit: str, name: str) -> Iterator[Fault]:
    last = max((last for _, last in ranges), default=-1)
    if last >= count:
        yield Fault(path, f"{unit} {last} is beyond the end of {name!r}, whose last {unit} is {count - 1}")
