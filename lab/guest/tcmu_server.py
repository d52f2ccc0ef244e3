"""The loop of a tcmu device's handler: commands from the ring to the unit, and answers back, as the rules have it."""

from __future__ import annotations

import errno
import json
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lab.guest.tcmu_ring import KEEP_BUF, UNKNOWN_OP, Notice, Reply, Request, Ring
from lab.guest.tcmu_rules import BUSY, Rule, rule_of
from lab.guest.tcmu_unit import Unit, data_goes_in

MESSAGE = 65536  # bytes
_NOBODY = 0xfffe  # a command id that the kernel, which takes the lowest free one, does not come to
_LEFT = 64        # bytes at the end of the ring, too few for a command: the kernel pads them itself
_NEVER = float("inf")
_NOTICES = ("UNKNOWN", "ABORT_TASK", "ABORT_TASK_SET", "CLEAR_ACA", "CLEAR_TASK_SET", "LUN_RESET",
            "TARGET_WARM_RESET", "TARGET_COLD_RESET")  # TCMU_TMR_*; LUN_RESET_PRO is 128


@dataclass
class Held:
    """A command that is not answered yet: its reply, and when it is due on time.monotonic()."""

    request: Request
    reply: Reply
    rule: Rule | None
    due: float


@dataclass
class Server:
    """Answers until the device goes, or the agent."""

    ring: Ring
    unit: Unit
    control: socket.socket
    rules: list[Rule] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    commands: int = 0
    met: int = 0
    answered: bool = False

    def serve(self) -> None:
        poll = select.poll()
        poll.register(self.ring.fd, select.POLLIN)
        poll.register(self.control, select.POLLIN)
        self._work()  # what is in the ring already
        while True:
            due = min((held.due for held in self.held), default=_NEVER)
            poll.poll(None if due == _NEVER else max(0.0, due - time.monotonic()) * 1000)
            if not self._obey():
                return
            try:
                self.ring.acknowledge()
                self._work()
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return  # the device has gone

    def report(self) -> bytes:
        """What was seen, as JSON: numbers of commands, of those that met a rule, of those held, and notices."""
        return json.dumps({"commands": self.commands, "met": self.met, "held": len(self.held),
                           "notices": self.notices[-100:]}).encode()

    def _obey(self) -> bool:
        """Do what the agent says; False when it has gone."""
        try:
            message = self.control.recv(MESSAGE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        if not message:
            return False
        order = json.loads(message)
        if "add" in order:
            self.rules.append(rule_of(order["add"]))
        if order.get("clear"):
            self.rules = []
            self._release([held.request.cmd_id for held in self.held])
            self._tell()
        self.control.send(self.report())
        return True

    def _work(self) -> None:
        if self.ring.was_reset:
            self.held = []
        for entry in self.ring.fetch():
            if isinstance(entry, Notice):
                self._note(entry)
            else:
                self._take(entry)
        for held in [h for h in self.held if h.due <= time.monotonic()]:
            self._answer(held)
        self._tell()

    def _tell(self) -> None:
        if self.ring.skip() or self.answered:
            self.answered = False
            self.ring.notify()

    def _note(self, notice: Notice) -> None:
        name = _NOTICES[notice.kind] if notice.kind < len(_NOTICES) else "LUN_RESET_PRO"
        self.notices.append(f"{name} {len(notice.cmd_ids)}")
        # Nobody wants their answers any more, but the target core waits for them.
        self._release(notice.cmd_ids)

    def _release(self, cmd_ids: Sequence[int]) -> None:
        """Answer what is held: what was carried out as it ended, what was dropped with BUSY."""
        for held in [h for h in self.held if h.request.cmd_id in cmd_ids]:
            self._answer(held)

    def _take(self, request: Request) -> None:
        self.commands += 1
        rule = next((rule for rule in self.rules if rule.takes(request.cdb)), None)
        if rule is None:
            self._answer(Held(request, self._execute(request), None, 0))
            return
        self.met += 1
        if rule.drops:
            self.held.append(Held(request, Reply(BUSY), None, _NEVER))
            return
        done = self._execute(request) if rule.carried_out else Reply()
        held = Held(request, rule.reply(done), rule, time.monotonic() + rule.delay_s)
        if rule.delay_s:
            self.held.append(held)
        else:
            self._answer(held)

    def _execute(self, request: Request) -> Reply:
        return self.unit.execute(request.cdb, lambda: self.ring.read(request))

    def _answer(self, held: Held) -> None:
        if held in self.held:
            self.held.remove(held)
        request, reply = held.request, held.reply
        ring = held.rule.ring if held.rule is not None else None
        if ring == "bad-address":
            self.ring.touch_outside()
        elif ring == "unknown-id":
            request = replace(request, cmd_id=_NOBODY)
        flags = {"unknown-opcode": UNKNOWN_OP, "keep-buffer": KEEP_BUF}.get(ring or "", 0)
        for _ in range(2 if ring == "twice" else 1):
            self.ring.answer(request, replace(reply, flags=flags), data_in=data_goes_in(request.cdb[0]))
        if ring == "pad-to-end":
            self.ring.pad(_LEFT)
        self.answered = True
