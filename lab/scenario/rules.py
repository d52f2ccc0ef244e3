"""What a rule of a tcmu backstore's handler may say: which commands it treats otherwise, and how they end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.problems import nearest
from lab.scenario.base import Slip
from lab.t10.commands import COMMANDS, opcode
from lab.t10.sense import parse_sense

ENDS = ("sense", "status", "drop", "ring")


def whole_sense(text: str) -> str:
    """Sense data to send, so none of key, ASC and ASCQ may be open. ValueError otherwise."""
    pattern = parse_sense(text)
    if None in (pattern.key, pattern.asc, pattern.ascq):
        raise ValueError(f"sense data to send need key/ASC/ASCQ, such as 3/11/00, not {text!r}")
    return text


def check_rule(rule: Mapping[str, Any]) -> None:
    """Raise ValueError, with one sentence, for what contradicts itself."""
    given = [name for name in ENDS if rule[name] is not None]
    if (command := rule["command"]) is not None:
        if command not in COMMANDS:
            raise Slip(f"unknown SCSI command {command!r}", nearest(command, COMMANDS))
        opcode(command)  # ValueError for one whose code alone does not say enough
        if rule["opcode"] is not None:
            raise ValueError("a rule has either command or opcode")
    if len(given) > 1:
        raise ValueError(f"a command ends in one way, not in {' and '.join(given)}")
    if rule["information"] is not None and rule["sense"] is None:
        raise ValueError("information is part of sense data: give sense")
    if rule["drop"] and rule["delay"] is not None:
        raise ValueError("what is dropped is never answered, so it takes no delay")
    if not given and rule["delay"] is None:
        raise ValueError(f"tcmu needs what happens to a command: delay, {', '.join(ENDS)}")
