"""`scsi` and `reset`: single commands and task management through /dev/sgN."""

from __future__ import annotations

from typing import Any

from lab.guest import sg
from lab.guest.ledger import Content, Ledger, Pending
from lab.guest.observation import Observation, Refused
from lab.guest.registry import driver
from lab.guest.session import Session
from lab.t10.cdbs import Built
from lab.t10.commands import build
from lab.t10.fields import parse_descriptor
from lab.t10.sense import decode, describe
from lab.t10.status import host_status_name, status_name
from lab.wire import DATA_LIMIT

_UNIT_ATTENTION = 6
_WRITES = ("write6", "write10", "write12", "write16", "write_and_verify10", "write_and_verify16")
_SAME = ("write_same10", "write_same16")


@driver("scsi")
def scsi(session: Session, deadline: float, *, lun: str, command: str | None = None, cdb: str | None = None,
         lba: int | None = None, blocks: int | None = None, arguments: dict[str, Any] | None = None,
         data: dict[str, Any] | None = None, write: dict[str, Any] | None = None, receive: int | None = None,
         keep_attention: bool = False) -> Observation:
    """Send one command. Any end of it that SCSI defines is an observation; ok is GOOD (or CONDITION MET)."""
    disk = session.disk(lun)
    with sg.opened(disk.sg) as fd:
        order = _Order(session, lun, fd, int(disk.timeout_s * 1000))
        if command is None:
            assert cdb is not None
            built = Built(bytes.fromhex(cdb), receive=0 if data else receive or 0)
        else:
            built = build(command, lba=lba, blocks=blocks, arguments=arguments or {}, block_size=order.block_size)
        if not keep_attention:
            order.clear_attention()
        payload = order.payload(command, built, lba or 0, blocks, data, write)
        begun = order.begin(command, lba or 0, blocks, arguments or {}, payload)
        size = built.receive if receive is None else receive
        try:
            answer = sg.command(fd, built.cdb, send=payload, receive=size, timeout_ms=order.timeout_ms)
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
        return self._make({"ledger": True} if command in _WRITES else {"fill": 0}, built.send, lba)

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

    def begin(self, command: str | None, lba: int, blocks: int | None, arguments: dict[str, Any],
              payload: bytes) -> list[Pending]:
        """Tell the ledger what the command is going to change. A raw CDB is not understood: nothing is told."""
        ledger, count = self._ledger, 1 if blocks is None else blocks
        if ledger is None or command is None:
            return []
        size = ledger.block_size
        pieces: list[tuple[int, list[Content]]] = []
        if command in _WRITES:
            pieces = [(lba, self._contents(payload, lba))]
        elif command == "compare_and_write":
            pieces = [(lba, self._contents(payload[len(payload) // 2:], lba))]
        elif command in _SAME:
            number = count or ledger.blocks - lba
            block = payload[:size] or bytes(size)
            # Past the limit of WRITE SAME the command fails; the ledger then allows old and new, which is right.
            pieces = [(lba, [block if any(block) else 0] * max(0, min(number, ledger.blocks - lba)))]
        elif command == "unmap":
            for first, number in _unmapped(lba, count, arguments):
                if first < ledger.blocks:
                    pieces.append((first, [0] * min(number, ledger.blocks - first)))
        return [ledger.begin(first, contents) for first, contents in pieces
                if contents and first < ledger.blocks]

    def _contents(self, payload: bytes, lba: int) -> list[Content]:
        size = self.block_size
        listed: list[Content] = [payload[i:i + size] for i in range(0, len(payload) - size + 1, size)]
        ledger = self._need_ledger()
        return [self._generation if self._generation and c == ledger.block(lba + i, self._generation)
                else 0 if isinstance(c, bytes) and not any(c) else c for i, c in enumerate(listed)]

    def end(self, begun: list[Pending], answer: sg.Answer | None, *, hint: bool) -> None:
        """Tell the ledger how it ended; None: the command could not be sent, or its end was not learnt."""
        for change in begun:
            assert self._ledger is not None
            if answer is not None and answer.refused:
                self._ledger.refused(change)
            elif answer is None or not answer.good:
                self._ledger.failed(change)
            elif hint:
                self._ledger.may_be_zero(change)
            else:
                self._ledger.done(change)


def _unmapped(lba: int, count: int, arguments: dict[str, Any]) -> list[tuple[int, int]]:
    listed = arguments.get("descriptors")
    if listed is None:
        return [(lba, count)]
    return [parse_descriptor(d) for d in (listed if isinstance(listed, list) else [listed])]


@driver("reset")
def reset(session: Session, deadline: float, *, lun: str, level: str = "device") -> Observation:
    """SG_SCSI_RESET without escalation. EIO: the target refused, or tcm_loop has no such reset."""
    with sg.opened(session.disk(lun).sg) as fd:
        sg.reset(fd, level)
    return {"ok": True}
