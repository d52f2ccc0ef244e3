"""One console line taken apart: printk's prefix in its many forms, and the message.

printk writes `[   12.345678] text`, with CONFIG_PRINTK_CALLER `[   12.345678][ T123] text`. Around it come
the level (`<4>`), the columns of `dmesg -x` and `-T`, and the prefix of syslog or journalctl.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE_BYTES = 4096

_STAMP = re.compile(
    r"(?:<(?P<level>\d{1,3})>)?"
    r"\[ {0,11}(?P<time>\d{1,10}\.\d{1,9})(?:,\d{1,3})?\]"
    r"(?:\[ {0,6}(?P<caller>[TC]\d{1,7})[^\]]{0,32}\])? ?"
)
# In the middle of a line only printk's own six digits count: a prompt without a newline, a CI time column.
_STAMP_INSIDE = re.compile(r"\[ {0,11}(?P<time>\d{1,10}\.\d{6})\](?:\[ {0,6}(?P<caller>[TC]\d{1,7})[^\]]{0,32}\])? ")
_SYSLOG = re.compile(
    r"(?:[A-Z][a-z]{2} {1,2}\d{1,2} [\d:.]{8,15}"
    r"|\d{4}-\d\d-\d\d[T ][\d:.,]{8,16}(?:Z|[+-]\d\d:?\d\d)?"
    r"|\[ {0,11}\d{1,10}\.\d{1,9}\]) "
    r"(?:\S{1,255} )?kernel: "
)
_DMESG_DATE = re.compile(
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] "
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:\d\d "
)
_DMESG_FACILITY = re.compile(r"(?P<facility>[a-z0-9]{3,8}) *:(?:emerg|alert|crit|err|warn|notice|info|debug) *: ")
_LEVEL = re.compile(r"<(?P<level>\d{1,3})>")


@dataclass(frozen=True, slots=True)
class Line:
    """A console line; `kernel` says that something in its prefix marks it as printk's."""

    number: int
    raw: str
    text: str
    kernel: bool
    from_user: bool
    """Written to /dev/kmsg by user space, where the prefix tells (syslog facility other than 0)."""
    time_s: float | None
    caller: str | None


def parse_line(number: int, raw_bytes: bytes) -> Line:
    """Takes one line apart; never raises. Only the first MAX_LINE_BYTES count."""
    raw = raw_bytes[:MAX_LINE_BYTES].rstrip(b"\r\n").decode("utf-8", "replace")
    syslog = _SYSLOG.match(raw) if " kernel: " in raw else None
    if syslog:
        return _stamped(number, raw, syslog.end(), marked=True)
    stamp = _STAMP.match(raw)
    if stamp:
        user = _is_user(stamp["level"])
        return Line(number, raw, raw[stamp.end():], True, user, float(stamp["time"]), stamp["caller"])
    facility = _DMESG_FACILITY.match(raw)
    if facility:
        user = facility["facility"] != "kern"
        return _stamped(number, raw, facility.end(), marked=True, from_user=user)
    date = _DMESG_DATE.match(raw)
    return _stamped(number, raw, date.end() if date else 0, marked=date is not None)


def _stamped(number: int, raw: str, at: int, marked: bool, from_user: bool = False) -> Line:
    """The rest of the prefix from `at`: level, timestamp and caller."""
    stamp = _STAMP.match(raw, at)
    level = stamp["level"] if stamp else None
    if stamp is None and not marked:
        stamp = _STAMP_INSIDE.search(raw, at)
    if stamp is None:
        bare = _LEVEL.match(raw, at)
        level, end = (bare["level"], bare.end()) if bare else (None, at)
        return Line(number, raw, raw[end:], marked, from_user or _is_user(level), None, None)
    user = from_user or _is_user(level)
    return Line(number, raw, raw[stamp.end():], True, user, float(stamp["time"]), stamp["caller"])


def _is_user(level: str | None) -> bool:
    """printk's prefix is facility * 8 + level; the kernel's own facility is 0."""
    return level is not None and int(level) >= 8
