"""Copies by sg_dd and its kin between two LUNs, each held against what the ledger says of the source.

Before a case the whole destination holds a filler; after it, the blocks of the range must be the source's, all others
the filler, and the program must have counted what was copied.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.guest import program, whole
from lab.guest.disks import Disk
from lab.guest.observation import Refused, of_oserror
from lab.guest.settings import spell
from lab.guest.suite import Case, Told

_PACKAGES = {"ddpt": "ddpt"}  # of programs that the guest may lack; the others are always in it
_FILLER = b"\xa5"  # no byte of the ledger's records makes a block of these
_COUNTED = re.compile(r"^(\d+)\+\d+ records (?:out|verified)|: (\d+) blocks, \d+ command", re.MULTILINE)
_BEYOND = 64  # blocks of a file behind the range


def missing(given: dict[str, Any]) -> str | None:
    """Why the guest cannot run it; None when it can."""
    for copy in given["copies"].values():
        name = copy["program"]
        if program.which(name) is None:
            package = _PACKAGES.get(name, "sg3-utils")
            return f"{name} is not in the guest: install {package} on the host, of whose tools the guest is made"
    return None


def names(given: dict[str, Any], deadline: float) -> list[str]:
    """The cases that the scenario describes."""
    return list(given["copies"])


def run(chosen: list[str], told: Told) -> Iterator[Case]:
    """One after the other, until one does not end. Raises Refused where the source's blocks are not known."""
    assert told.destination is not None
    if told.disk.block_size != told.destination.block_size:
        raise Refused(f"the LUNs have blocks of {told.disk.block_size} and {told.destination.block_size} bytes: "
                      "copies need one size")
    for name in chosen:
        case = Copying(name, told.given["copies"][name], told, told.destination).case()
        yield case
        if case.ends == "hung":
            return


@dataclass
class Copying:
    """One copy. Numbers are blocks."""

    name: str
    copy: dict[str, Any]
    told: Told
    to: Disk
    held: bytes = b""  # the range's blocks as the source has them
    before: bytes = b""  # the destination before the copy

    def case(self) -> Case:
        """Prepare, copy, look."""
        began = time.monotonic()
        try:
            self.held = self._source()
            self._prepare()
            heard = program.listen(self._argv(), deadline=self.told.deadline, folder=str(self.told.work),
                                   stopping=self.told.stopping)
            output = "\n".join([" ".join(self._argv()), *(line for _, line in heard.lines)])
            ends, why = ("hung", "") if heard.exit is None else self._judged(heard.exit, output)
        except OSError as error:  # of a LUN that cannot be prepared or looked at
            ends, why, output = "fail", str(of_oserror(error)["problem"]), ""
        return Case(self.name, ends, why, output, time.monotonic() - began)

    # -- before ------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        size, held = self.to.block_size, self.held
        last = self.copy["seek"] + self.copy["blocks"]
        if self.copy["reads"] == "file":
            around = [self.told.ledger.run(0, count, 0) for count in (self.copy["skip"], _BEYOND)]
            self._file("source").write_bytes(held.join(around))
        blocks = last + _BEYOND if self.copy["writes"] == "file" else self.to.size // size
        if last > blocks:
            raise Refused(f"block {last - 1} is beyond the end of the destination, which has {blocks} blocks")
        filler = _FILLER * size
        if self.copy["compare"] is not None:
            held = held if self.copy["compare"] == "same" else held[:-size] + filler
            self.before = filler * self.copy["seek"] + held + filler * (blocks - last)
        else:
            self.before = filler * blocks
        if self.copy["writes"] == "file":
            self._file("destination").write_bytes(self.before)
        else:
            whole.write(self.to.node, self.before)

    def _source(self) -> bytes:
        """What the blocks of the source hold, as a copy sees them."""
        first, ledger = self.copy["skip"], self.told.ledger
        contents = ledger.contents(first, self.copy["blocks"])
        if len(contents) < self.copy["blocks"]:
            raise Refused(f"the source ends before block {first + self.copy['blocks'] - 1}")
        parts = []
        for lba, content in enumerate(contents, first):
            if any(low <= lba <= high for low, high in self.copy["unreadable"]):
                parts.append(bytes(ledger.block_size))
            elif not isinstance(content, int) or content == 0:
                raise Refused(f"nothing is known of block {lba} of the source: `write` it before the copies")
            else:
                parts.append(ledger.block(lba, content))
        return b"".join(parts)

    def _file(self, name: str) -> Path:
        return self.told.work / f"{name}.img"

    def _node(self, way: str, disk: Disk, name: str) -> str:
        return {"sg": lambda: disk.sg, "block": lambda: disk.node, "file": lambda: str(self._file(name))}[way]()

    def _argv(self) -> list[str]:
        copy = self.copy
        operands = {"if": self._node(copy["reads"], self.told.disk, "source"),
                    "of": self._node(copy["writes"], self.to, "destination"), "bs": self.to.block_size,
                    "count": copy["blocks"], "skip": copy["skip"], "seek": copy["seek"], **copy["options"]}
        compare = ["--verify"] if copy["compare"] is not None else []
        return [copy["program"], *(f"{key}={spell(value)}" for key, value in operands.items()), *compare]

    # -- after -------------------------------------------------------------------------------------------------

    def _judged(self, status: int, output: str) -> tuple[str, str]:
        """How the case ends and why: the first thing that is not as it must be."""
        wanted = self.copy["counted"] if self.copy["counted"] is not None else self.copy["blocks"]
        counts = [int(found[1] or found[2]) for found in _COUNTED.finditer(output)]
        if status != self.copy["exit"]:
            why = f"exit {status} instead of {self.copy['exit']}: {_last_words(output)}"
        else:
            why = self._differs(self.copy["blocks"] if status == 0 else min(wanted, self.copy["blocks"]))
        if not why and wanted not in counts:
            why = f"it says that it copied {counts[-1] if counts else 'nothing'} instead of {wanted} blocks"
        return ("fail", why) if why else ("pass", "")

    def _differs(self, copied: int) -> str:
        """The first block of the destination that is wrong, in words; empty when there is none. Where an
        error ended the copy, the rest of the range may be anything."""
        size, first = self.to.block_size, self.copy["seek"]
        found = self._file("destination").read_bytes() if self.copy["writes"] == "file" \
            else whole.read(self.to.node, len(self.before))
        right = bytearray(self.before)
        if self.copy["compare"] is None:
            right[first * size:(first + copied) * size] = self.held[:copied * size]
        if found == right:
            return ""
        open_to = first + self.copy["blocks"] if self.copy["compare"] is None else 0
        for lba in range(max(len(right), len(found)) // size):
            block = found[lba * size:(lba + 1) * size]
            if block != right[lba * size:(lba + 1) * size] and not first + copied <= lba < open_to:
                return self._told(lba, block)
        return ""

    def _told(self, lba: int, block: bytes) -> str:
        inside = self.copy["seek"] <= lba < self.copy["seek"] + self.copy["blocks"]
        pattern = self.told.ledger.pattern
        from_source = lba - self.copy["seek"] + self.copy["skip"]
        held = "what was there before" if block == _FILLER * len(block) else pattern.name(from_source, block)
        wanted = f"block {from_source} of the source" if inside else "being left alone"
        return f"block {lba} of the destination holds {held} instead of {wanted}"


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines()[1:] if line.strip()]
    return lines[-1] if lines else "it printed nothing"
