"""`write`, `read`, `verify`: every block through the LUN's disk or by READ(16)/WRITE(16), held against the ledger."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from lab.guest import clock, disks, sg
from lab.guest.allowance import Ranges, Rules, Tally
from lab.guest.disks import Disk
from lab.guest.ledger import Content, Ledger
from lab.guest.observation import Observation, Refused, of_oserror
from lab.guest.registry import driver
from lab.guest.session import Session
from lab.t10.commands import build
from lab.t10.sense import decode, describe
from lab.t10.status import host_status_name, status_name

# After so many failed commands nothing new is learnt, and each can take a SCSI timeout.
_FAILURE_LIMIT = 64
_GONE = {"ENODEV", "ENXIO", "ENOSPC"}


class Lane(Protocol):
    """One way to the blocks, for one thread. Raises OSError or Refused."""

    def write(self, lba: int, data: bytes) -> None: ...
    def read(self, lba: int, count: int) -> bytes: ...


class BlockLane:
    """O_DIRECT on /dev/sdX with an aligned buffer."""

    def __init__(self, fd: int, block_size: int, blocks: int) -> None:
        self._fd, self._size = fd, block_size
        self._buffer = mmap.mmap(-1, block_size * blocks)

    def write(self, lba: int, data: bytes) -> None:
        self._buffer[:len(data)] = data
        done = os.pwritev(self._fd, [memoryview(self._buffer)[:len(data)]], lba * self._size)
        if done != len(data):
            raise Refused(f"only {done} of {len(data)} bytes were written", errno="EIO")

    def read(self, lba: int, count: int) -> bytes:
        length = count * self._size
        done = os.preadv(self._fd, [memoryview(self._buffer)[:length]], lba * self._size)
        if done != length:
            raise Refused(f"only {done} of {length} bytes were read", errno="EIO")
        return self._buffer[:length]


class SgLane:
    """WRITE(16) and READ(16) on /dev/sgN."""

    def __init__(self, fd: int, block_size: int, timeout_s: float) -> None:
        self._fd, self._size, self._timeout_ms = fd, block_size, int(timeout_s * 1000)

    def write(self, lba: int, data: bytes) -> None:
        built = build("write16", lba=lba, blocks=len(data) // self._size, block_size=self._size)
        self._check(sg.command(self._fd, built.cdb, send=data, timeout_ms=self._timeout_ms))

    def read(self, lba: int, count: int) -> bytes:
        built = build("read16", lba=lba, blocks=count, block_size=self._size)
        answer = sg.command(self._fd, built.cdb, receive=built.receive, timeout_ms=self._timeout_ms)
        self._check(answer)
        if answer.residual:
            raise Refused(f"{answer.residual} bytes were not sent", errno="EIO", residual=answer.residual)
        return answer.data

    @staticmethod
    def _check(answer: sg.Answer) -> None:
        if answer.good:
            return
        sense = decode(answer.sense)
        said = describe(sense) if sense else host_status_name(answer.host_status) if answer.host_status \
            else status_name(answer.status)
        raise Refused(said, errno="EIO", status=answer.status, sense=answer.sense.hex(),
                      host_status=answer.host_status, driver_status=answer.driver_status,
                      refused=answer.refused)


@contextlib.contextmanager
def _lanes(disk: Disk, via: str, mode: int, transfer: int, depth: int) -> Iterator[list[Lane]]:
    size = disk.block_size
    if via == "sg":
        with disks.generic(disk) as fd:
            yield [SgLane(fd, size, disk.timeout_s) for _ in range(depth)]
        return
    node = disk.node
    fd = os.open(node, mode | os.O_DIRECT | os.O_CLOEXEC)
    try:
        disks.same(node, disk.node)
        yield [BlockLane(fd, size, transfer) for _ in range(depth)]
    finally:
        os.close(fd)


class _Failures:
    """The first failure of many commands, and whether to go on."""

    def __init__(self, deadline: float, stopping: threading.Event) -> None:
        self.first: Observation | None = None
        self.number = 0
        self._deadline, self._stopping, self._over = deadline, stopping, False

    def add(self, error: OSError | Refused, doing: str) -> None:
        seen = of_oserror(error, doing) if isinstance(error, OSError) else \
            {"ok": False, "problem": f"{doing}: {error}",
             **{name: fact for name, fact in error.facts.items() if name != "refused"}}
        self.number += 1
        self._over |= self.number >= _FAILURE_LIMIT or seen.get("errno") in _GONE
        self.first = self.first or seen

    def over(self) -> bool:
        if clock.now() > self._deadline and not self._over:
            self.add(Refused("not all blocks were reached before the timeout", errno="ETIMEDOUT"), "the step")
            self._over = True
        return self._over or self._stopping.is_set()


def _share(lanes: list[Lane], transfers: Iterator[tuple[int, int]], work: Callable[[Lane, int, int], None],
           failures: _Failures) -> None:
    """Give the transfers to the lanes, each in a thread of its own; wait for all."""
    lock = threading.Lock()
    crashed: list[BaseException] = []

    def drain(lane: Lane) -> None:
        try:
            while not failures.over():
                with lock:
                    place = next(transfers, None)
                if place is None:
                    return
                work(lane, *place)
        except BaseException as error:  # our own fault: hand it to the step's thread
            crashed.append(error)

    threads = [threading.Thread(target=drain, args=(lane,), daemon=True) for lane in lanes[1:]]
    for thread in threads:
        thread.start()
    drain(lanes[0])
    for thread in threads:
        thread.join()
    if crashed:
        raise crashed[0]


def _ranges(ledger: Ledger, blocks: Any) -> Ranges:
    ranges = Ranges(blocks if blocks else [(0, ledger.blocks - 1)])
    if ranges.last >= ledger.blocks:
        raise Refused(f"block {ranges.last} is beyond the end: the LUN has {ledger.blocks} blocks")
    return ranges


@driver("write")
def write(session: Session, deadline: float, *, lun: str, blocks: Any = None, pattern: str = "ledger",
          transfer: int = 64, depth: int = 1, via: str = "block") -> Observation:
    """Write one generation to the blocks. Goes on after a failed command, so that all blocks are tried."""
    ledger, disk = session.ledger(lun), session.disk(lun)
    ranges, generation = _ranges(ledger, blocks), ledger.next_generation()
    tally, failures, lock = Tally(), _Failures(deadline, session.stopping), threading.Lock()

    def send(lane: Lane, lba: int, count: int) -> None:
        data = ledger.run(lba, count, generation)
        contents: list[Content] = [generation] * count
        begun = ledger.begin(lba, contents)
        try:
            lane.write(lba, data)
        except (OSError, Refused) as error:
            if isinstance(error, Refused) and error.facts.get("refused"):
                ledger.refused(begun)
            else:
                ledger.failed(begun)
            with lock:
                failures.add(error, f"write of blocks {lba}-{lba + count - 1}")
                tally.add("failed", count)
        else:
            ledger.done(begun)
            with lock:
                tally.add("new", count)

    with _lanes(disk, via, os.O_RDWR, transfer, depth) as lanes:
        _share(lanes, ranges.transfers(transfer), send, failures)
    return {"ok": True, **(failures.first or {}), "blocks": tally.counts}


@driver("read")
def read(session: Session, deadline: float, *, lun: str, blocks: Any = None, transfer: int = 64, depth: int = 1,
         via: str = "block") -> Observation:
    """Read the blocks and look only at how each command ends. Goes on after a failed one, as `write` does."""
    ranges, disk = _ranges(session.ledger(lun), blocks), session.disk(lun)
    tally, failures, lock = Tally(), _Failures(deadline, session.stopping), threading.Lock()

    def fetch(lane: Lane, lba: int, count: int) -> None:
        try:
            lane.read(lba, count)
        except (OSError, Refused) as error:
            with lock:
                failures.add(error, f"read of blocks {lba}-{lba + count - 1}")
                tally.add("failed", count)
        else:
            with lock:
                tally.add("read", count)

    with _lanes(disk, via, os.O_RDONLY, transfer, depth) as lanes:
        _share(lanes, ranges.transfers(transfer), fetch, failures)
    return {"ok": True, **(failures.first or {}), "blocks": tally.counts}


@driver("verify")
def verify(session: Session, deadline: float, *, lun: str, blocks: Any = None, allow_changed: Any = (),
           zero: Any = (), acknowledged: Sequence[str] = ("new",), failed: Sequence[str] = ("new", "old"),
           in_flight: Sequence[str] = ("new", "old"), transfer: int = 64, via: str = "block") -> Observation:
    """Read the blocks and judge each. A refused transfer is read again block by block: which ones are unreadable?"""
    ledger, disk = session.ledger(lun), session.disk(lun)
    ranges, zeros = _ranges(ledger, blocks), Ranges(zero)
    rules = Rules(Ranges(allow_changed), zeros, frozenset(acknowledged), frozenset(failed), frozenset(in_flight))
    if outside := [pair for pair in zero if not ranges.holds(*pair)]:
        raise Refused(f"zero: blocks {outside[0][0]}-{outside[0][1]} are not among those that are verified")
    tally, failures = Tally(), _Failures(deadline, session.stopping)

    def look(lane: Lane, lba: int, count: int) -> None:
        before = ledger.contents(lba, count)
        try:
            data = lane.read(lba, count)
        except (OSError, Refused) as error:
            if count > 1:
                for one in range(lba, lba + count):
                    if not failures.over():
                        look(lane, one, 1)
                return
            failures.add(error, f"read of block {lba}")
            tally.bad("unreadable", lba, f"unreadable: {error}")
            return
        ledger.judge(lba, data, before, tally, rules)

    with _lanes(disk, via, os.O_RDONLY, transfer, 1) as lanes:
        _share(lanes, ranges.transfers(transfer), look, failures)
    return _verdict(tally, failures)


def _verdict(tally: Tally, failures: _Failures) -> Observation:
    seen: Observation = {"ok": tally.ok and failures.first is None, **(failures.first or {}),
                         "blocks": tally.counts}
    if tally.first_bad:
        seen["first_bad"] = tally.first_bad
    if not tally.ok:
        first = tally.first_bad[0]
        seen["problem"] = f"block {first['lba']}: {first['found']}"
    elif seen["ok"] and set(tally.counts) <= {"changed"}:
        seen.update(ok=False, problem="every block may hold anything: nothing was verified")
    return seen
