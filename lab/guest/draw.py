"""Draws the steps of a `stress`: a pure function of seed, worker and what is there, so that a run can be had again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Part = dict[str, Any]  # {WORD: arguments}, as a scenario would have it
_PORT = ("address", "nexus", "transport_status", "lun/lun_{n}/statistics/scsi_port/dev",
         "lun/lun_{n}/statistics/scsi_tgt_port/in_cmds", "lun/lun_{n}/statistics/scsi_transport/device",
         "lun/lun_{n}/alua_tg_pt_gp")
_CORE = ("info", "alias", "udev_path", "attrib/block_size", "attrib/hw_queue_depth", "statistics/scsi_lu/num_cmds",
         "statistics/scsi_lu/lu_name", "statistics/scsi_tgt_dev/resets", "statistics/scsi_dev/role",
         "pr/res_holder", "pr/res_pr_all_tgt_pts", "alua/default_tg_pt_gp/alua_access_state",
         "alua/default_tg_pt_gp/members", "wwn/vpd_unit_serial", "wwn/vpd_protocol_identifier")
_COMMANDS: tuple[dict[str, Any], ...] = (
    {"command": "test_unit_ready"}, {"command": "inquiry"}, {"command": "report_luns"},
    {"command": "inquiry", "arguments": {"evpd": True, "page": 0x83}}, {"command": "read_capacity16"},
    {"command": "synchronize_cache10"}, {"cdb": "040000000000"}, {"cdb": "1a003f00ff00", "receive": 255},
    {"command": "read16", "lba": 2**63, "blocks": 1}, {"command": "read10", "lba": 0, "blocks": 8},
    {"command": "verify10", "lba": 0, "blocks": 4},
)


@dataclass(frozen=True)
class Ground:
    """What operations may go to. `luns`: reference -> its blocks. `places`: (target, LUN number, backstore)."""

    luns: dict[str, int]
    places: list[tuple[str, int, str]]
    mapped: list[str]  # backstores over device mapper


class Draw:
    """The endless sequence of one worker, number `worker` of `workers`."""

    def __init__(self, seed: int, worker: int, workers: int, weights: dict[str, int], ground: Ground) -> None:
        self._random = random.Random(f"{seed} {worker}")
        self._worker, self._workers, self._ground = worker, workers, ground
        self._kinds, self._weights = list(weights), list(weights.values())
        self._makers: dict[str, Callable[[], list[Part]]] = {
            "write": self._write, "read": self._read, "verify": self._verify, "scsi": self._scsi,
            "configfs": self._configfs, "reset": self._reset, "lun": self._lun, "fault": self._fault}

    def next(self) -> tuple[str, list[Part]]:
        """A kind of operation, and the steps that it consists of."""
        kind = self._random.choices(self._kinds, self._weights)[0]
        return kind, self._makers[kind]()

    def _blocks(self) -> tuple[str, list[list[int]]]:
        """A LUN, and some blocks of this worker's part of it: who else writes there would make its data a riddle."""
        lun = self._random.choice(list(self._ground.luns))
        share = self._ground.luns[lun] // self._workers
        first = self._random.randrange(share)
        count = min(self._random.choice((1, 7, 8, 64, 256)), share - first)
        base = self._worker * share + first
        return lun, [[base, base + count - 1]]

    def _write(self) -> list[Part]:
        lun, blocks = self._blocks()
        return [{"write": {"lun": lun, "blocks": blocks, "transfer": self._random.choice((1, 8, 64, 256)),
                           "depth": self._random.choice((1, 2, 4)), "via": self._random.choice(("block", "sg"))}}]

    def _read(self) -> list[Part]:
        lun = self._random.choice(list(self._ground.luns))
        first = self._random.randrange(self._ground.luns[lun])
        last = min(first + 255, self._ground.luns[lun] - 1)
        return [{"read": {"lun": lun, "blocks": [[first, last]], "transfer": self._random.choice((8, 256)),
                          "depth": self._random.choice((1, 4)), "via": self._random.choice(("block", "sg"))}}]

    def _verify(self) -> list[Part]:
        lun, blocks = self._blocks()
        return [{"verify": {"lun": lun, "blocks": blocks, "via": self._random.choice(("block", "sg"))}}]

    def _scsi(self) -> list[Part]:
        return [{"scsi": {"lun": self._random.choice(list(self._ground.luns)), **self._random.choice(_COMMANDS)}}]

    def _configfs(self) -> list[Part]:
        target, number, backstore = self._random.choice(self._ground.places)
        paths = [f"{{{target}}}/{name}".replace("{n}", str(number)) for name in _PORT]
        paths += [f"{{{backstore}}}/{name}" for name in _CORE]
        return [{"configfs": {"read": self._random.choice(paths)}}]

    def _reset(self) -> list[Part]:
        return [{"reset": {"lun": self._random.choice(list(self._ground.luns)), "level": "device"}}]

    def _lun(self) -> list[Part]:
        target, number, backstore = self._random.choice(self._ground.places)
        return [{"lun": {"action": "remove", "target": target, "number": number}},
                {"lun": {"action": "add", "target": target, "number": number, "backstore": backstore}}]

    def _fault(self) -> list[Part]:
        kind = self._random.choice(("dm-suspend", "dm-error"))
        fault = {"fault": kind, "on": self._random.choice(self._ground.mapped)}
        return [{"inject": fault}, {"sleep": {"time": self._random.choice((0.0, 0.02, 0.1))}}, {"clear": fault}]
