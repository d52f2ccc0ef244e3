"""lab.machine.link: a reply, or one of three errors, each within its deadline."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout, socket_pair
from lab.wire import MESSAGE_LIMIT, PROTOCOL, Decoder, encode


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def serve(theirs: socket.socket, answer: Callable[[dict[str, Any]], bytes]) -> threading.Thread:
    """Answer each request with bytes; closes when they are b"gone"."""
    def work() -> None:
        decoder = Decoder()
        with contextlib.suppress(OSError):  # the test is over
            while data := theirs.recv(65536):
                for message in decoder.feed(data):
                    said = answer(message)
                    if said == b"gone":
                        theirs.close()
                        return
                    for start in range(0, len(said), 7):  # cut anywhere
                        theirs.sendall(said[start:start + 7])
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_reply(pair: tuple[socket.socket, socket.socket]) -> None:
    serve(pair[1], lambda m: encode({"id": m["id"], "reply": {"got": m["op"]}}))
    link = Link(pair[0])
    assert [link.request(op, deadline_s=5)["got"] for op in ("a", "b")] == ["a", "b"]
    assert link.ping(deadline_s=5)


def test_a_late_answer_to_an_earlier_request_is_not_the_answer(pair: tuple[socket.socket, socket.socket]) -> None:
    kept: list[bytes] = []

    def answer(message: dict[str, Any]) -> bytes:
        kept.append(encode({"id": message["id"], "reply": {"to": message["op"]}}))
        return b"" if len(kept) == 1 else b"".join(kept)

    serve(pair[1], answer)
    link = Link(pair[0])
    with pytest.raises(LinkTimeout, match="no reply to slow within 0.3 s"):
        link.request("slow", deadline_s=0.3)
    assert link.request("next", deadline_s=5) == {"to": "next"}


def test_events_come_before_the_reply(pair: tuple[socket.socket, socket.socket]) -> None:
    serve(pair[1], lambda m: encode({"id": m["id"], "event": {"n": 1}}) + encode({"id": m["id"], "reply": {}}))
    seen: list[dict[str, Any]] = []
    link = Link(pair[0])
    link.on_event = seen.append
    link.request("x", deadline_s=5)
    assert seen == [{"n": 1}]


def test_what_comes_with_a_reply_is_heard_with_the_next_request(pair: tuple[socket.socket, socket.socket]) -> None:
    serve(pair[1], lambda m: encode({"id": m["id"], "reply": {}}) + encode({"id": m["id"], "event": {"of": m["op"]}}))
    seen: list[dict[str, Any]] = []
    link = Link(pair[0])
    link.on_event = seen.append
    link.request("a", deadline_s=5)
    link.request("b", deadline_s=5)
    assert {"of": "a"} in seen


@pytest.mark.parametrize("message", [{"event": 5}, {"error": "x"}, {"reply": [1]}, {}])
def test_a_message_of_the_wrong_form_ends_the_link(pair: tuple[socket.socket, socket.socket],
                                                   message: dict[str, Any]) -> None:
    serve(pair[1], lambda m: encode({"id": m["id"], **message}))
    with pytest.raises(LinkLost, match="a message that is none"):
        Link(pair[0]).request("x", deadline_s=5)


@pytest.mark.parametrize(("said", "kind", "words"), [
    (b"gone", LinkLost, "closed the link"),
    (b"not json\n", LinkLost, "not a message"),
    (b"[]\n", LinkLost, "without an id"),
    (b'{"id": "1", "reply": {}}\n', LinkLost, "without an id"),
    (b"\xff\xfe\x00\n", LinkLost, "not a message"),
    (b"", LinkTimeout, "no reply to x within"),
    (b'{"id": 1, "error": {"kind": "E", "message": "why"}}\n', AgentFailed, "the agent failed at x: why"),
    (b'{"id": 1, "error": {}}\n', AgentFailed, "no reason given"),
])
def test_what_is_no_reply(pair: tuple[socket.socket, socket.socket], said: bytes, kind: type[Exception],
                          words: str) -> None:
    serve(pair[1], lambda _: said)
    with pytest.raises(kind, match=words):
        Link(pair[0]).request("x", deadline_s=0.5)


def test_a_message_without_end(pair: tuple[socket.socket, socket.socket]) -> None:
    def flood() -> None:
        try:
            for _ in range(3 * MESSAGE_LIMIT // 65536):
                pair[1].sendall(b"x" * 65536)
        except OSError:
            pass
    threading.Thread(target=flood, daemon=True).start()
    with pytest.raises(LinkLost, match="longer than"):
        Link(pair[0]).request("x", deadline_s=60)


def test_a_peer_that_takes_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises((LinkTimeout, LinkLost)):
        Link(pair[0]).request("x", deadline_s=0.3, padding="x" * (4 << 20))


def test_the_watch_can_end_a_wait(pair: tuple[socket.socket, socket.socket]) -> None:
    def stop() -> None:
        raise KeyError("stop")
    with pytest.raises(KeyError):
        Link(pair[0], stop).request("x", deadline_s=60)


def test_another_protocol_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    serve(pair[1], lambda m: encode({"id": m["id"], "reply": {"protocol": PROTOCOL + 1}}))
    with pytest.raises(AgentFailed, match="make setup"):
        Link(pair[0]).hello(deadline_s=5)
