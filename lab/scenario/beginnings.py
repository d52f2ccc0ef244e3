"""Scenarios to begin with: for each kind of question one that passes `lab check` and runs, to be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lab.document import written

Steps = list[dict[str, Any]]
BACKSTORES: dict[str, dict[str, Any]] = {
    "ramdisk": {"type": "ramdisk"}, "fileio": {"type": "fileio"},
    "iblock": {"type": "iblock", "on": {"type": "dm", "over": "ramdisk"}},
    "pscsi": {"type": "pscsi", "on": {"type": "scsi_debug"}}, "tcmu": {"type": "tcmu"},
}
_SIZE = "8M"
_HELD = {"inject": {"fault": "dm-suspend", "on": "disk"}}
_MENDED = {"clear": {"fault": "dm-suspend", "on": "disk"}}


def _io() -> Steps:
    return [{"write": {"lun": "disk"}}, {"verify": {"lun": "disk"}}]


def _command() -> Steps:
    return [{"write": {"lun": "disk", "blocks": "0-63"}},
            {"scsi": {"lun": "disk", "command": "write10", "lba": 8, "blocks": 4, "data": {"ledger": True}}},
            {"scsi": {"lun": "disk", "command": "read16", "lba": 2**40, "blocks": 1},
             "expect": {"status": "CHECK_CONDITION", "sense": "5/21/00"}},
            {"verify": {"lun": "disk", "blocks": "0-63"}}]


def _fault() -> Steps:
    return [{"write": {"lun": "disk"}},
            {"inject": {"fault": "dm-error", "on": "disk", "sectors": "2048-2055"}},
            {"scsi": {"lun": "disk", "command": "read10", "lba": 2048, "blocks": 1}, "expect": {"sense": "2/08/00"}},
            {"clear": {"fault": "dm-error", "on": "disk"}}, {"verify": {"lun": "disk"}}]


def _hang() -> Steps:
    return [{"write": {"lun": "disk"}}, _HELD,
            {"background": {"name": "writer", "step": {"write": {"lun": "disk", "blocks": "0-1023"}}}},
            {"wait_for": {"lun": "disk", "in_flight": 1}}, _MENDED,
            {"join": {"name": "writer"}}, {"verify": {"lun": "disk"}}]


def _reset() -> Steps:
    return [{"write": {"lun": "disk"}}, {"reset": {"lun": "disk", "level": "device"}},
            {"scsi": {"lun": "disk", "command": "test_unit_ready", "keep_attention": True},
             "expect": {"sense": "6/29/03"}},
            {"verify": {"lun": "disk"}}]


def _hotplug() -> Steps:
    return [{"write": {"lun": "disk"}}, {"lun": {"action": "remove", "number": 0}},
            {"lun": {"action": "add", "number": 0, "backstore": "disk"}}, {"verify": {"lun": "disk"}}]


def _configfs() -> Steps:
    return [{"configfs": {"write": "{target}/nexus", "value": "nonsense"}, "expect": {"errno": "EINVAL"}},
            {"configfs": {"read": "{target}/transport_status"}, "expect": {"text": "online"}}, *_io()]


def _suite() -> Steps:
    return [{"suite": {"suite": "iscsi-test-cu", "lun": "disk", "tests": ["ALL.TestUnitReady", "ALL.ReadCapacity16"]}}]


# What may be asked, and the backstores on which it can be.
KINDS: dict[str, tuple[str, Callable[[], Steps], tuple[str, ...]]] = {
    "io": ("data that are written are read back", _io, tuple(BACKSTORES)),
    "command": ("a SCSI command and its answer", _command, ("ramdisk", "fileio", "iblock")),
    "fault": ("sectors of the device below fail", _fault, ("iblock",)),
    "hang": ("the device below holds its I/O", _hang, ("iblock",)),
    "reset": ("a LUN is reset", _reset, ("ramdisk", "fileio", "iblock")),
    "hotplug": ("a LUN goes and comes back", _hotplug, ("ramdisk", "fileio", "iblock")),
    "configfs": ("a file of configfs refuses what it must", _configfs, tuple(BACKSTORES)),
    "suite": ("cases of iscsi-test-cu", _suite, ("ramdisk", "fileio", "iblock")),
}


def beginning(name: str, summary: str, kind: str, backstore: str) -> str:
    """The text of a scenario file."""
    steps = KINDS[kind][1]()
    return text_of({"scenario": name, "summary": summary, "tags": [kind],
                    "backstores": {"disk": {**BACKSTORES[backstore], "size": _SIZE}}, "steps": steps},
                   [f"To be changed: it asks whether {KINDS[kind][0]}.",
                    "Say here what is expected, and where that is written: standard, or function and file."])


def text_of(scenario: dict[str, Any], comments: Iterable[str]) -> str:
    """A scenario as it is read by people: comments first, and a blank line between its parts."""
    parts = [f"# {' '.join(line.split())}\n" for line in comments]
    for key, value in scenario.items():
        parts.append(("\n" if key in ("backstores", "targets", "steps") else "") + written({key: value}))
    return "".join(parts)
