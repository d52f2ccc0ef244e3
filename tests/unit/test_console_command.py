"""`lab scan`: what it prints, what it reads, how it ends."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
LOGS = Path(__file__).parent / "console_logs"
WARN = LOGS / "vm-warn.log"
CLEAN = LOGS / "vm-quoting-driver.log"


def scan(*words: str | Path) -> Any:
    return CliRunner().invoke(app, ["scan", *map(str, words)])


def test_block_of_a_failure() -> None:
    result = scan(WARN)
    assert result.exit_code == 1
    for part in (
        f"{WARN}: WARNING in labcrash_warn\n", "  1. WARNING in labcrash_warn\n",
        "     WARN, severity warn, first cause\n", "     lines 2-51 at 15.403583 s\n",
        "     fingerprint 941601259fec\n",
        "       labcrash_warn+0x5/0x10 [labcrash]\n",
    ):
        assert part in result.stdout


def test_same_failure_is_one_block_with_all_places() -> None:
    text = scan(LOGS / "vm-abba.log").stdout
    assert "one failure, reported 6 times" in text and "  2. " not in text
    assert "6 times: lines 4-19 at 20.394187 s, began 4 s earlier; lines 20-36" in text and "; ... line 89" in text


def test_first_cause_consequence_and_the_worst_as_name(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"".join(
        path.read_bytes() for path in (WARN, LOGS / "kasan-x86-new.log", LOGS / "panic-x86.log")))
    lines = scan(log).stdout.splitlines()
    assert lines[0] == f"{log}: KASAN: use-after-free Read in tcm_loop_queuecommand"
    assert lines[1].startswith("  3 different failures, 3 reports, in ")
    assert [line.strip() for line in lines if "severity" in line] == [
        "WARN, severity warn, first cause", "KASAN, severity use after free, consequence, or on its own",
        "panic, severity oops, consequence, or on its own, the machine is lost"]


def test_frames_begin_where_they_tell() -> None:
    text = scan(LOGS / "vm-slub-debug.log").stdout
    assert "labcrash_overflow" in text and "dump_stack_lvl" not in text


def test_raw_prints_the_lines_of_the_report() -> None:
    assert "---[ end trace" not in scan(WARN).stdout
    assert "---[ end trace 0000000000000000 ]---" in scan("--raw", WARN).stdout


def test_notes_come_after_the_failures_and_are_short(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    notes = "".join(f"[   12.345678] I/O error, dev sd{disk}, sector {n} op 0x0\r\n"
                    for disk in "abcdefghijklmnop" for n in range(120))
    log.write_text(notes)
    result = scan(log)
    assert result.exit_code == 0
    assert "no kernel failure in 1920 lines" in result.stdout
    assert "block: I/O error, dev sda (100 times, lines 1-100)" in result.stdout
    assert "and 4 more kinds of message" in result.stdout
    assert "320 more that repeat these were left out" in result.stdout
    log.write_bytes(notes.encode() + WARN.read_bytes())
    assert scan(log).stdout.index("noted") > scan(log).stdout.index("WARNING in labcrash_warn")


def test_several_files_and_one_that_is_not_there(tmp_path: Path) -> None:
    result = scan(CLEAN, WARN)
    assert result.exit_code == 1 and f"{CLEAN}: no kernel failure in 40 lines\n\n{WARN}: " in result.stdout
    result = scan(CLEAN, tmp_path / "missing.log", WARN)
    assert result.exit_code == 2
    assert f"{tmp_path}/missing.log: the console log cannot be read: No such file or directory" in result.output
    assert "WARNING in labcrash_warn" in result.stdout
    assert scan(tmp_path).exit_code == 2
    assert scan(CLEAN).exit_code == 0


def test_json_says_the_role_of_each_report() -> None:
    plain = json.loads(scan("--json", LOGS / "panic-oops-x86.log", LOGS / "fault-injection.log").stdout)
    assert [(one["role"], one["effect"]) for one in plain] == [
        ("first cause", "fail"), ("consequence", "fail"), ("note", "note")]
    assert {"file", "kind", "title", "fingerprint", "severity", "frames", "text", "late_s", "beside"} <= set(plain[0])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_compressed_logs(tmp_path: Path, pack: object) -> None:
    log = tmp_path / "console"
    log.write_bytes(pack(WARN.read_bytes()))  # type: ignore[operator]
    assert "WARNING in labcrash_warn" in scan(log).stdout
    with log.open("rb") as stdin:
        command = [sys.executable, "-m", "lab.cli.main", "scan", "-"]
        piped = subprocess.run(command, stdin=stdin, capture_output=True, cwd=ROOT, check=False)
    assert piped.returncode == 1 and piped.stdout.startswith(b"-: WARNING in labcrash_warn\n")


def test_compressed_log_that_breaks_off_is_read_so_far(tmp_path: Path) -> None:
    log = tmp_path / "console.gz"
    packed = gzip.compress(WARN.read_bytes() * 3)
    log.write_bytes(packed[: len(packed) - 40])
    assert scan(log).exit_code == 1


def test_compressed_log_that_is_damaged_is_one_sentence(tmp_path: Path) -> None:
    log = tmp_path / "console.gz"
    log.write_bytes(gzip.compress(b"x")[:10] + b"\xff" * 40)
    result = scan(log)
    assert result.exit_code == 2 and "cannot be read" in result.output and "Traceback" not in result.output
    log.write_bytes(b"\x28\xb5\x2f\xfd" + b"0" * 20)
    result = scan(log)
    assert result.exit_code == 2 and "Traceback" not in result.output
