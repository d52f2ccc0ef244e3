"""The scanner's promises: steps, floods, bounds, forgery, and that no bytes upset it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.console.block import MAX_FRAMES
from lab.console.finding import MAX_TEXT_BYTES, Effect, Finding, describe, first_cause, worst
from lab.console.line import MAX_LINE_BYTES
from lab.console.scan import CHUNK_BYTES, MAX_REPEATS, UNDECIDED_BYTES, Scanner, messages_of_step, scan_file
from lab.errors import LabError

LOGS = Path(__file__).parent / "console_logs"
TOKEN = "0123456789abcdef"
OTHER = "fedcba9876543210"


def scan(data: bytes | str, token: str | None = None) -> list[Finding]:
    scanner = Scanner(token)
    raw = data.encode() if isinstance(data, str) else data
    return sorted(scanner.feed(raw) + scanner.close(), key=lambda finding: finding.line)


def kernel(*messages: str) -> str:
    return "".join(f"[{1 + n / 1000:12.6f}] {message}\r\n" for n, message in enumerate(messages))


# -- steps ----------------------------------------------------------------------------------------------------


def test_findings_belong_to_the_step_in_flight() -> None:
    error = "sd 2:0:1:0: rejecting I/O to offline device"
    log = kernel(error, f"lab: {TOKEN} setup begin", error, f"lab: {TOKEN} setup end", f"lab: {TOKEN} step 0 begin",
                 error, f"lab: {TOKEN} step 0 end", error, f"lab: {TOKEN} step 1 begin", error,
                 f"lab: {TOKEN} step 1 end", f"lab: {TOKEN} teardown begin", error)
    assert [finding.step for finding in scan(log, TOKEN)] == [None, None, 0, None, 1, None]


def test_overlapping_steps_name_the_latest() -> None:
    error = "sd 2:0:1:0: rejecting I/O to offline device"
    log = kernel(f"lab: {TOKEN} step 3 begin", f"lab: {TOKEN} step 4 begin", error, f"lab: {TOKEN} step 4 end", error)
    assert [finding.step for finding in scan(log, TOKEN)] == [4, 3]


@pytest.mark.parametrize("mark", [
    f"lab: {OTHER} step 0 begin", "lab: step 0 begin", f"fio: lab: {TOKEN} step 0 begin",
    f"lab: {TOKEN} step 0 begin now",
    f"lab: {TOKEN} step -1 begin", f"lab:  {TOKEN} step 0 begin",
])
def test_forged_mark_is_no_mark(mark: str) -> None:
    (finding,) = scan(kernel(mark, "Kernel panic - not syncing: x"), TOKEN)
    assert finding.step is None


def test_mark_printed_to_the_console_is_no_mark() -> None:
    log = kernel("hello") + f"lab: {TOKEN} step 0 begin\n" + kernel("Kernel panic - not syncing: x")
    (finding,) = scan(log, TOKEN)
    assert finding.step is None


def test_a_report_belongs_to_the_step_where_it_began() -> None:
    report = (LOGS / "warn-x86-6.1.log").read_text()
    log = f"[   11.000000] lab: {TOKEN} step 5 begin\r\n{report}[   12.900000] lab: {TOKEN} step 5 end\r\n"
    (finding,) = scan(log, TOKEN)
    assert (finding.step, finding.line) == (5, 2)


def test_messages_of_a_step(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text(kernel("boot", f"lab: {TOKEN} step 0 begin", "one", "two", "three") + "printed by a test\n"
                   + kernel(f"lab: {TOKEN} step 0 end", "after"))
    assert [line.split("] ")[1] for line in messages_of_step(log, TOKEN, 0, 2)] == ["two", "three"]
    assert messages_of_step(log, TOKEN, 1, 10) == []
    assert messages_of_step(log, OTHER, 0, 10) == []


# -- reboot, cause, text --------------------------------------------------------------------------------------


def test_second_boot_banner_is_a_reboot() -> None:
    banner = "Linux version 6.1.0-49-amd64 (gcc-12) #1 SMP"
    assert scan(kernel(banner, "hello")) == []
    assert scan(kernel(banner) + banner + "\n") == []  # printed by user space
    (finding,) = scan(kernel(banner, "hello", banner))
    assert (finding.kind, finding.fatal, finding.effect, finding.line) == ("reboot", True, Effect.FAIL, 3)


def test_first_cause_and_worst() -> None:
    found = scan((LOGS / "panic-oops-x86.log").read_bytes())
    note = scan(kernel("sd 2:0:1:0: rejecting I/O to offline device"))
    cause = first_cause([*reversed(found), *note])
    assert cause is not None and cause.kind == "oops"
    assert first_cause(note) is None and worst(note) is None
    hang_then_uaf = scan((LOGS / "hung-task.log").read_bytes() + (LOGS / "kasan-x86-new.log").read_bytes())
    bad = worst(hang_then_uaf)
    assert bad is not None and bad.kind == "KASAN"


def test_description_names_place_and_frames() -> None:
    text = describe(scan((LOGS / "refcount.log").read_bytes())[0])
    assert text.splitlines()[0] == "refcount_t: underflow; use-after-free in target_put_sess_cmd"
    assert "lines 1-25" in text and "target_put_sess_cmd < core_tmr_abort_task" in text


def test_unreadable_log_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot be read"):
        scan_file(tmp_path / "missing.log")


# -- what is open, and when it ends ---------------------------------------------------------------------------


def test_open_report_is_visible_before_its_end() -> None:
    data = (LOGS / "warn-x86-6.1.log").read_bytes()
    scanner = Scanner()
    assert scanner.feed(data[: len(data) // 2]) == []
    (pending,) = scanner.pending()
    assert (pending.kind, pending.complete) == ("WARN", False)
    assert [finding.complete for finding in scanner.feed(data[len(data) // 2 :])] == [True]
    assert scanner.pending() == []


def test_report_without_end_is_given_up_after_a_pause() -> None:
    log = "[    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1 fn+0x1/0x2\n[   60.000000] sd 2:0:1:0: ready\n"
    scanner = Scanner()
    (finding,) = scanner.feed(log.encode())
    assert (finding.last_line, finding.complete) == (1, False)


def test_two_reports_of_one_class_are_two_findings() -> None:
    one = (LOGS / "warn-x86-6.1.log").read_bytes()
    assert [finding.line for finding in scan(one + one)] == [1, 30]


def test_message_of_another_cpu_does_not_end_a_stack() -> None:
    lines = (LOGS / "soft-lockup.log").read_text().splitlines(keepends=True)
    at = next(n for n, line in enumerate(lines) if "target_wait_for_sess_cmds" in line)
    foreign = "[   12.002000] usb 1-1: new device found\r\n"
    (finding,) = scan("".join([*lines[:at], foreign, *lines[at:]]))
    assert "tcm_loop_drop_nexus" in finding.frames[3]


# -- floods and bounds ----------------------------------------------------------------------------------------


def test_flood_of_one_message_is_cut() -> None:
    scanner = Scanner()
    line = b"[   12.345678] I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x800\r\n"
    found = scanner.feed(line * (MAX_REPEATS * 10))
    assert len(found) == MAX_REPEATS
    assert scanner.dropped == MAX_REPEATS * 9
    assert [f.title for f in scanner.feed(line.replace(b"sda", b"sdb"))] == ["I/O error, dev sdb"]


def test_report_is_bounded() -> None:
    frames = "".join(f"[   12.345678]  function_{n}+0x1/0x2\r\n" for n in range(5000))
    head = "[   12.345678] INFO: task fio:612 blocked for more than 30 seconds.\r\n[   12.345678] Call Trace:\r\n"
    found = scan(head + frames)
    assert len(found) == 1
    assert len(found[0].text.encode()) <= MAX_TEXT_BYTES
    assert len(found[0].frames) <= MAX_FRAMES


def footprint(scanner: Scanner) -> int:
    """Bytes and entries that a scanner keeps between two feeds."""
    blocks = scanner._grouper._open.values()
    return len(scanner._tail) + scanner._held_bytes + sum(block._text_bytes for block in blocks)


@pytest.mark.parametrize("piece", [
    b"a" * 65536, b"\n" * 65536, b"BUG: x\n" * 9000, b"\0" * 65536, b"[    1.000000][ T1] BUG: x\n" * 2500,
    b"".join(b"[    1.000000][ T%d] BUG: open\n" % n for n in range(2000)),
    b"------------[ cut here ]------------\n" * 1700,
])
def test_memory_stays_constant(piece: bytes) -> None:
    scanner = Scanner(TOKEN)
    for _ in range(12):
        scanner.feed(piece)
        assert footprint(scanner) <= MAX_LINE_BYTES + UNDECIDED_BYTES + MAX_LINE_BYTES + 64 * MAX_TEXT_BYTES
        assert len(scanner._grouper._open) <= 64
    scanner.close()


def test_line_across_chunks_is_found() -> None:
    filler = b"[    1.000000] healthy message of a healthy kernel\r\n"
    count = CHUNK_BYTES // len(filler)
    found = scan(filler * count + b"[    2.000000] Kernel panic - not syncing: x\r\n" + filler)
    assert [finding.line for finding in found] == [count + 1]


def test_endless_line_is_cut_the_same_in_any_pieces() -> None:
    data = b"[    1.000000] BUG: " + b"x" * 3 * MAX_LINE_BYTES + b"BUG: KASAN: use-after-free\n[    1.000001] end\n"
    whole = scan(data)
    for size in (1, 7, 4096, 10_000):
        scanner = Scanner()
        found: list[Finding] = []
        for start in range(0, len(data), size):
            found += scanner.feed(data[start : start + size])
        assert found + scanner.close() == whole


WORDS = st.sampled_from([
    b"[    1.000000] ", b"[    2.5][ T12] ", b"<4>", b"BUG: ", b"WARNING: ", b"KASAN: ", b"\n", b"\r\n",
    b"\0", b"\xff\xfe",
    b"------------[ cut here ]------------", b"Call Trace:", b" fn+0x1/0x2 [mod]", b"---[ end trace 0 ]---",
    b"{}", b"%s",
    b"Kernel panic - not syncing: ", b"lab: 0123456789abcdef step 1 begin", b"Linux version 6",
    b"rcu: INFO: ", b" kernel: ",
    b"INFO: task a:1 blocked for more than 3 seconds.", b"==============================================",
    b"I/O error, dev sda",
    b"UBSAN: x in f.c:1:1", b"Internal error: Oops: 1 [#1]", b"[    99999999999999.9] ",
    b"ODEBUG: free active object type: x",
])


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS | st.binary(max_size=40), max_size=60), st.data())
def test_no_bytes_upset_the_scanner(words: list[bytes], data: st.DataObject) -> None:
    log = b"".join(words)
    cut = data.draw(st.integers(0, len(log)))
    whole = scan(log, TOKEN)
    scanner = Scanner(TOKEN)
    parts = scanner.feed(log[:cut]) + scanner.feed(log[cut:]) + scanner.close()
    assert sorted(parts, key=lambda finding: finding.line) == whole
    for finding in whole:
        assert finding.title and len(finding.fingerprint) == 12
        assert 1 <= finding.line <= finding.last_line <= log.count(b"\n") + 1
        assert describe(finding)


def test_flood_that_is_muted_hides_nothing_else() -> None:
    scanner = Scanner()
    line = "[   12.345678] I/O error, dev sda1, sector 2048 op 0x1:(WRITE) flags 0x800\r\n"
    scanner.feed((line * (MAX_REPEATS + 10)).encode())
    assert scanner._muted
    other = line.replace("sda1", "sda2") + kernel("Kernel panic - not syncing: x")
    assert [finding.title for finding in scanner.feed((line * 10 + other).encode()) + scanner.close()] == [
        "I/O error, dev sda2", "Kernel panic: x"]
    assert scanner.dropped == 20
