"""The same report however it was recorded: other test systems around it, dmesg's and journalctl's forms, raw serial."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.console.finding import Effect, Finding
from lab.console.scan import Scanner

LOGS = Path(__file__).parent / "console_logs"
NAMES = (
    "vm-warn", "vm-gpf", "vm-slub-debug", "lockdep-circular", "kasan-x86-new", "hung-task", "rcu-stall", "bug-arm64")
STAMP = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")


def failures(data: bytes) -> list[Finding]:
    scanner = Scanner()
    found = scanner.feed(data) + scanner.close()
    return sorted((f for f in found if f.effect is Effect.FAIL), key=lambda finding: finding.line)


def before(prefix: str) -> Callable[[str], str]:
    return lambda line: prefix + line


def instead(prefix: str) -> Callable[[str], str]:
    """The stamp is replaced: that form carries none of printk's."""
    return lambda line: prefix + STAMP.sub("", line)


FORMS: dict[str, Callable[[str], str]] = {
    "host time": before("2026-11-23T06:49:01.123456 "), "host time, CI": before("[2026-11-23T06:49:01.123Z] "),
    "host name": before("[host7] "), "level": before("<4>"), "kernelci": before("06:49:01.123456  <4>"),
    "LAVA": lambda line: '- {"dt": "2026-11-23T06:49:01.123456", "lvl": "target", "msg": "' + line + '"}',
    "prompt": before("root@guest:~# "), "docker": before("guest-1  | "), "moreutils ts": before("[1700000000.123456] "),
    "syslog": before("Nov 23 06:49:01 host kernel: "), "syslog, no stamp": instead("Nov  3 06:49:01 host kernel: "),
    "rsyslog": before("2026-11-23T06:49:01.123456+00:00 host kernel: "),
    "journalctl -k": instead("Nov 23 06:49:01 host kernel: "),
    "journalctl -o short-full": instead("Mon 2026-11-23 06:49:01 UTC host kernel: "),
    "journalctl -o short-monotonic": instead("[   12.345678] host kernel: "),
    "dmesg -T": instead("[Mon Nov 23 06:49:01 2026] "), "dmesg iso": instead("2026-11-23T06:49:01,123456+00:00 "),
    "dmesg -x": before("kern  :warn  : "), "dmesg -xT": instead("kern  :warn  : [Mon Nov 23 06:49:01 2026] "),
    "dmesg -e": instead("[  +0.000012] "), "dmesg -e, first": instead("[Nov23 06:49] "),
    "dmesg -d": instead("[   12.345678 <    0.000012>] "), "dmesg -r": before("<4>"),
    "caller column": instead("[   12.345678] [  T123] "), "caller": instead("[   12.345678][  T123] "),
    "colours": lambda line: STAMP.sub("\x1b[32m[   12.345678] \x1b[0m\x1b[31m", line) + "\x1b[0m",
    "CRCRLF": lambda line: line + "\r\r", "NUL bytes": lambda line: "\0\0" + line + "\0",
    "no stamp": instead(""), "no stamp, host time": instead("[06:49:01] "),
    "no stamp, date": instead("2026/11/23 06:49:01 "),
    "no stamp, zulu": instead("2026-11-23T06:49:01.123Z "), "no stamp, level": instead("<4>"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_form(name: str, form: str) -> None:
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    log = "".join(FORMS[form](line) + "\n" for line in lines if STAMP.match(line) and "lab: " not in line)
    plain = "".join(line + "\n" for line in lines if "lab: " not in line)
    wanted = failures(plain.encode())
    found = failures(log.encode())
    assert [(f.kind, f.fingerprint, f.line) for f in found] == [(f.kind, f.fingerprint, f.line) for f in wanted]


@pytest.mark.parametrize("prefix", ["12:00:01 ", "[12:00:01] ", "2026-11-23T06:49:01Z "])
def test_host_time_does_not_make_a_line_the_kernels(prefix: str) -> None:
    log = f"[    1.000000] ready\n{prefix}BUG: printed by a test\n{prefix}Kernel panic - not syncing: x\n"
    assert failures(log.encode()) == []


def test_epoch_stamps_do_not_make_a_line_the_kernels() -> None:
    log = "[1700000000.000001] [    1.000000] ready\n[1700000000.000002] BUG: printed by a test\n"
    assert failures(log.encode()) == []


@pytest.mark.parametrize("size", [1, 3, 4096])
def test_colours_and_nul_bytes_in_any_pieces(size: int) -> None:
    text = (LOGS / "vm-warn.log").read_text()
    data = text.replace("] ", "] \x1b[0m\x1b[31m").replace("\n", "\0\n").encode() + b"\0" * 9000 + b"\n" + text.encode()
    whole = failures(data)
    assert len(whole) == 2
    scanner = Scanner()
    found: list[Finding] = []
    for start in range(0, len(data), size):
        found += scanner.feed(data[start : start + size])
    found += scanner.close()
    assert [f for f in found if f.effect is Effect.FAIL] == whole


def test_restart_on_request_is_no_reboot() -> None:
    banner = "[    0.000000] Linux version 6.1.0\n"
    assert [f.kind for f in failures((banner + "[   10.000000] ready\n" + banner).encode())] == ["reboot"]
    for asked in ("reboot: Restarting system", "kexec_core: Starting new kernel"):
        assert failures((banner + f"[   10.000000] {asked}\n" + banner).encode()) == []
        assert len(failures((banner + f"[   10.000000] {asked}\n" + banner + banner).encode())) == 1


def test_first_banner_in_the_middle_of_a_life_is_a_reboot() -> None:
    assert [f.kind for f in failures(b"[   10.000000] ready\n[    0.000000] Linux version 6.1.0\n")] == ["reboot"]
    assert failures(b"[    0.000000] Booting Linux on physical CPU 0x0\n[    0.000000] Linux version 6.1.0\n") == []


# -- a first line that is lost --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "lost", "kind"), [
    ("vm-warn", 2, "WARN"), ("vm-slub-debug", 5, "slab"), ("lockdep-circular", 7, "lockdep"), 
    ("kasan-x86-new", 2, "KASAN"),
    ("rcu-stall", 1, "rcu-stall"),
])
def test_report_without_its_first_lines(name: str, lost: int, kind: str) -> None:
    lines = [line for line in (LOGS / f"{name}.log").read_text().splitlines(keepends=True) if "lab: " not in line]
    for dropped in range(lost + 1):
        found = failures("".join(lines[dropped:]).encode())
        assert found and found[0].kind == kind, dropped


def test_panic_on_warn_gives_its_stack_to_the_warning() -> None:
    lines = [line for line in (LOGS / "vm-list.log").read_text().splitlines() if "lab: " not in line]
    at = next(n for n, line in enumerate(lines) if "Modules linked in" in line)
    panic = [lines[at], lines[at].split("] ")[0] + "] Kernel panic - not syncing: panic_on_warn set ..."]
    whole = failures("\n".join(lines).encode())
    found = failures("\n".join([*lines[:at], *panic, *lines[at + 1 :]]).encode())
    assert [f.kind for f in found] == [whole[0].kind, "panic"]
    assert (found[0].title, found[0].fingerprint) == (whole[0].title, whole[0].fingerprint)
    assert "panic_on_warn" not in found[0].text
