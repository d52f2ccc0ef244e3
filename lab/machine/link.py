"""A link to an agent: requests and replies over any byte stream, each wait with a deadline."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from lab.errors import LabError
from lab.wire import PROTOCOL, Decoder, Hello, WireError, encode

_SLICE_S = 0.2  # how often a wait looks up: is the machine alive, was the session interrupted?
_NOTIFY_S = 5.0


class LinkLost(LabError):
    """The stream ended or carried nonsense: the guest is gone or cannot be trusted any more."""


class LinkTimeout(LabError):
    """No reply came before the deadline. The link itself may still be good: see `Link.ping`."""


class AgentFailed(LabError):
    """The agent could not carry out the operation: an error of the lab, not of the kernel."""


class Stream(Protocol):
    """What a socket and a paramiko channel have in common."""

    def settimeout(self, seconds: float | None, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> None: ...
    def close(self) -> None: ...


class Link:
    """Requests to one agent. Used by one thread; `watch` is called several times a second during each wait,
    and may raise to end it; `on_event` gets the agent's events, of whatever request."""

    def __init__(self, stream: Stream, watch: Callable[[], None] = lambda: None) -> None:
        self._stream, self._watch = stream, watch
        self.on_event: Callable[[dict[str, Any]], None] = lambda _: None
        self._decoder = Decoder()
        self._come: deque[dict[str, Any]] = deque()  # messages that nobody has looked at yet
        self._next_id = 0

    def hello(self, *, deadline_s: float, extension_s: Callable[[], float] = lambda: 0.0) -> Hello:
        """The agent's own description. Asks again until it answers: the agent may not be up yet."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                reply = self.request("hello", deadline_s=min(5.0, max(0.05, end + extension_s() - time.monotonic())))
                break
            except LinkTimeout:
                if time.monotonic() >= end + extension_s():
                    raise
        if reply.get("protocol") != PROTOCOL:
            raise AgentFailed(f"the agent speaks protocol {reply.get('protocol')}, this lab {PROTOCOL}; "
                              "the guest image is stale: type `make setup`")
        return Hello(**reply)

    def request(self, op: str, *, deadline_s: float, extension_s: Callable[[], float] = lambda: 0.0,
                **arguments: Any) -> dict[str, Any]:
        """Send one operation and wait for its reply. Raises LinkLost, LinkTimeout or AgentFailed.

        `extension_s`: seconds by which the deadline comes later, asked again and again while the wait lasts.
        """
        self._next_id += 1
        number = self._next_id
        self._send(encode({"id": number, "op": op, **arguments}), deadline_s)
        end = time.monotonic() + deadline_s
        while True:
            message = self._next(lambda: end + extension_s(), op, deadline_s)
            what = next((name for name in ("event", "error", "reply") if isinstance(message.get(name), dict)), None)
            if what is None:
                raise LinkLost(f"the guest sent a message that is none: {str(message)[:80]}")
            if what == "event":
                self.on_event(message["event"])
            elif message["id"] != number:
                continue  # a late answer to a request that was given up
            elif what == "error":
                raise AgentFailed(f"the agent failed at {op}: {message['error'].get('message', 'no reason given')}")
            else:
                return dict(message["reply"])

    def notify(self, op: str, **arguments: Any) -> None:
        """Tell the agent something about the request under way; what it answers comes as that one's event."""
        self._send(encode({"id": self._next_id, "op": op, **arguments}), _NOTIFY_S)

    def ping(self, *, deadline_s: float) -> bool:
        """Does the agent still answer? Tells a slow step from a dead kernel."""
        try:
            self.request("ping", deadline_s=deadline_s)
        except (LinkLost, LinkTimeout, AgentFailed):
            return False
        return True

    def _send(self, data: bytes, deadline_s: float) -> None:
        try:
            self._stream.settimeout(deadline_s)
            self._stream.sendall(data)
        except TimeoutError:
            raise LinkTimeout(f"the guest took no data for {deadline_s:g} s") from None
        except OSError as error:
            raise LinkLost(f"the link to the guest is gone ({error})") from error

    def _next(self, end: Callable[[], float], op: str, deadline_s: float) -> dict[str, Any]:
        """The next message. An event may come together with the reply before it, and is the next request's to hear."""
        while not self._come:
            self._come.extend(self._receive(end, op, deadline_s))
        return self._come.popleft()

    def _receive(self, end: Callable[[], float], op: str, deadline_s: float) -> list[dict[str, Any]]:
        while True:
            self._watch()
            left = end() - time.monotonic()
            if left <= 0:
                raise LinkTimeout(f"no reply to {op} within {deadline_s:g} s")
            try:
                self._stream.settimeout(min(_SLICE_S, left))
                data = self._stream.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise LinkLost(f"the link to the guest is gone ({error})") from error
            if not data:
                raise LinkLost("the guest closed the link")
            try:
                return self._decoder.feed(data)
            except WireError as error:
                raise LinkLost(f"the link carried {error}") from error

    def close(self) -> None:
        """Close the stream; the agent waits for the next peer or ends, as it was started."""
        self._stream.close()


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """(ours, the child's). A pair needs no path, no permissions and no waiting for a listener."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    theirs.set_inheritable(True)
    return ours, theirs
