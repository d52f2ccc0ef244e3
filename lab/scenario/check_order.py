"""What must come in an order: faults and their clearing, background steps and their joins, LUNs that come and go."""

from __future__ import annotations

from collections.abc import Iterator

from lab.explain import Fault
from lab.problems import nearest
from lab.scenario.luns import may_fail, target_called
from lab.scenario.objects import Target
from lab.scenario.parts import Parts, Placed

# These say themselves what must be true, which the `expect` of a join would put aside.
_NOT_BESIDE = ("attribute", "walk")


def check(parts: Parts) -> Iterator[Fault]:
    """All faults of order. Silent where a broken step may be the one that is missing."""
    yield from _cleared(parts)
    yield from _backgrounds(parts)
    yield from _linked(parts)
    yield from _accounts(parts)


def _cleared(parts: Parts) -> Iterator[Fault]:
    active: set[tuple[str | None, str]] = set()
    for placed in parts.placed:
        inject, clear = placed.step.inject, placed.step.clear
        if inject is not None:
            active.add((inject.on, inject.fault))
        if clear is None:
            continue
        if (clear.on, clear.fault) not in active and parts.knows("inject") and clear.on in [None, *parts.backstores]:
            what = clear.fault if clear.on is None else f"{clear.fault} on {clear.on!r}"
            yield Fault((*placed.path, "clear"), f"{what} is cleared, but not injected before")
        active.discard((clear.on, clear.fault))


def _backgrounds(parts: Parts) -> Iterator[Fault]:
    started: dict[str, Placed] = {}
    running: dict[str, Placed] = {}
    for placed in parts.placed:
        background, join = placed.step.background, placed.step.join
        if placed.inside == ("background",) and placed.step.word in _NOT_BESIDE:
            yield Fault((*placed.path, placed.step.word), f"{placed.step.word} cannot run in the background", key=True)
        elif placed.inside and (background is not None or join is not None):
            yield Fault((*placed.path, placed.step.word), _misplaced(placed), key=True)
        elif background is not None:
            if background.name in started:
                yield Fault((*placed.path, "background", "name"),
                            f"another background step is called {background.name!r}; give each a name of its own")
            started[background.name] = running[background.name] = placed
            if placed.step.expect is not None:
                yield Fault((*placed.path, "expect"), "what a background step must do is expected inside its step, "
                                                      "or where it is joined", key=True)
        elif join is not None and running.pop(join.name, None) is None and parts.knows("background", "join"):
            why = "was joined already" if join.name in started else "is not started before this"
            yield Fault((*placed.path, "join", "name"), f"the background step {join.name!r} {why}",
                        nearest(join.name, running))
    for name, placed in running.items():
        if parts.knows("join"):
            yield Fault((*placed.path, "background"), f"the background step {name!r} is never joined, so nothing would "
                                                      f"look at how it ended; add join: {{name: {name}}}", key=True)


def _misplaced(placed: Placed) -> str:
    if "background" in placed.inside:
        return f"{placed.step.word} cannot run in the background"
    return (f"{placed.step.word} cannot stand inside {placed.inside[-1]}; what runs side by side there is a parallel "
            "of its own")


def _linked(parts: Parts) -> Iterator[Fault]:
    """A LUN that is added while it is there, or removed while it is not, unless that is the point."""
    targets = [t for t in parts.targets if t is not None]
    beside = any(p.beside and p.step.word in ("lun", "target") for p in parts.placed)
    if beside or not parts.knows("lun", "target", "targets"):
        return  # what runs beside the others has no order
    present = {target.name: set(target.luns) for target in targets}
    for placed in parts.placed:
        if not may_fail(placed.step):
            yield from _link(placed, targets, present)


def _link(placed: Placed, targets: list[Target], present: dict[str, set[int]]) -> Iterator[Fault]:
    change, whole = placed.step.lun, placed.step.target
    if whole is not None and (target := target_called(whole.target, targets)) is not None:
        if whole.action in ("add", "remove"):
            present[target.name] = set(target.luns) if whole.action == "add" else set()
    elif change is not None and (target := target_called(change.target, targets)) is not None:
        there = change.number in present[target.name]
        if there == (change.action == "add"):
            yield Fault((*placed.path, "lun", "number"),
                        f"LUN {change.number} of {target.name!r} is {'already' if there else 'not'} there at this step")
        (present[target.name].add if change.action == "add" else present[target.name].discard)(change.number)


def _accounts(parts: Parts) -> Iterator[Fault]:
    begun: dict[str, Placed] = {}
    for placed in parts.placed:
        account = placed.step.account
        if account is None:
            continue
        if account.action == "begin":
            begun[account.lun] = placed
        elif begun.pop(account.lun, None) is None and parts.knows("account"):
            yield Fault((*placed.path, "account"), f"the account of {account.lun!r} ends, but is not begun before this")
    for lun, placed in begun.items():
        if parts.knows("account"):
            yield Fault((*placed.path, "account"), f"the account of {lun!r} never ends, so nothing would look at it")
