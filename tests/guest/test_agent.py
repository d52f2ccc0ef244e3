"""The agent's protocol, over a real process with --stdio and over a socket pair."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guest.agent import Agent
from lab.guest.diagnosis import diagnose
from lab.wire import PROTOCOL, Decoder, encode

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 30


class Peer:
    """The host's side: sends messages, gathers answers by id."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write, self._decoder = read, write, Decoder()
        self.answers: list[dict] = []

    def send(self, *messages: dict) -> None:
        self.raw(b"".join(map(encode, messages)))

    def raw(self, data: bytes) -> None:
        os.write(self._write, data)

    def answer(self, number: int) -> dict:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            for answer in self.answers:
                if answer["id"] == number and "event" not in answer:
                    self.answers.remove(answer)
                    return answer
            if select.select([self._read], [], [], 1)[0]:
                self.answers += self._decoder.feed(os.read(self._read, 65536))
        raise AssertionError(f"no answer {number}; got {self.answers}")


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[subprocess.Popen[bytes], Peer]]:
    with subprocess.Popen([sys.executable, "-m", "lab.guest.agent", "--stdio"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, cwd=ROOT) as child:
        yield child, Peer(child.stdout.fileno(), child.stdin.fileno())
        child.stdin.close()
        assert child.wait(DEADLINE_S) == 0


def test_hello_over_stdio(process) -> None:
    _, peer = process
    peer.send({"id": 1, "op": "hello"})
    reply = peer.answer(1)["reply"]
    assert reply["protocol"] == PROTOCOL and reply["release"] == os.uname().release and reply["memory_kib"] > 0


def test_errors_are_answers_and_the_agent_goes_on(process) -> None:
    _, peer = process
    peer.send({"id": 2, "op": "dance"}, {"id": 3}, {"id": 4, "op": "step", "index": 0, "word": "sleep",
                                                    "arguments": {"time": 0.0}, "timeout_s": 1.0},
              {"id": 5, "op": "setup"})
    assert "'dance'" in peer.answer(2)["error"]["message"]
    assert peer.answer(3)["error"]["kind"] == "ValueError"
    assert "no scenario is set up" in peer.answer(4)["error"]["message"]
    assert peer.answer(5)["error"]["kind"] == "KeyError"
    peer.send({"id": 6, "op": "teardown"}, {"id": 7, "op": "leaks"}, {"id": 8, "op": "ping"})
    assert peer.answer(6)["reply"]["ok"] and peer.answer(7)["reply"] == {"left": [], "tainted": 0, "marked": False}
    assert peer.answer(8)["reply"] == {}


def test_bytes_that_are_no_message_are_answered_and_passed_over(process) -> None:
    _, peer = process
    peer.raw(b"\x00\xff rubbish\n")
    assert peer.answer(0)["error"]["kind"] == "WireError"
    peer.send({"id": 9, "op": "ping"})
    assert peer.answer(9)["reply"] == {}


def test_a_message_in_pieces(process) -> None:
    _, peer = process
    for byte in encode({"id": 10, "op": "ping"}):
        peer.raw(bytes((byte,)))
    assert peer.answer(10)["reply"] == {}


class SocketStream:
    """A port that outlives its peers: with none connected a read says b""."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.connection: socket.socket | None = None
        self.over = False

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.connection = ours
        return theirs

    def read(self) -> bytes | None:
        if self.over:
            return None
        if self.connection is None:
            return b""
        data = self.connection.recv(65536)
        if not data:
            self.connection = None
        return data

    def write(self, data: bytes) -> None:
        if self.connection is not None:
            self.connection.sendall(data)


@pytest.fixture
def served(tree, monkeypatch) -> Iterator[SocketStream]:
    monkeypatch.setattr("lab.guest.session.Session._check_requirements", lambda self, deadline: None)
    monkeypatch.setattr("lab.guest.kmsg.DEVICE", "/nonexistent")
    stream = SocketStream(tree.root)
    thread = threading.Thread(target=Agent(stream, tree.root).serve)
    thread.start()
    yield stream
    stream.over = True
    if stream.connection is not None:
        stream.connection.shutdown(socket.SHUT_RD)
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


SETUP = {"id": 1, "op": "setup", "scenario": {"backstores": {}, "targets": []}, "token": "0" * 16, "seed": 1}


def test_ping_and_diagnose_are_answered_while_a_step_runs(served, monkeypatch) -> None:
    monkeypatch.setattr("lab.guest.diagnosis._sysrq", lambda: None)
    peer_socket = served.connect()
    peer = Peer(peer_socket.fileno(), peer_socket.fileno())
    peer.send(SETUP)
    assert peer.answer(1)["reply"]["ok"]
    peer.send({"id": 2, "op": "step", "index": 0, "word": "wait_for", "timeout_s": 20.0,
               "arguments": {"configfs": "go", "exists": True}}, {"id": 3, "op": "ping"}, {"id": 4, "op": "diagnose"})
    assert peer.answer(3)["reply"] == {}
    assert set(peer.answer(4)["reply"]) == {"tasks", "lio", "block", "memory"}
    assert not any(a["id"] == 2 for a in peer.answers)
    (served.root / "go").write_text("")
    seen = peer.answer(2)["reply"]
    assert seen["ok"] and seen["seconds"] > 0
    peer.send({"id": 5, "op": "teardown"})
    assert peer.answer(5)["reply"]["problems"] == []


def test_a_new_peer_starts_afresh_after_a_cut_message(served) -> None:
    first = served.connect()
    first.sendall(b'{"id": 1, "op": "pi')
    first.close()
    end = time.monotonic() + DEADLINE_S
    while served.connection is not None and time.monotonic() < end:
        time.sleep(0.01)
    second = served.connect()
    peer = Peer(second.fileno(), second.fileno())
    peer.send({"id": 2, "op": "ping"})
    assert peer.answer(2) == {"id": 2, "reply": {}}


def test_setup_twice_is_an_error_and_teardown_makes_room(served) -> None:
    connection = served.connect()
    peer = Peer(connection.fileno(), connection.fileno())
    peer.send(SETUP, {**SETUP, "id": 2}, {"id": 3, "op": "teardown"}, {**SETUP, "id": 4})
    assert "already set up" in peer.answer(2)["error"]["message"]
    assert peer.answer(4)["reply"]["ok"]


def test_diagnose_is_bounded_when_a_read_hangs(tree, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("lab.guest.diagnosis._sysrq", lambda: None)
    monkeypatch.setattr("lab.guest.diagnosis.BOUND_S", 0.3)
    release = threading.Event()
    monkeypatch.setattr("lab.guest.diagnosis._lio", lambda *_: release.wait(DEADLINE_S))
    started = time.monotonic()
    assert "tasks" in diagnose(tree.root)
    release.set()
    assert time.monotonic() - started < DEADLINE_S / 2
