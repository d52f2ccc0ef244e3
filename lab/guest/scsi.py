"""`scsi` and `reset`: single commands and task management through /dev/sgN."""

from __future__ import annotations

import os
from typing import Any

from lab.guest import disks, effects, sg
from lab.guest.effects import Change
from lab.guest.ledger import Ledger
from lab.guest.observation import Observation, Refused
from lab.guest.registry import driver
from lab.guest.session import Session
from lab.t10 import answers
from lab.t10.cdbs import Built
from lab.t10.commands import build
from lab.t10.fields import parse_number
from lab.t10.sense import decode, describe
from lab.t10.status import host_status_name, status_name
from lab.wire import DATA_LIMIT

_UNIT_ATTENTION = 6


@driver("scsi")
def scsi(session: Session, deadline: float, *, lun: str, command: str | None = None, cdb: str | None = None,
         lba: int | None = None, blocks: int | None = None, arguments: dict[str, Any] | None = None,
         data: dict[str, Any] | None = None, write: dict[str, Any] | None = None, receive: int | None = None,
         page_offset: int | None = None, source: str | None = None, destination: str | None = None,
         abort_after: float | None = None, keep_attention: bool = False) -> Observation:
    """Send one command. Any end of it that SCSI defines is an observation; ok is GOOD (or CONDITION MET)."""
    disk = session.disk(lun)
    with disks.generic(disk) as fd:
        order = _Order(session, lun, fd, int(disk.timeout_s * 1000))
        if command is None:
            assert cdb is not None
            built = Built(bytes.fromhex(cdb), receive=0 if data else receive or 0)
        else:
            arguments = dict(arguments or {})
            if command == "extended_copy":
                arguments = order.named_units(arguments, source, destination)
            built = build(command, lba=lba, blocks=blocks, arguments=arguments, block_size=order.block_size)
        if not keep_attention:
            order.clear_attention()
        payload = order.payload(command, built, lba or 0, blocks, data, write)
        begun = order.begin(command, lba or 0, blocks, arguments or {}, payload, source, destination)
        size = built.receive if receive is None else receive
        timeout_ms = order.timeout_ms if abort_after is None else int(abort_after * 1000)
        try:
            answer = order.send(built.cdb, payload, size, page_offset, timeout_ms)
        except OSError:
            order.end(begun, None, hint=False)
            raise
        order.end(begun, answer, hint=command == "unmap")
        return observe(answer)


def observe(answer: sg.Answer) -> Observation:
    """The observation of a command's end, with the sentence for the report when it was not GOOD."""
    seen: Observation = {
        "ok": answer.good, "status": answer.status, "host_status": answer.host_status,
        "driver_status": answer.driver_status, "sense": answer.sense.hex(), "residual": answer.residual,
        "received": len(answer.data) if answer.good else 0,
    }
    if answer.good:  # else the buffer holds nothing that the device meant
        seen["data"] = answer.data[:DATA_LIMIT].hex()
    if answer.good and answer.data and answer.data == answer.data[:1] * len(answer.data):
        seen["fill"] = answer.data[0]  # `data` is cut; this says it of all bytes
    if not answer.good:
        sense = decode(answer.sense)
        words = [status_name(answer.status)] if answer.status else []
        words += [host_status_name(answer.host_status)] if answer.host_status else []
        words += [describe(sense)] if sense else []
        seen["problem"] = ": ".join(words) or f"driver status 0x{answer.driver_status:02x}"
    return seen


