"""Whole reports: one finding each, with title, frames and end; the same however the bytes arrive."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lab.console.finding import Effect, Finding, Severity
from lab.console.scan import Scanner, scan_file

LOGS = Path(__file__).parent / "console_logs"
FAN = "target_complete_cmd_with_sense"

# log -> (class, title) of each failure in it
EXPECTED: dict[str, list[tuple[str, str]]] = {
    "atomic-sleep": [("atomic", "sleeping function called from invalid context in target_tg_pt_gp_state_show")],
    "bad-page": [("state", "Bad page state in sgl_alloc_order")],
    "bug-arm64": [("BUG", "kernel BUG at drivers/target/target_core_transport.c in target_init_cmd")],
    "bug-x86": [("BUG", "kernel BUG at drivers/target/target_core_transport.c in target_init_cmd")],
    "fault-injection": [],
    "hung-task": [("hung-task", "task hung in dm_wait_for_completion"),
                  ("hung-task", "task hung in target_put_cmd_and_wait")],
    "interleaved": [("WARN", f"WARNING in {FAN}"),
                    ("refcount", "refcount_t: underflow; use-after-free in target_put_sess_cmd")],
    "kasan-arm64-old": [("KASAN", "KASAN: use-after-free Read in tcm_loop_queuecommand")],
    "kasan-x86-new": [("KASAN", "KASAN: use-after-free Read in tcm_loop_queuecommand")],
    "kfence": [("KFENCE", "KFENCE: use-after-free read in tcm_loop_queuecommand")],
    "list-corruption-bug": [("list-corruption", "list_del corruption in target_remove_from_tmr_list")],
    "list-corruption-warn": [("list-corruption", "list_add corruption in target_submit")],
    "lockdep-circular": [("lockdep", "lockdep: possible circular locking dependency in tcm_loop_drop_nexus")],
    "oops-gpf-new": [("oops", "general protection fault in target_put_sess_cmd")],
    "oops-null-arm64": [("oops", "NULL pointer dereference in tcm_loop_tpg_address_show")],
    "panic-oops-x86": [("oops", "NULL pointer dereference in tcm_loop_tpg_address_show"),
                       ("panic", "Kernel panic: Fatal exception")],
    "panic-x86": [("panic", "Kernel panic: sysrq triggered crash")],
    "rcu-stall": [("rcu-stall", "RCU stall in tcm_loop_busy_loop")],
    "refcount": [("refcount", "refcount_t: underflow; use-after-free in target_put_sess_cmd")],
    "slab-poison": [("slab", "slab Poison overwritten in core_tmr_alloc_req")],
    "soft-lockup": [("soft-lockup", "soft lockup in target_wait_for_sess_cmds")],
    "ubsan-new": [("UBSAN", "UBSAN: shift-out-of-bounds in sbc_parse_cdb")],
    "ubsan-old": [("UBSAN", "UBSAN: shift-out-of-bounds in sbc_parse_cdb")],
    "usercopy": [("usercopy", "usercopy: kernel memory exposure in configfs_read_iter")],
    "vm-abba": [("hung-task", "task hung in labcrash_abba")] * 6,
    "vm-after-free": [("slab", "slab Poison overwritten in labcrash_after_free"),
                      ("slab", "slab labcrash_poison destroyed while it has objects in labcrash_after_free")],
    "vm-after-the-last-step": [("WARN", "WARNING in labcrash_teardown")],
    "vm-atomic": [("atomic", "scheduling while atomic in labcrash_atomic"), ("atomic", "scheduling while atomic")],
    "vm-bug": [("BUG", "kernel BUG at labcrash.c in labcrash_bug")],
    "vm-gpf": [("oops", "general protection fault in labcrash_gpf")],
    "vm-hardlockup": [("rcu-stall", "RCU stall in labcrash_spin")],
    "vm-leak": [("slab", "slab objects remaining on __kmem_cache_shutdown in labcrash_leak"),
                ("slab", "slab labcrash_leak destroyed while it has objects in labcrash_leak")],
    "vm-list": [("list-corruption", "list_add corruption in labcrash_list")],
    "vm-null": [("oops", "NULL pointer dereference in labcrash_null")],
    "vm-panic": [("panic", "Kernel panic: labcrash gives up")],
    "vm-quoting-driver": [],
    "vm-race": [("WARN", "WARNING in labcrash_left"), ("WARN", "WARNING in labcrash_right")],
    "vm-rcu": [("rcu-stall", "RCU stall in labcrash_spin")],
    "vm-refcount": [("refcount", "refcount_t: underflow; use-after-free in labcrash_refcount")],
    "vm-slub-debug": [("slab", "slab Right Redzone overwritten in labcrash_overflow")],
    "vm-softlockup": [("rcu-stall", "RCU stall in labcrash_spin"), ("soft-lockup", "soft lockup in labcrash_spin")],
    "vm-stack": [("panic", "stack guard page was hit in labcrash_stack"),
                 ("panic", "Kernel panic: Fatal exception in interrupt")],
    "vm-warn": [("WARN", "WARNING in labcrash_warn")],
    "warn-arm64": [("WARN", f"WARNING in {FAN}")],
    "warn-x86-6.1": [("WARN", f"WARNING in {FAN}")],
    "warn-x86-6.18": [("WARN", f"WARNING in {FAN}")],
    "warn-x86-7.0": [("WARN", f"WARNING in {FAN}")],
    "warn-x86-message": [("WARN", f"WARNING in {FAN}")],
}
NAMES = sorted(EXPECTED)


def failures(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.effect is Effect.FAIL]


def only(name: str) -> Finding:
    return failures(scan_file(LOGS / f"{name}.log"))[0]


def in_pieces(data: bytes, cut: int) -> list[Finding]:
    scanner = Scanner()
    found = scanner.feed(data[:cut]) + scanner.feed(data[cut:]) + scanner.close()
    return sorted(found, key=lambda finding: finding.line)


def test_every_log_is_expected() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == set(EXPECTED)


@pytest.mark.parametrize("name", NAMES)
def test_report_is_found_whole(name: str) -> None:
    found = failures(scan_file(LOGS / f"{name}.log"))
    assert [(finding.kind, finding.title) for finding in found] == EXPECTED[name]
    for finding in found:
        assert finding.complete or finding.title == "WARNING in labcrash_left"  # another CPU's report came between
        assert finding.frames or finding.title.startswith("Kernel panic: Fatal exception")


@pytest.mark.parametrize("name", NAMES)
def test_split_anywhere_finds_the_same(name: str) -> None:
    data = (LOGS / f"{name}.log").read_bytes()
    whole = scan_file(LOGS / f"{name}.log")
    for cut in range(0, len(data), 1 if len(data) < 1200 else 61):
        assert in_pieces(data, cut) == whole, cut


@pytest.mark.parametrize("name", NAMES)
def test_byte_by_byte_finds_the_same(name: str) -> None:
    data = (LOGS / f"{name}.log").read_bytes()
    scanner = Scanner()
    found: list[Finding] = []
    for at in range(len(data)):
        found += scanner.feed(data[at : at + 1])
    found += scanner.close()
    assert sorted(found, key=lambda finding: finding.line) == scan_file(LOGS / f"{name}.log")


@pytest.mark.parametrize("name", [name for name in NAMES if EXPECTED[name]])
def test_cut_report_is_found(name: str) -> None:
    whole = only(name)
    data = (LOGS / f"{name}.log").read_bytes().splitlines(keepends=True)
    for lines in range(whole.line + 3, whole.last_line - 1):
        scanner = Scanner()
        first = min(failures(scanner.feed(b"".join(data[:lines])) + scanner.close()), key=lambda finding: finding.line)
        assert first.kind in {whole.kind, "WARN"}  # a cut-here line alone says no more than that
        assert first.line == whole.line


@pytest.mark.parametrize("name", NAMES)
def test_same_report_as_user_text_is_silent(name: str) -> None:
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    bare = "\n".join(line.split("] ", 1)[1] for line in lines if "] " in line)
    scanner = Scanner()
    assert scanner.feed(b"[    0.000000] Linux version 6.1.0\n" + bare.encode()) + scanner.close() == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "interleaved"])
def test_same_report_without_timestamps_is_found(name: str) -> None:
    lines = (LOGS / f"{name}.log").read_text().splitlines()
    bare = "\n".join(line.split("] ", 1)[1] for line in lines if "] " in line)
    scanner = Scanner()
    found = failures(scanner.feed(bare.encode()) + scanner.close())
    assert [finding.kind for finding in found] == [kind for kind, _ in EXPECTED[name]]


@pytest.mark.parametrize("pair", [
    ("warn-x86-6.1", "warn-x86-6.18"), ("warn-x86-6.1", "warn-x86-7.0"), ("warn-x86-6.1", "warn-arm64"),
    ("warn-x86-6.1", "warn-x86-message"), ("warn-x86-6.1", "interleaved"), ("kasan-arm64-old", "kasan-x86-new"),
    ("bug-x86", "bug-arm64"), ("panic-oops-x86", "oops-null-arm64"), ("ubsan-old", "ubsan-new"),
])
def test_fingerprint_is_the_faults_own(pair: tuple[str, str]) -> None:
    """The same over kernels, architectures, addresses, CPUs and line numbers."""
    one, other = only(pair[0]), only(pair[1])
    assert one.fingerprint == other.fingerprint
    assert one.title == other.title


def test_fingerprints_of_different_faults_differ() -> None:
    prints = {only(name).fingerprint for name in NAMES if EXPECTED[name]}
    assert len(prints) == 37


def test_severity_tells_use_after_free_from_other_corruption() -> None:
    assert only("kasan-x86-new").severity is Severity.USE_AFTER_FREE
    assert only("list-corruption-bug").severity is Severity.MEMORY_CORRUPTION
    assert only("hung-task").severity is Severity.HANG


def test_report_keeps_its_lines_and_frames() -> None:
    warn = only("warn-x86-6.1")
    assert warn.text.splitlines()[0].endswith("[ cut here ]------------")
    assert warn.text.splitlines()[-1].endswith("---[ end trace 0000000000000000 ]---")
    assert warn.frames[:2] == ("target_complete_cmd_with_sense+0x10d/0x130 [target_core_mod]",
                               "iblock_bio_done+0x6d/0x130 [target_core_iblock]")
    assert not any("report_bug" in frame for frame in warn.frames)  # `? report_bug` is a guess of the unwinder


def test_interleaved_reports_are_pulled_apart() -> None:
    warn, refcount = scan_file(LOGS / "interleaved.log")
    assert "refcount" not in warn.text
    assert "iblock_bio_done" not in refcount.text
    assert {line.split("][")[1][:6] for line in refcount.text.splitlines()} == {"   C1]"}


def test_two_reports_without_caller_ids_keep_their_names_however_they_interleave() -> None:
    """Nothing tells the two CPUs' lines apart; still each fault is named, and none that did not happen."""
    one = (LOGS / "warn-x86-6.1.log").read_text().splitlines()
    for seed in range(300):
        chance, log = random.Random(seed), list[str]()
        left, right = ([line.replace(FAN, name) for line in one] for name in ("left_of_two", "right_of_two"))
        while left or right:
            source = left if left and (not right or chance.random() < 0.5) else right
            log += [source.pop(0) for _ in range(min(chance.choice([1, 1, 1, 5]), len(source)))]
        # In the order in which they were printed.
        text = "".join(f"[   12.{n:06}]{line.partition(']')[2]}\n" for n, line in enumerate(log))
        scanner = Scanner()
        titles = {f.title for f in [*scanner.feed(text.encode()), *scanner.close()]}
        assert titles == {"WARNING in left_of_two", "WARNING in right_of_two"}, f"seed {seed}:\n{text}"


def test_panic_that_follows_is_a_report_of_its_own() -> None:
    oops, panic = scan_file(LOGS / "panic-oops-x86.log")
    assert oops.fatal and panic.fatal
    assert oops.last_line < panic.line
