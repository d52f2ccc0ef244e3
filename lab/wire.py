"""Messages between host and guest: JSON lines over a byte stream. All that both sides share.

Host to guest, a request:   {"id": 1, "op": "step", ...arguments}
Guest to host, any number:  {"id": 1, "event": {...}}          signs of life of that request, see below
then exactly one of:        {"id": 1, "reply": {...}}          the operation was carried out; what it observed
                            {"id": 1, "error": {"kind": "...", "message": "..."}}   the agent itself failed

Operations (one after the other on a worker; `ping`, `extend`, `confirm`, `diagnose` and `coverage` at any time):
  hello     -> Hello as a dict
  setup     scenario=<expanded scenario as JSON>, token=<16 hex>, seed=<int>, timeout_s=<float>
            -> {"ok": true} | {"skip": [reasons], "boot": [kernel parameters of a boot without these reasons]}
            | {"ok": false, "problem": "...", ...observation}
  step      index=<int>, word=<str>, arguments=<the word's type as JSON>, timeout_s=<float>  -> observation
  teardown  timeout_s=<float> -> {"ok": bool, "problems": [...]}
  leaks     -> {"left": ["configfs: ...", "scsi host: ...", "module tcm_loop: 1 reference"], "tainted": <new bits, int>,
            "marked": whether the last mark is in the kernel log}
  ping      -> {}
  extend    seconds=<float>: every deadline comes later by that; no reply
  confirm   lines=[[us, folded text]]: an event `denied`, of the request under way, which may come after its reply;
            no reply of its own
  diagnose  -> {"tasks": [task], "lio": {path: text}, "block": {path: text}, "memory": {path: text}}; sysrq w, l, t
            and d go to the kernel log. A task: {"name", "pid", "state", "wchan", "stack": [frames], "last_ran_s": float
            or null}
  coverage  reset=true -> {}; after=<path or ""> -> {"files": {path of an object's counters on the host that built it:
            base64 of zlib}, "more": are there files behind these}
  shell     -> {} when the shell that it started on the port `lab.shell` has ended
Events, of the operation in progress: {"moved": <requests that disks completed>} once a second; {"printed": [[us, text],
...]}: what user space wrote to /dev/kmsg; {"denied": [[us, folded text], ...]}: lines that the kernel did not say.
A step inside another one is in its arguments (`step`, `steps`) as {WORD: arguments, "timeout_s": float,
"must_succeed": whether rounds end when it fails}; what such steps saw is "parts": [observation] of a parallel, and
"rounds": [{"first": n, "last": n, "parts": [observation]}] of a repeat, where rounds that were alike are told once; of
one with `fails_below` also "whole" (bool): no allocation failed in the last round.
Any other observation is a flat dict. Keys that exist for every word: ok (bool), problem (str, when not ok), seconds
(float).
Keys by need: errno ("EIO"), status (int), sense (hex), data (hex of the answer, at most DATA_LIMIT bytes), fill (int:
every byte of the whole answer has this value), received (bytes), residual (int), host_status (int),
driver_status (int), text (str), exit (int), counts ({name: int}, of account and stress), failed ([str], of stress),
first_bad ([{"lba": n, "found": "..."}]), blocks (of a verify: {"new": n, "changed": n, "zero": n, "lost": n, "torn":
n, "old": n, "foreign": n, "unreadable": n}; of a write: "new", "failed"; of a read: "read", "failed").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

PROTOCOL = 1
AGENT_PORT = "lab.agent"
SHELL_PORT = "lab.shell"
MESSAGE_LIMIT = 8 << 20
DATA_LIMIT = 4096
SYSRQ_KEYS = "wldt"  # blocked tasks, all CPUs, locks, all tasks: the longest answer last
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_UNLIKE = re.compile(r"[^A-Za-z0-9]+")


class WireError(Exception):
    """The peer sent something that is not a message; the connection cannot be trusted any more."""


@dataclass(frozen=True)
class Hello:
    """What an agent says of its machine. `boot_id` changes with every boot, `tainted` is /proc/sys/kernel/tainted."""

    protocol: int
    release: str
    boot_id: str
    tainted: int
    cpus: int
    memory_kib: int
    python: str
    cmdline: str


def encode(message: dict[str, Any]) -> bytes:
    """One message as a line. Lone surrogates (undecodable guest bytes) survive as \\udcXX escapes."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


class Decoder:
    """Bytes as they come, cut anywhere, to messages. Raises WireError on a line that is no message or too long."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MESSAGE_LIMIT:
            raise WireError(f"a message is longer than {MESSAGE_LIMIT} bytes")
        return [self._message(line) for line in lines if line.strip()]

    @staticmethod
    def _message(line: bytes) -> dict[str, Any]:
        try:
            message = json.loads(line)
        except ValueError as error:
            raise WireError(f"not a message: {line[:80]!r}") from error
        if not isinstance(message, dict) or not isinstance(message.get("id"), int):
            raise WireError(f"a message without an id: {line[:80]!r}")
        return message


def mark(token: str, phase: str, edge: str) -> str:
    """The line that the agent writes to /dev/kmsg: `lab: TOKEN step 3 begin`, followed by ` ~` and some random digits.

    A test cannot guess the token, and who reads it in the kernel log cannot guess the digits of a mark to come.
    """
    return f"lab: {token} {phase} {edge}"


def last_mark(token: str) -> str:
    """The last line that the agent writes: what the kernel said during the run is on the console before it."""
    return f"lab: {token} end"


def folded(text: str) -> str:
    """What a console and /dev/kmsg show alike of a line: ASCII letters and digits. The latter has bytes as \\xNN."""
    plain = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)
    return _UNLIKE.sub("", _COLOUR.sub("", plain))
