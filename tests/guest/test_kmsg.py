"""lab.guest.kmsg: who wrote a line of the kernel log. The records are /dev/kmsg's, the device is a list of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.guest import clock, kmsg
from lab.guest.follow import console_line
from lab.guest.kmsg import KernelLog, Record, Witness, parse
from lab.wire import folded

KERNEL = b"3,100,5000001,-;BUG: a real one\n SUBSYSTEM=scsi\n"
USER = b"8,101,5000002,-;Kernel panic - not syncing: not a real one\\x0asecond line\n"


class Device:
    """Stands for /dev/kmsg: each read gives one record, b"" when there is none, an exception where one is listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.records: list[bytes | OSError] = []
        path.write_bytes(b"")
        monkeypatch.setattr(kmsg, "os", SimpleNamespace(**{**vars(os), "read": self._read}))

    def _read(self, _fd: int, _size: int) -> bytes:
        if not self.records:
            raise BlockingIOError
        record = self.records.pop(0)
        if isinstance(record, OSError):
            raise record
        return record


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Device:
    monkeypatch.setattr(kmsg, "_own", kmsg.Counter())
    return Device(monkeypatch, tmp_path / "kmsg")


def test_a_record() -> None:
    assert parse(KERNEL) == Record(0, 5000001, "BUG: a real one")
    assert parse(USER) == Record(1, 5000002, "Kernel panic - not syncing: not a real one\\x0asecond line")
    assert parse(b"6,1,7,c,caller=T12;text") == Record(0, 7, "text")
    assert parse(b"nonsense") is None and parse(b"") is None and parse(b";x") is None


def test_what_user_space_wrote_is_told_once_and_is_not_the_kernels(device: Device, tmp_path: Path) -> None:
    witness, log = Witness(str(tmp_path / "kmsg")), KernelLog(str(tmp_path / "kmsg"))
    device.records = [KERNEL, USER]
    assert witness.printed() == [(5000002, "Kernel panic - not syncing: not a real one\\x0asecond line")]
    assert witness.printed() == []
    device.records = [USER, KERNEL]
    assert log.messages() == ["BUG: a real one"]
    assert log.find("not a real one") is None
    last = log.messages()[-1]
    assert log.find(re.escape(last), len(log.messages()) - 1) == last
    assert log.find(re.escape(last), len(log.messages())) is None


def test_lines_that_are_no_record_are_denied(device: Device, tmp_path: Path) -> None:
    witness = Witness(str(tmp_path / "kmsg"))
    genuine, forged = (5000001, folded("BUG: a real one")), (5000001, folded("BUG: another one at the same time"))
    assert witness.denied([genuine]) == [], "it knows nothing yet"
    device.records = [KERNEL, USER]
    witness.printed()
    late = [(t, folded("BUG: a real one")) for t in (5000000, 5000002, 5000003)]
    assert witness.denied([genuine, forged, *late]) == [forged, *late[1:]], \
        "what is older than all that it knows is not denied"


def test_a_line_is_the_same_on_the_console_and_in_the_log(device: Device, tmp_path: Path) -> None:
    witness = Witness(str(tmp_path / "kmsg"))
    device.records = [b"3,100,7,-;comm \\xc3\\xa4\\x1b[31m in fn+0x1/0x2\\x0asecond line, of one record\n"]
    witness.printed()
    lines = ["comm \u00e4\x1b[31m in fn+0x1/0x2", "second line, of one record"]
    assert witness.denied([(7, folded(line)) for line in lines]) == []
    assert witness.denied([(7, folded("BUG: another text altogether"))]) != []


def test_a_line_into_which_other_text_came_on_its_way_is_still_the_kernels(device: Device, tmp_path: Path) -> None:
    witness = Witness(str(tmp_path / "kmsg"))
    device.records = [b"3,100,7,-;watchdog: BUG: soft lockup - CPU#0 stuck for 41s!\n", b"3,101,9,-;short\n"]
    witness.printed()
    shown = [f"watchdog: BUG: sof{text}t lockup - CPU#0 stuck for 41s!{text}" for text in ("", "hello")]
    assert witness.denied([(7, folded(line)) for line in shown]) == []
    assert len(witness.denied([(7, folded("BUG: soft lockup")), (9, folded("Kernel panic: short"))])) == 2


def test_of_a_kernel_that_says_too_much_nothing_is_denied(device: Device, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmsg, "MAX_KNOWN", 2)
    witness = Witness(str(tmp_path / "kmsg"))
    device.records = [f"3,{n},{n},-;line {n} of many".encode() for n in range(1, 4)]
    witness.printed()
    assert witness.denied([(9, "forged")]) == []


def test_a_witness_that_missed_records_denies_nothing(device: Device, tmp_path: Path) -> None:
    witness = Witness(str(tmp_path / "kmsg"))
    device.records = [KERNEL, BrokenPipeError(), USER]
    assert len(witness.printed()) == 1
    assert witness.denied([(6000000, "x")]) == []


def test_own_marks_are_not_told_and_a_copy_of_one_is(device: Device, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmsg, "DEVICE", str(tmp_path / "written"))
    (tmp_path / "written").write_text("")
    mark = "lab: 0123456789abcdef step 0 end"
    assert kmsg.write(mark)
    written = (tmp_path / "written").read_text().removeprefix("<5>").rstrip()
    assert re.fullmatch(re.escape(mark) + " ~[0-9a-f]{6}", written)
    witness = Witness(str(tmp_path / "kmsg"))
    genuine, forged = f"13,2,6,-;{written}\n".encode(), f"13,1,5,-;{mark}\n".encode()
    device.records = [forged, genuine, genuine]
    assert witness.printed() == [(5, mark), (6, written)], "one written before it, and a copy"


def test_a_machine_without_a_kernel_log_goes_on_without_marks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kmsg, "DEVICE", str(tmp_path / "missing"))
    assert kmsg.write("lab: x") is False
    assert Witness(str(tmp_path / "missing")).printed() == []


def test_a_console_line_of_a_machine_by_ssh_shows_who_wrote_it() -> None:
    assert console_line(KERNEL) == b"<3>[    5.000001] BUG: a real one\n"
    assert console_line(b"13,1,5000002,-;lab: x step 0 end\n") == b"[    5.000002] lab: x step 0 end\n"
    assert console_line(b"8,1,5000002,-,caller=T7;x\n") == b"<8>[    5.000002][    T7] x\n"


def test_the_clock_of_deadlines_stands_still_for_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_lost_s", 0.0)
    before = clock.now()
    clock.lose(1000)
    clock.lose(-5)
    assert before - 1000 <= clock.now() < before - 990
