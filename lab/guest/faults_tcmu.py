"""Faults of the handler of a tcmu backstore: rules that it follows, and its death."""

from __future__ import annotations

from lab.guest.injection import Order, Undo, fault
from lab.guest.lio import Backstore
from lab.guest.observation import Refused
from lab.guest.tcmu import Handler


def handler_of(backstore: Backstore) -> Handler:
    """The handler of a tcmu backstore. Refused for others."""
    if backstore.handler is None:
        raise Refused(f"backstore {backstore.name} has no handler; its type is not tcmu")
    return backstore.handler


@fault("tcmu", adds=True)
def tcmu(order: Order) -> Undo:
    """One more rule. Undone, there is none, and a handler that a rule killed has a successor."""
    handler = handler_of(order.where)
    handler.ask({"add": order.options})
    return handler.clear


@fault("tcmu-dead")
def tcmu_dead(order: Order) -> Undo:
    """Nobody answers. Undone, a new handler takes what is in the ring."""
    handler = handler_of(order.where)
    handler.meddled = True
    handler.kill()
    return handler.revive
