"""The ring of a tcmu device with this test as its kernel, and the disk behind it."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from lab.guest import tcmu
from lab.guest.observation import Refused
from lab.guest.tcmu_ring import CAP_READ_LEN, KEEP_BUF, READ_LEN, UNKNOWN_OP, Notice, Reply, Request, Ring, cdb_of
from lab.guest.tcmu_server import Server
from lab.guest.tcmu_unit import Unit, place_of
from lab.t10.commands import build
from lab.t10.sense import decode

OFFSET, SIZE, DATA = 128, 1024, 4096
READ10 = build("read10", lba=8, blocks=1).cdb


class Kernel:
    """The other end of the ring (queue_cmd_ring in drivers/target/target_core_user.c)."""

    def __init__(self, path: Path, flags: int = CAP_READ_LEN) -> None:
        path.write_bytes(bytes(DATA + 4 * 4096))
        self.ring_file = os.open(path, os.O_RDWR)
        os.pwrite(self.ring_file, struct.pack("<HHII", 2, flags, OFFSET, SIZE), 0)
        self.head = 0

    def put(self, operation: int, cmd_id: int, body: bytes, length: int) -> int:
        """One entry at the head; where it is."""
        at = OFFSET + self.head
        os.pwrite(self.ring_file, struct.pack("<IHBB", length | operation, cmd_id, 0, 0) + body, at)
        self.head = (self.head + length) % SIZE
        os.pwrite(self.ring_file, struct.pack("<I", self.head), 12)
        return at

    def command(self, cmd_id: int, cdb: bytes, *iov: tuple[int, int]) -> int:
        cdb_off = OFFSET + self.head + 112
        body = struct.pack("<III4xQ16x", len(iov), 0, 0, cdb_off) + b"".join(struct.pack("<QQ", *i) for i in iov)
        return self.put(1, cmd_id, body.ljust(104, b"\0") + cdb, 128)

    def response(self, at: int) -> tuple[int, int, int, int, bytes]:
        """Command id, flags, status, read_len and sense data of an entry that was given back."""
        _, cmd_id, _, flags, status, read_len, sense = struct.unpack(
            "<IHBBB3xI96s", os.pread(self.ring_file, 112, at))
        return cmd_id, flags, status, read_len, sense

    @property
    def tail(self) -> int:
        return struct.unpack("<I", os.pread(self.ring_file, 4, 64))[0]

    def reset(self) -> None:
        self.head = 0
        os.pwrite(self.ring_file, bytes(4), 12)
        os.pwrite(self.ring_file, bytes(4), 64)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path / "uio")


@pytest.fixture
def ring(kernel: Kernel) -> Ring:
    return Ring(kernel.ring_file, DATA + 4 * 4096)


def requests(ring: Ring) -> list[Request]:
    return [entry for entry in ring.fetch() if isinstance(entry, Request)]


def test_a_command_comes_with_its_data_buffer_from_several_places(kernel: Kernel, ring: Ring) -> None:
    os.pwrite(kernel.ring_file, b"abcdef", DATA)
    kernel.command(7, READ10, (DATA + 4, 2), (DATA, 3))
    [request] = requests(ring)
    assert (request.cmd_id, request.cdb, request.room) == (7, READ10, 5)
    assert ring.read(request) == b"efabc"
    assert requests(ring) == [] and kernel.tail == 0


def test_short_data_leave_a_residual_and_nothing_of_earlier_commands(kernel: Kernel, ring: Ring) -> None:
    os.pwrite(kernel.ring_file, b"old old", DATA)
    at = kernel.command(1, READ10, (DATA, 4), (DATA + 4, 3))
    ring.answer(requests(ring)[0], Reply(data=b"12345"), data_in=True)
    assert kernel.response(at)[:4] == (1, READ_LEN, 0, 5) and kernel.tail == 128
    assert os.pread(kernel.ring_file, 7, DATA) == b"12345\0\0"


def test_data_out_is_left_alone_and_sense_data_are_carried(kernel: Kernel, ring: Ring) -> None:
    os.pwrite(kernel.ring_file, b"data", DATA)
    at = kernel.command(1, READ10, (DATA, 4))
    ring.answer(requests(ring)[0], Reply(2, b"\x70\0\3"), data_in=False)
    assert kernel.response(at) == (1, 0, 2, 0, b"\x70\0\3".ljust(96, b"\0"))
    assert os.pread(kernel.ring_file, 4, DATA) == b"data"


def test_a_later_command_may_be_answered_first(kernel: Kernel, ring: Ring) -> None:
    slots = [kernel.command(number, READ10) for number in (1, 2)]
    first, second = requests(ring)
    ring.answer(second, Reply(8), data_in=False)
    ring.answer(first, Reply(), data_in=False)
    assert [kernel.response(at)[0] for at in slots] == [2, 1] and kernel.tail == 256


def test_padding_and_notices_are_given_back_unanswered(kernel: Kernel, ring: Ring) -> None:
    kernel.put(2, 0, struct.pack("<B3xI16xHH", 5, 2, 3, 4), 40)
    kernel.put(0, 0, b"", 24)
    assert list(ring.fetch()) == [Notice(5, (3, 4))]
    assert ring.skip() and kernel.tail == 64
    assert not ring.skip()


def test_the_ring_begins_again_at_its_end_and_after_a_reset(kernel: Kernel, ring: Ring) -> None:
    for number in range(1, 10):
        kernel.command(number, READ10)
        [request] = requests(ring)
        ring.answer(request, Reply(), data_in=False)
    assert kernel.tail == kernel.head == 128 and not ring.was_reset
    kernel.reset()
    assert ring.was_reset and not ring.was_reset
    kernel.command(5, READ10)
    assert [request.cmd_id for request in requests(ring)] == [5]


@pytest.mark.parametrize(("name", "size"), [("read6", 6), ("read10", 10), ("read12", 12), ("read16", 16)])
def test_a_cdb_ends_where_its_group_code_says(name: str, size: int) -> None:
    cdb = build(name, lba=4, blocks=2).cdb
    assert cdb_of(cdb.ljust(40, b"\0")) == cdb and len(cdb) == size
    assert place_of(cdb) == (4, 2)


def test_a_cdb_of_variable_length_says_its_own() -> None:
    cdb = bytes((0x7f, 0, 0, 0, 0, 0, 0, 24)).ljust(32, b"\0")
    assert cdb_of(cdb.ljust(64, b"\0")) == cdb


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    path = tmp_path / "disk"
    path.write_bytes(bytes(range(256)) * 2 * 64)
    return Unit(str(path), 64, 512, "serial")


def run(unit: Unit, command: str, data: bytes = b"", **fields: object) -> Reply:
    built = build(command, **fields)  # type: ignore[arg-type]
    return unit.execute(built.cdb, lambda: data or built.data_out or b"")


def sense(reply: Reply) -> tuple[int, int, int]:
    found = decode(reply.sense)
    assert found is not None and reply.status == 2
    return found.key, found.asc, found.ascq


def test_what_is_written_is_read(unit: Unit) -> None:
    for command in ("write6", "write10", "write12", "write16", "write_and_verify10", "write_and_verify16"):
        data = os.urandom(1024)
        assert run(unit, command, data, lba=5, blocks=2).status == 0
        assert run(unit, "read10", lba=5, blocks=2).data == data


def test_write_same_and_unmap(unit: Unit) -> None:
    run(unit, "write_same16", b"\x5a" * 512, lba=8, blocks=4)
    assert run(unit, "read16", lba=8, blocks=4).data == b"\x5a" * 2048
    run(unit, "unmap", arguments={"descriptors": ["9+1", "11+1"]})
    assert run(unit, "read16", lba=8, blocks=4).data == (b"\x5a" * 512 + bytes(512)) * 2
    run(unit, "write_same16", lba=8, blocks=1, arguments={"ndob": True})
    assert run(unit, "read16", lba=8).data == bytes(512)


def test_the_block_limits_page_says_how_long_a_transfer_may_be(unit: Unit) -> None:
    page = run(unit, "inquiry", arguments={"evpd": True, "page": 0xb0, "allocation": 64}).data
    assert len(page) == 64 and int.from_bytes(page[8:12], "big") == 128


def test_compare_and_write_says_which_byte_differs(unit: Unit) -> None:
    now = run(unit, "read10", lba=1).data
    changed = now[:300] + b"!" + now[301:]
    reply = run(unit, "compare_and_write", changed + bytes(512), lba=1)
    assert sense(reply) == (0xe, 0x1d, 0) and decode(reply.sense).information == 300
    assert run(unit, "read10", lba=1).data == now
    assert run(unit, "compare_and_write", now + bytes(512), lba=1).status == 0
    assert run(unit, "read10", lba=1).data == bytes(512)


@pytest.mark.parametrize(("command", "fields", "wanted"), [
    ("read10", {"lba": 64}, (5, 0x21, 0)), ("read16", {"lba": 63, "blocks": 2}, (5, 0x21, 0)),
    ("unmap", {"lba": 2**64 - 1, "blocks": 2}, (5, 0x21, 0)), ("write10", {"lba": 0}, (5, 0x24, 0)),
    ("report_target_port_groups", {}, (5, 0x20, 0)), ("mode_sense6", {"arguments": {"page": 0x1c}}, (5, 0x24, 0)),
    ("inquiry", {"arguments": {"evpd": True, "page": 0xb3}}, (5, 0x24, 0)),
])
def test_what_cannot_be_is_refused(unit: Unit, command: str, fields: dict, wanted: tuple[int, int, int]) -> None:
    assert sense(run(unit, command, **fields)) == wanted


class Driven:
    """A server in a thread, its ring's events through a socket, and the agent's end of the control socket."""

    def __init__(self, kernel: Kernel, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernel = kernel
        self.events, theirs = socket.socketpair()
        theirs.setblocking(False)
        self.control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(10)
        ring = Ring(kernel.ring_file, DATA + 4 * 4096)
        monkeypatch.setattr(ring, "fd", theirs.fileno())
        self._kept = theirs, control
        self.thread = threading.Thread(target=Server(ring, unit, control).serve, daemon=True)
        self.thread.start()

    def ask(self, **order: object) -> dict:
        self.control.send(json.dumps(order).encode())
        return json.loads(self.control.recv(65536))

    def send(self, cmd_id: int, command: str, **fields: object) -> int:
        at = self.kernel.command(cmd_id, build(command, **fields).cdb, (DATA, 512))  # type: ignore[arg-type]
        self.events.send(bytes(4))
        return at

    def wait(self, tail: int) -> None:
        end = time.monotonic() + 10
        while self.kernel.tail != tail and time.monotonic() < end:
            time.sleep(0.002)
        assert self.kernel.tail == tail

    def ended(self, at: int) -> tuple[int, int, int, int, bytes]:
        self.wait(at - OFFSET + 128)
        return self.kernel.response(at)


@pytest.fixture
def driven(kernel: Kernel, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> Driven:
    return Driven(kernel, unit, monkeypatch)


def test_a_rule_gives_its_sense_data_to_the_commands_that_it_names(driven: Driven) -> None:
    driven.ask(add={"command": "read10", "lba": [[8, 9]], "times": 1, "sense": "3/11/00", "information": 9})
    assert driven.ended(driven.send(1, "read10", lba=0))[2] == 0
    assert driven.ended(driven.send(1, "write10", lba=8))[2] == 0
    found = decode(driven.ended(driven.send(1, "read10", lba=7, blocks=2))[4])
    assert found is not None and (found.key, found.asc, found.information) == (3, 0x11, 9)
    assert driven.ended(driven.send(1, "read10", lba=8))[2] == 0
    assert driven.ask()["met"] == 1 and driven.ask()["commands"] == 4


def test_a_refused_write_changes_nothing_and_a_recovered_one_does(driven: Driven, unit: Unit) -> None:
    driven.ask(add={"command": "write10", "times": 1, "status": "BUSY"})
    driven.ask(add={"command": "write10", "times": 1, "sense": "1/0c/01"})
    before = os.pread(unit.fd, 512, 0)
    assert driven.ended(driven.send(1, "write10", lba=0))[2] == 8
    assert os.pread(unit.fd, 512, 0) == before
    assert driven.ended(driven.send(1, "write10", lba=0))[2] == 2
    assert os.pread(unit.fd, 512, 0) == bytes(512)


def test_a_service_action_tells_commands_apart(driven: Driven) -> None:
    driven.ask(add={"command": "read_capacity16", "status": "BUSY"})
    assert driven.ended(driven.send(1, "read_capacity16"))[2] == 8
    assert driven.ended(driven.send(1, "read10", lba=0))[2] == 0


def test_what_is_delayed_is_overtaken(driven: Driven) -> None:
    driven.ask(add={"command": "read16", "delay": 0.2})
    slot = driven.send(1, "read16", lba=0)
    driven.send(2, "read10", lba=0)
    driven.wait(256)
    assert driven.kernel.response(slot)[0] == 2 and driven.kernel.response(slot + 128)[0] == 1


def test_what_is_dropped_is_busy_once_the_rules_are_gone(driven: Driven) -> None:
    driven.ask(add={"opcode": 0x88, "drop": True})
    slot = driven.send(1, "read16", lba=0)
    while driven.ask()["held"] == 0:
        time.sleep(0.002)
    assert driven.kernel.tail == 0
    assert driven.ask(clear=True)["held"] == 0
    assert driven.ended(slot)[2] == 8


def test_a_notice_ends_what_was_dropped(driven: Driven) -> None:
    driven.ask(add={"command": "read16", "drop": True})
    slot = driven.send(4, "read16", lba=0)
    driven.kernel.put(2, 0, struct.pack("<B3xI16xH", 1, 1, 4), 40)
    driven.events.send(bytes(4))
    driven.wait(168)
    assert driven.kernel.response(slot)[0] == 4 and driven.ask()["notices"] == ["ABORT_TASK 1"]


@pytest.mark.parametrize(("way", "cmd_id", "flags"), [
    ("unknown-opcode", 1, UNKNOWN_OP), ("unknown-id", 0xfffe, 0), ("keep-buffer", 1, KEEP_BUF), ("twice", 1, 0)])
def test_the_ways_to_answer_wrongly(driven: Driven, way: str, cmd_id: int, flags: int) -> None:
    driven.ask(add={"command": "read10", "ring": way})
    slot = driven.send(1, "read10", lba=0)
    assert driven.ended(slot)[:2] == (cmd_id, flags)


def test_the_second_answer_takes_the_slot_of_another_command(driven: Driven) -> None:
    driven.ask(add={"command": "read16", "drop": True})
    driven.ask(add={"command": "read10", "ring": "twice"})
    slots = [driven.send(1, "read16", lba=0), driven.send(2, "read10", lba=0)]
    driven.wait(256)
    assert [driven.kernel.response(at)[0] for at in slots] == [2, 2]


def test_padding_goes_to_the_end_of_the_ring(driven: Driven) -> None:
    driven.ask(add={"command": "read10", "ring": "pad-to-end", "times": 1})
    driven.send(1, "read10", lba=0)
    driven.wait(SIZE - 64)
    assert struct.unpack("<I", os.pread(driven.kernel.ring_file, 4, 12))[0] == SIZE - 64


@pytest.mark.parametrize(("error", "words"), [(None, None), (ValueError("no such slot"), "ValueError: no such slot")])
def test_a_handler_that_fails_says_why_and_one_that_ends_says_nothing(
        tmp_path: Path, unit: Unit, monkeypatch: pytest.MonkeyPatch, error: Exception | None,
        words: str | None) -> None:
    class Ends:
        def __init__(self, *_: object) -> None: ...

        def serve(self) -> None:
            if error is not None:
                raise error

    monkeypatch.setattr(tcmu, "opened", lambda node: None)
    monkeypatch.setattr(tcmu, "Server", Ends)
    monkeypatch.setattr(tcmu, "node_of", lambda name: "uio0")
    handler = tcmu.Handler("tcm-user/0/disk", unit, tmp_path / "died")
    with pytest.raises(Refused, match="the tcmu handler (died|does not answer)"):
        handler.start()
    while handler.running():
        time.sleep(0.002)
    assert handler.died == (words or "")
    if words is None:
        handler.stop()


def test_a_handler_that_a_rule_is_just_killing_has_a_successor(unit: Unit, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is still there when the rule is cleared, but does not answer any more."""
    class Dying:
        def __init__(self, ring: object, unit: Unit, control: socket.socket) -> None:
            self.control = control

        def serve(self) -> None:
            for _ in range(2):  # the start, and the rule
                self.control.recv(1 << 16)
                self.control.send(b"{}")
            self.control.recv(1 << 16)
            self.control.close()
            time.sleep(100)

    monkeypatch.setattr(tcmu, "opened", lambda node: None)
    monkeypatch.setattr(tcmu, "Server", Dying)
    monkeypatch.setattr(tcmu, "node_of", lambda name: "uio0")
    handler = tcmu.Handler("tcm-user/0/disk", unit, tmp_path / "died")
    handler.start()
    first = handler.pid
    handler.ask({"add": {"ring": "bad-address"}})
    handler.clear()
    assert handler.running() and handler.pid != first
    handler.stop()


def test_the_server_ends_with_the_agent(driven: Driven) -> None:
    driven.control.close()
    driven.thread.join(10)
    assert not driven.thread.is_alive()
