"""`wait_for`, `sleep`, `sysrq`, `background`, `join`: time, and steps beside steps."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

from lab.guest import clock
from lab.guest import configfs as low
from lab.guest.faults_tcmu import handler_of
from lab.guest.files import sysfs_path, within
from lab.guest.kmsg import marked
from lab.guest.observation import Observation, Refused, errno_name
from lab.guest.registry import carry_out_part, driver, word_of
from lab.guest.session import Background, Session

_POLL_S = 0.02


@driver("wait_for")
def wait_for(session: Session, deadline: float, *, lun: str | None = None, sysfs: str | None = None,
             configfs: str | None = None, equals: str | None = None, exists: bool | None = None,
             match: str | None = None, kernel_message: str | None = None,
             in_flight: int | None = None, tcmu: str | None = None) -> Observation:
    """Look again and again until the condition holds. `text` is what was seen last."""
    while True:
        if kernel_message is not None:
            found = session.log.find(kernel_message)
            holds, text = found is not None, found or "no such kernel message"
        elif in_flight is not None:
            holds, text = _in_flight(session, lun or "", in_flight)
        elif tcmu is not None:
            holds, text = _handler(session, tcmu, match or "")
        else:
            holds, text = _file(session, lun, sysfs, configfs, equals, exists, match)
        if holds:
            return {"ok": True, "text": text}
        if clock.now() > deadline or session.stopping.is_set():
            return {"ok": False, "errno": "ETIMEDOUT", "text": text,
                    "problem": f"the condition did not come true in time; last seen: {text}"}
        time.sleep(_POLL_S)


def _in_flight(session: Session, lun: str, wanted: int) -> tuple[bool, str]:
    try:
        number = session.disk(lun).in_flight()
    except (Refused, OSError) as error:
        return False, str(error)
    return number >= wanted, f"{number} in flight"


def _handler(session: Session, backstore: str, match: str) -> tuple[bool, str]:
    seen = handler_of(session.backstore(backstore)).ask({"report": True})
    lines = [f"{name} {seen[name]}" for name in ("commands", "met", "held")]
    text = "\n".join([*lines, *(f"notice {notice}" for notice in seen["notices"])])
    return bool(re.search(match, text, re.MULTILINE)), text


def _file(session: Session, lun: str | None, sysfs: str | None, in_configfs: str | None, equals: str | None,
          exists: bool | None, match: str | None) -> tuple[bool, str]:
    try:
        path = _path(session, lun, sysfs, in_configfs)
    except Refused as error:
        # The LUN's device itself is not there: that is an answer where `exists` asks.
        return exists is False and "ENODEV" in error.facts.get("errno", ""), str(error)
    if exists is not None and (not low.missing(path)) != exists:
        return False, f"{path} is {'there' if exists is False else 'missing'}"
    if equals is None and match is None:
        return (exists is not None or path.exists()), str(path)
    try:
        text = low.read_text(path)
    except OSError as error:
        return False, errno_name(error.errno)
    return (equals is None or text == equals) and (match is None or bool(re.search(match, text, re.MULTILINE))), text


def _path(session: Session, lun: str | None, sysfs: str | None, in_configfs: str | None) -> Path:
    if in_configfs is not None:
        return within(session.root, session.expand(in_configfs))
    if sysfs is not None:
        return sysfs_path(session, sysfs, lun)
    if lun is not None:
        return session.disk(lun).folder
    raise Refused("wait_for needs sysfs, configfs, lun, kernel_message or in_flight")


@driver("sleep")
def sleep(session: Session, deadline: float, *, time: float) -> Observation:
    """Sleep; ends early only when the scenario is torn down."""
    session.stopping.wait(time)
    return {"ok": True}


@driver("sysrq")
def sysrq(session: Session, deadline: float, *, key: str) -> Observation:
    """A letter to /proc/sysrq-trigger. Root's writes there are not subject to kernel.sysrq."""
    low.write(Path("/proc/sysrq-trigger"), key)
    return {"ok": True}


@driver("background")
def background(session: Session, deadline: float, *, name: str, step: dict[str, Any]) -> Observation:
    """Start a step in a thread of its own. Its deadline is its own timeout, from now on."""
    if name in session.background:
        raise Refused(f"there is already a background step {name!r}")
    def work() -> None:
        with marked(session.token, f"background {name}"):
            try:
                entry.result = carry_out_part(session, step)
            except Exception as error:  # the agent's own fault: `join` raises it again
                entry.crash = error

    entry = Background(threading.Thread(target=work, name=f"background {name}", daemon=True), word_of(step))
    session.background[name] = entry
    entry.thread.start()
    return {"ok": True}


@driver("join")
def join(session: Session, deadline: float, *, name: str) -> Observation:
    """Wait for a background step; its observation is this step's."""
    entry = session.background.get(name)
    if entry is None:
        raise Refused(f"there is no background step {name!r}")
    while entry.thread.is_alive() and clock.now() < deadline:
        entry.thread.join(_POLL_S)
    if entry.crash is not None:
        raise entry.crash
    if entry.thread.is_alive() or entry.result is None:
        raise Refused(f"background step {name} ({entry.word}) did not end in time", errno="ETIMEDOUT")
    return dict(entry.result)