class _Order:
    """One command under way: its data, and what it does to the ledger."""

    def __init__(self, session: Session, lun: str, fd: int, timeout_ms: int) -> None:
        self.session, self.lun, self.fd, self.timeout_ms = session, lun, fd, timeout_ms
        self._ledger: Ledger | None = None
        self._generation = 0
        backstore = session.lun(lun)[2]
        if backstore.ledger is not None:
            self._ledger = backstore.ledger

    @property
    def block_size(self) -> int:
        """Bytes. 512 where the disk never came up, so that commands can still be sent."""
        return self._ledger.block_size if self._ledger else 512

    def clear_attention(self) -> None:
        """TEST UNIT READY until no unit attention is left (each takes one; SAM-5 5.14)."""
        for _ in range(16):
            answer = sg.command(self.fd, bytes(6), timeout_ms=self.timeout_ms)
            sense = decode(answer.sense)
            if sense is None or sense.key != _UNIT_ATTENTION:
                return

    def send(self, cdb: bytes, payload: bytes, receive: int, page_offset: int | None,
             timeout_ms: int) -> sg.Answer:
        """The command, its data copied by /dev/sgN, or in the very pages of a buffer that begins at `page_offset`.

        /dev/sdX maps the pages of the caller where their alignment lets it; it is opened for reading, so that nobody
        probes the disk anew when it is closed.
        """
        if page_offset is None:
            return sg.command(self.fd, cdb, send=payload, receive=receive, timeout_ms=timeout_ms)
        with sg.opened(self.session.disk(self.lun).node, os.O_RDONLY) as fd:
            return sg.command(fd, cdb, send=payload, receive=receive, timeout_ms=timeout_ms,
                              page_offset=page_offset)

    def payload(self, command: str | None, built: Built, lba: int, blocks: int | None,
                data: dict[str, Any] | None, write: dict[str, Any] | None) -> bytes:
        """The data-out bytes: the scenario's, the command's parameter list, or the ledger's blocks."""
        if command == "compare_and_write":
            half = built.send // 2
            compare = data or {"read": True}
            return self._make(compare, half, lba) + self._make(write or {"ledger": True}, half, lba)
        if data is not None:
            return self._make(data, built.send, lba)
        if built.data_out is not None:
            return built.data_out
        if not built.send:
            return b""
        return self._make({"ledger": True} if command in effects.WRITES else {"fill": 0}, built.send, lba)

    def _make(self, source: dict[str, Any], default: int, lba: int) -> bytes:
        length = default if source.get("length") is None else int(source["length"])
        made = bytearray(self._source(source, length, lba))
        flip = source.get("flip")
        if flip is not None:
            if flip >= len(made):
                raise Refused(f"there is no byte {flip} to flip in {len(made)} bytes")
            made[flip] ^= 0xff
        return bytes(made)

    def _source(self, source: dict[str, Any], length: int, lba: int) -> bytes:
        if source.get("hex") is not None:
            pattern = bytes.fromhex(source["hex"])
            return (pattern * (length // len(pattern) + 1))[:length]
        if source.get("fill") is not None:
            return bytes((source["fill"],)) * length
        count = -(-length // self.block_size)
        if source.get("read"):
            built = build("read16", lba=lba, blocks=count, block_size=self.block_size)
            answer = sg.command(self.fd, built.cdb, receive=built.receive, timeout_ms=self.timeout_ms)
            if not answer.good:
                raise Refused(f"what the blocks hold could not be read: {observe(answer)['problem']}")
            return answer.data[:length]
        ledger = self._need_ledger()
        self._generation = self._generation or ledger.next_generation()
        return ledger.run(lba, count, self._generation)[:length]

    def _need_ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = self.session.ledger(self.lun)
        return self._ledger

    def named_units(self, arguments: dict[str, Any], source: str | None, destination: str | None) -> dict[str, Any]:
        """EXTENDED COPY: the arguments with the NAA designators of both LUNs; what the scenario gives itself stays."""
        for name, lun in (("source_naa", source), ("destination_naa", destination)):
            if name not in arguments:
                arguments[name] = f"0x{self._designator(lun or self.lun)}"
        return arguments

    def _designator(self, lun: str) -> str:
        """The NAA designator of a LUN, as its VPD page 83h says it."""
        page = {"evpd": 1, "page": 0x83}
        built = build("inquiry", arguments=page)
        with sg.opened(self.session.disk(lun).sg) as fd:
            answer = sg.command(fd, built.cdb, receive=built.receive, timeout_ms=self.timeout_ms)
        fields = answers.decode("inquiry", page, answer.data) if answer.good else {}
        if "naa" not in fields:
            raise Refused(f"{lun} has no NAA designator to copy by; give its backstore a serial")
        return str(fields["naa"])

    def begin(self, command: str | None, lba: int, blocks: int | None, arguments: dict[str, Any],
              payload: bytes, source: str | None, destination: str | None) -> list[Change]:
        """Tell the ledger what the command is going to change. A raw CDB is not understood: nothing is told."""
        count = 1 if blocks is None else blocks
        if command == "extended_copy" and not payload:
            return []  # nothing is asked for
        if command == "extended_copy":
            places = [self.session.lun(lun or self.lun)[2].ledger for lun in (source, destination)]
            to = parse_number(arguments.get("destination_lba", 0)) or 0
            return effects.begin(places[1], effects.copied(places[0], lba, places[1], to, count))
        if self._ledger is None or command is None:
            return []
        return effects.begin(self._ledger, effects.pieces(self._ledger, command, lba, count, arguments, payload,
                                                          self._generation))

    def end(self, begun: list[Change], answer: sg.Answer | None, *, hint: bool) -> None:
        """Tell the ledger how it ended; None: the command could not be sent, or its end was not learnt."""
        for ledger, change in begun:
            if answer is not None and answer.refused:
                ledger.refused(change)
            elif answer is None or not answer.good:
                ledger.failed(change)
            elif hint:
                ledger.may_be_zero(change)
            else:
                ledger.done(change)


@driver("reset")
def reset(session: Session, deadline: float, *, lun: str, level: str = "device") -> Observation:
    """SG_SCSI_RESET without escalation. EIO: the target refused, or tcm_loop has no such reset."""
    with disks.generic(session.disk(lun)) as fd:
        sg.reset(fd, level)
    return {"ok": True}
