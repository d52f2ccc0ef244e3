"""`fio` and `run`: programs of the guest on the LUNs' disks."""

from __future__ import annotations

import re
from typing import Any

from lab.guest import fio_report, program
from lab.guest.ledger import Ledger
from lab.guest.observation import Observation, Refused, errno_name
from lab.guest.registry import driver
from lab.guest.session import Session
from lab.guest.settings import spell

_READS = ("read", "randread")
_TEXT_LIMIT = 64 << 10


@driver("fio")
def fio(session: Session, deadline: float, *, lun: str, options: dict[str, Any]) -> Observation:
    """One fio job on the LUN's disk; ok when fio exits with 0 and reports no error."""
    disk, ledger = session.disk(lun), session.ledger(lun)
    given = {"name": "lab", "filename": disk.node, "direct": 1, "ioengine": "libaio", **options}
    if given.get("rw", given.get("readwrite", "read")) not in _READS:
        _forget(ledger, options)
    argv = ["fio", "--output-format=json", *(f"--{key}={spell(value)}" for key, value in given.items())]
    done = program.run(argv, deadline=deadline, stopping=session.stopping)
    report = fio_report.parse(done.stdout)
    error, text = (report.error, report.text) if report is not None else (0, done.stdout[:_TEXT_LIMIT])
    seen: Observation = {"ok": done.exit == 0 and not error, "exit": done.exit, "text": text}
    if error:
        seen["errno"] = errno_name(error)
    if not seen["ok"]:
        first = next((line.strip() for line in done.stderr.splitlines() if line.strip()), "")
        seen["problem"] = f"fio failed (exit {done.exit}): {first or done.last_words()}"[:500]
        seen["text"] = (text + "\n" + done.stderr)[:_TEXT_LIMIT].strip()
    return seen


def _forget(ledger: Ledger, options: dict[str, Any]) -> None:
    """fio's own data take the place of the ledger's, in [offset, offset + size) where that can be told."""
    offset, size = _size(options.get("offset", 0)), _size(options.get("size"))
    block = ledger.block_size
    if offset is None or size is None or "filesize" in options or "io_size" in options:
        ledger.forget(0, ledger.blocks - 1)
    elif size:
        ledger.forget(offset // block, (offset + size - 1) // block)


def _size(value: Any) -> int | None:
    """Bytes of fio's `4k`, `1m`, `8192`; None for percentages and the like."""
    match = re.fullmatch(r"(\d+)([kmg]?)(i?b)?", str(value).lower())
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2]] if match else None


@driver("run")
def run(session: Session, deadline: float, *, argv: list[str], stdin: str = "") -> Observation:
    """Any program, without a shell; ok when it exits with 0."""
    done = program.run([_argument(session, a) for a in argv], deadline=deadline, stdin=stdin,
                       stopping=session.stopping)
    seen: Observation = {"ok": done.exit == 0, "exit": done.exit,
                         "text": (done.stdout + done.stderr)[:_TEXT_LIMIT].strip()}
    if done.exit:
        seen["problem"] = f"{argv[0]} failed (exit {done.exit}): {done.last_words()}"
    return seen


def _argument(session: Session, text: str) -> str:
    def node(match: re.Match[str]) -> str:
        disk = session.disk(match[2])
        return disk.sg if match[1] else disk.node
    try:
        return re.sub(r"\{(sg:)?([a-z][a-z0-9_/-]*)\}", node, text)
    except Refused as error:
        raise Refused(f"argument {text}: {error}", **error.facts) from None
