"""Each class fires on each spelling, is found when cut, and stays silent on what only looks like it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from console_spellings import FAILURES, NEAR_MISSES, NOTES

from lab.console.finding import Effect, Finding, Severity
from lab.console.line import parse_line
from lab.console.match import rule_of
from lab.console.rule import End
from lab.console.rules import RULES
from lab.console.scan import Scanner


def scan(data: str) -> list[Finding]:
    scanner = Scanner()
    return scanner.feed(data.encode()) + scanner.close()


@pytest.mark.parametrize(("kind", "title", "message"), FAILURES)
def test_failure_fires(kind: str, title: str, message: str) -> None:
    (finding,) = scan(f"[    1.000000] scsi host2: ready\r\n[   12.345678] {message}\r\n")
    assert (finding.kind, finding.effect, finding.line) == (kind, Effect.FAIL, 2)
    assert title.lower() in finding.title.lower() or kind == "WARN"
    assert finding.time_s == pytest.approx(12.345678)
    assert finding.severity > Severity.NOTE


@pytest.mark.parametrize(("kind", "title", "message"), FAILURES)
def test_failure_fires_when_cut(kind: str, title: str, message: str) -> None:
    raw = f"[   12.345678] {message}"
    (finding,) = scan(raw)
    hit = rule_of(parse_line(1, raw.encode()), raw.encode())
    assert finding.kind == kind
    assert hit is not None and finding.complete is (hit[0].end is End.LINE)


@pytest.mark.parametrize(("kind", "title", "message"), FAILURES)
@pytest.mark.parametrize("prefix", [
    "[   12.345678][  T412] ", "<4>[   12.345678] ", "Nov 23 06:49:01 host kernel: [   12.345678] ",
    "Nov 23 06:49:01 host kernel: ", "2026-11-23T06:49:01.123456+00:00 host kernel: ",
    "[Mon Nov 23 06:49:01 2026] ", "kern  :warn  : [   12.345678] ", "login: [   12.345678] ",
    "06:49:01.123  <4>[   12.345678] ", "[   12.345678] host kernel: ", "",
])
def test_failure_fires_after_prefix(prefix: str, kind: str, title: str, message: str) -> None:
    assert [finding.kind for finding in scan(f"{prefix}{message}\n")] == [kind]


@pytest.mark.parametrize(("kind", "title", "message"), NOTES)
def test_note_fires(kind: str, title: str, message: str) -> None:
    (finding,) = scan(f"[   12.345678] {message}\r\n")
    assert (finding.kind, finding.effect, finding.severity) == (kind, Effect.NOTE, Severity.NOTE)
    assert title in finding.title


@pytest.mark.parametrize("message", NEAR_MISSES)
@pytest.mark.parametrize("prefix", ["[   12.345678] ", "[   12.345678][    T1] ", ""])
def test_near_miss_is_silent(prefix: str, message: str) -> None:
    assert scan(f"{prefix}{message}\n") == []


@pytest.mark.parametrize("message", [row[2] for row in FAILURES + NOTES])
def test_user_text_never_counts(message: str) -> None:
    marked = "[    1.000000] Linux version 6.1.0\n"
    assert scan(marked + message + "\n") == []
    assert scan(message + "\n" + marked) == []
    assert scan(marked + f"[    2.000000] lab: {message}\n") == []
    assert scan(marked + f"[    2.000000] fio[12]: {message}\n") == []
    assert scan(marked + f"<12>[    2.000000] {message}\n") == []
    assert scan(marked + f"user  :warn  : [    2.000000] {message}\n") == []


def test_every_rule_fires_on_some_spelling() -> None:
    fired = set()
    for _, _, message in FAILURES + NOTES:
        raw = f"[   12.345678] {message}".encode()
        hit = rule_of(parse_line(1, raw), raw)
        assert hit is not None
        fired.add(hit[0])
    assert set(RULES) - fired == set()


@pytest.mark.parametrize("message", [row[2] for row in FAILURES])
def test_title_has_no_addresses_and_numbers(message: str) -> None:
    (finding,) = scan(f"[   12.345678] {message}\n")
    assert "0x" not in finding.title
    assert "ffff8" not in finding.title
    assert "612" not in finding.title and "412" not in finding.title
