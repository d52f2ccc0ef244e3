"""What the handler of a tcmu device does otherwise than a good one, for the commands that a rule names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.guest.tcmu_ring import Reply
from lab.guest.tcmu_unit import place_of
from lab.t10.commands import opcode
from lab.t10.sense import fixed, parse_sense
from lab.t10.status import STATUS

CHECK_CONDITION, BUSY = 2, 8
_NUMBERS = {name: number for number, name in STATUS.items()}
_RECOVERED_ERROR = 1


@dataclass
class Rule:
    """One rule; `left` is how many commands it still takes (None: any number), `met` how many it took."""

    opcode: int | None
    service_action: int | None
    lba: list[tuple[int, int]] | None
    left: int | None
    treatment: dict[str, Any]
    met: int = 0

    def takes(self, cdb: bytes) -> bool:
        """Whether this command is one of those; if so it counts."""
        if self.left == 0 or self.opcode not in (None, cdb[0]):
            return False
        if self.service_action is not None and cdb[1] & 0x1f != self.service_action:
            return False
        if self.lba is not None and not self._touches(cdb):
            return False
        self.left = None if self.left is None else self.left - 1
        self.met += 1
        return True

    def _touches(self, cdb: bytes) -> bool:
        first, count = place_of(cdb) or (0, 0)
        return any(first <= last and begin < first + count for begin, last in self.lba or ())

    @property
    def delay_s(self) -> float:
        return float(self.treatment.get("delay") or 0)

    @property
    def drops(self) -> bool:
        return bool(self.treatment.get("drop"))

    @property
    def ring(self) -> str | None:
        """The way in which it breaks the protocol of the ring."""
        return self.treatment.get("ring")

    @property
    def carried_out(self) -> bool:
        """Whether the command takes effect: not where it is refused."""
        sense, status = self.treatment.get("sense"), self.treatment.get("status")
        return (status is None and sense is None) or (sense is not None and parse_sense(sense).key == _RECOVERED_ERROR)

    def reply(self, done: Reply) -> Reply:
        """The answer in place of `done`."""
        if (sense := self.treatment.get("sense")) is not None:
            pattern = parse_sense(sense)
            data = fixed(pattern.key or 0, pattern.asc or 0, pattern.ascq or 0, self.treatment.get("information"))
            return Reply(CHECK_CONDITION, data, done.data)
        if (status := self.treatment.get("status")) is not None:
            return Reply(_NUMBERS[status])
        return done


def rule_of(given: dict[str, Any]) -> Rule:
    """The rule that a scenario's `inject` means."""
    number, action = given.get("opcode"), None
    if given.get("command") is not None:
        number, action = opcode(given["command"])
    lba = given.get("lba")
    return Rule(number, action, [(int(a), int(b)) for a, b in lba] if lba else None, given.get("times"), given)
