"""One console line taken apart: printk's prefix in its many forms, and the message.

printk writes `[   12.345678] text`, with CONFIG_PRINTK_CALLER `[   12.345678][ T123] text`. Around it come
the level (`<4>`), the columns of `dmesg -x` and `-T`, and the prefix of syslog or journalctl.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE_BYTES = 4096

_CALLER = r"(?: ?\[ {0,6}(?P<caller>[TC]\d{1,7})[^\]]{0,32}\])?"
_STAMP = re.compile(
    r"(?:<(?P<level>\d{1,3})>)?"
    r"\[ {0,11}(?P<time>\d{1,10}\.\d{1,9})(?:,\d{1,3}| <[ \d.]{1,16}>)?\]" + _CALLER + " ?"
)
# In the middle of a line only printk's own six digits count: a prompt without a newline, a CI time column.
_STAMP_INSIDE = re.compile(
    r"(?:<(?P<level>\d{1,3})>)?\[ {0,11}(?P<time>\d{1,10}\.\d{6})\]" + _CALLER + " ")
# `ts '[%.s]'` and its like stamp with the seconds since 1970; no kernel was up for that long.
_EPOCH_S = 1e9
_SYSLOG = re.compile(
    r"(?:[A-Z][a-z]{2} {1,2}\d{1,2} [\d:.]{8,15}"
    r"|(?:[A-Z][a-z]{2} )?\d{4}-\d\d-\d\d[T ][\d:.,]{8,16}(?:Z|[+-]\d\d:?\d\d| [A-Z]{2,5})?"
    r"|\[ {0,11}\d{1,10}\.\d{1,9}\]) "
    r"(?:\S{1,255} )?kernel: "
)
# dmesg -T, --time-format=iso, -e (date once a minute, then the difference)
_DMESG_DATE = re.compile(
    r"(?:\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:\d\d"
    r"|\[[A-Z][a-z]{2} ?\d{1,2} \d\d:\d\d\]|\[ {1,8}\+\d{1,6}\.\d{6}\])" + _CALLER + " "
)
# What a test system puts before a line that carries no mark of printk's.
_HOST_TIME = re.compile(
    r"\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?:? {1,2}")
_ANSI = re.compile(rb"\x1b\[[0-9;?]{0,16}[A-Za-z]|\x1b[()][A-Z0-9]|\x00")
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


def clean(lines: bytes) -> bytes:
    """Whole lines without the colours of a terminal and the NUL bytes of a serial line, each cut to MAX_LINE_BYTES."""
    if b"\0" not in lines and b"\x1b" not in lines:
        return lines
    return b"\n".join(_ANSI.sub(b"", line[:MAX_LINE_BYTES]) for line in lines.split(b"\n"))


def parse_line(number: int, raw_bytes: bytes) -> Line:
    """Takes one line apart; never raises. Only the first MAX_LINE_BYTES count."""
    raw = raw_bytes[:MAX_LINE_BYTES].rstrip(b"\r\n").decode("utf-8", "replace")
    syslog = _SYSLOG.match(raw) if " kernel: " in raw else None
    if syslog:
        return _stamped(number, raw, syslog.end(), marked=True)
    stamp = _STAMP.match(raw)
    if stamp and float(stamp["time"]) >= _EPOCH_S:
        return _stamped(number, raw, stamp.end(), marked=False)
    if stamp:
        user = _is_user(stamp["level"])
        return Line(number, raw, raw[stamp.end():], True, user, float(stamp["time"]), stamp["caller"])
    facility = _DMESG_FACILITY.match(raw)
    at = facility.end() if facility else 0
    user = facility is not None and facility["facility"] != "kern"
    date = _DMESG_DATE.match(raw, at)
    if date:
        return Line(number, raw, raw[date.end():], True, user, None, date["caller"])
    return _stamped(number, raw, at, marked=facility is not None, from_user=user)


def _stamped(number: int, raw: str, at: int, marked: bool, from_user: bool = False) -> Line:
    """The rest of the prefix from `at`: level, timestamp and caller."""
    stamp = _STAMP.match(raw, at)
    level = stamp["level"] if stamp else None
    if stamp is None and not marked:
        stamp = _STAMP_INSIDE.search(raw, at)
    if stamp is None:
        host = None if marked else _HOST_TIME.match(raw, at)
        at = host.end() if host else at
        bare = _LEVEL.match(raw, at)
        level, end = (bare["level"], bare.end()) if bare else (None, at)
        return Line(number, raw, raw[end:], marked, from_user or _is_user(level), None, None)
    user = from_user or _is_user(level)
    return Line(number, raw, raw[stamp.end():], True, user, float(stamp["time"]), stamp["caller"])


def _is_user(level: str | None) -> bool:
    """printk's prefix is facility * 8 + level; the kernel's own facility is 0."""
    return level is not None and int(level) >= 8
