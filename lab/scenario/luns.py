"""Which LUNs a scenario has, and what a step's `lun:` means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.problems import listed, nearest
from lab.scenario.objects import Target
from lab.scenario.steps import Step


@dataclass(frozen=True, order=True)
class Lun:
    """A LUN of a target, with the backstore behind it."""

    target: str
    number: int
    backstore: str

    def __str__(self) -> str:
        return f"{self.target}/{self.number}"


class UnknownLun(ValueError):
    """A reference that names no LUN, or several; `suggestion` is the nearest right word."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


def target_called(name: str, targets: Sequence[Target]) -> Target | None:
    """The target of that name; `target` stands for the only one."""
    if name == "target" and len(targets) == 1:
        return targets[0]
    return next((t for t in targets if t.name == name), None)


def may_fail(step: Step) -> bool:
    """Whether the step's expectation lets it fail, so that what it names need not exist."""
    return step.expect is not None and step.expect.ok is not True


def luns(targets: Sequence[Target], steps: Iterable[Step]) -> list[Lun]:
    """Every LUN that exists at some time: those that are loaded, and those that a `lun` step adds."""
    found = {Lun(t.name, number, backstore) for t in targets for number, backstore in t.luns.items()}
    for step in steps:
        added = step.lun
        if added is not None and added.backstore is not None and not may_fail(step):
            target = target_called(added.target, targets)
            if target is not None:
                found.add(Lun(target.name, added.number, added.backstore))
    return sorted(found)


def resolve(reference: str, known: Sequence[Lun], targets: Sequence[Target], backstores: Iterable[str]) -> Lun:
    """The LUN that `BACKSTORE` or `TARGET/NUMBER` means. Raises UnknownLun with one sentence."""
    name, slash, number = reference.rpartition("/")
    if slash:
        return _numbered(name, int(number), known, targets)
    found = [lun for lun in known if lun.backstore == reference]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownLun(f"{reference!r} is behind {len(found)} LUNs; write {listed([str(lun) for lun in found])}")
    if reference in backstores:
        raise UnknownLun(f"the backstore {reference!r} is behind no LUN of any target")
    words = {lun.backstore for lun in known}
    raise UnknownLun(f"no LUN is called {reference!r}{_known(words)}", nearest(reference, words))


def _numbered(name: str, number: int, known: Sequence[Lun], targets: Sequence[Target]) -> Lun:
    target = target_called(name, targets)
    if target is None:
        names = [t.name for t in targets]
        raise UnknownLun(f"no target is called {name!r}{_known(names)}", nearest(name, names))
    found = [lun for lun in known if lun.target == target.name]
    for lun in found:
        if lun.number == number:
            return lun
    raise UnknownLun(f"target {target.name!r} has no LUN {number}{_known([str(lun) for lun in found])}")


def _known(words: Iterable[str]) -> str:
    ordered = sorted(words)
    return f"; there {'is' if len(ordered) == 1 else 'are'} {listed(ordered, 'and')}" if ordered else "; there is none"
