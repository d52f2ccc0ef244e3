"""Jobs of fio as cases: real runs of fio on a file, and how a case ends by what fio said."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest

from lab.guest import clock, fio_jobs
from lab.guest.disks import Disk
from lab.guest.fio_report import Report, parse
from lab.guest.ledger import Ledger
from lab.guest.suite import Case, Told
from lab.scenario.load import load

# As its users give them; a file takes the place of the disk, and this machine may have no O_DIRECT there.
BASE = {"direct": 0, "size": "64k", "bs": "4k"}


def ran(folder: Path, *jobs: dict[str, Any], seconds: float = 60) -> Case:
    """One case on a file of 128 KiB."""
    file = folder / "disk"
    if not file.exists():
        file.write_bytes(bytes(128 << 10))

    class File(Disk):
        @property
        def node(self) -> str:
            return str(file)
    told = Told(File("0:0:1:0", folder), Ledger("d", 1, 256, 512), folder, clock.now() + seconds, threading.Event(),
                given={"jobs": {"one": [{**BASE, **job} for job in jobs]}})
    (case,) = fio_jobs.run(fio_jobs.names(told.given, told.deadline), told)
    return case


def test_jobs_that_pass(tmp_path: Path) -> None:
    case = ran(tmp_path, {"rw": "write", "verify": "crc32c"}, {"rw": "randwrite", "verify": "md5", "offset": "64k"})
    assert (case.ends, case.why) == ("pass", "")
    assert case.output.count("read 65536 bytes in 16 requests, write 65536 bytes in 16 requests") == 2


def test_a_block_that_changed_is_named(tmp_path: Path) -> None:
    assert ran(tmp_path, {"rw": "write", "verify": "crc32c"}).ends == "pass"
    data = bytearray((tmp_path / "disk").read_bytes())
    data[0x5100] ^= 1
    (tmp_path / "disk").write_bytes(data)
    case = ran(tmp_path, {"rw": "read", "verify": "crc32c"})
    assert case.ends == "fail"
    assert "EILSEQ" in case.why
    assert "offset 20480" in case.why


@pytest.mark.parametrize(("job", "ends", "why"), [
    ({"rw": "write", "verify": "crc32c", "do_verify": 0}, "pass", ""),
    ({"rw": "write", "verify": "crc32c", "io_size": "4k", "do_verify": "0"}, "pass", ""),
    ({"rw": "nonsense"}, "fail", "exit 1: fio: unrecognized option|exit 1: .*nonsense"),
    ({"rw": "read", "filename": "/there/is/none"}, "fail", "exit 1, ENOENT: fio: .*No such file"),
    ({"rw": "write", "ioengine": "no-such-engine"}, "skip", "fio: engine no-such-engine not loadable"),
])
def test_how_a_case_ends(tmp_path: Path, job: dict[str, Any], ends: str, why: str) -> None:
    case = ran(tmp_path, job)
    assert case.ends == ends
    assert re.match(why, case.why), case.why


def test_one_that_does_not_end(tmp_path: Path) -> None:
    assert ran(tmp_path, {"rw": "read", "time_based": 1, "runtime": 60}, seconds=0).ends == "hung"


@pytest.mark.parametrize(("status", "report", "ends"), [
    (0, Report(0, 0, ""), "fail"), (0, Report(0, 4096, ""), "pass"), (0, Report(5, 4096, ""), "fail"),
    (1, Report(0, 4096, ""), "fail"), (-11, Report(0, 4096, ""), "crashed"), (0, None, "crashed"),
])
def test_a_job_that_verifies_must_have_read(status: int, report: Report | None, ends: str) -> None:
    assert fio_jobs.judged(status, [], report, [{"rw": "write", "verify": "crc32c"}])[0] == ends


def test_a_report_that_is_broken() -> None:
    assert parse('{"jobs": [') is None
    assert parse("") == Report()


SCENARIO = """scenario: a
summary: what must be true here
backstores: {disk: {type: ramdisk, size: 1M}}
steps:
  - suite: {suite: fio, lun: disk, jobs: {one: [{rw: write, verify: crc32c}]}}
"""


@pytest.mark.parametrize(("old", "new", "told"), [
    (", jobs: {one: [{rw: write, verify: crc32c}]}", "", "fio needs jobs"),
    ("rw: write", "filename: /dev/sda", "filename cannot be set"),
    ("lun: disk", "lun: disk, destination: disk", "destination belongs to sg_dd, and this is fio"),
    ("{one: [{rw: write, verify: crc32c}]}", "{one: []}", "needs at least 1 entry"),
    ("[{rw: write, verify: crc32c}]", "[{}]", "needs at least 1 entry"),
])
def test_what_is_wrong_in_a_scenario_is_said(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in SCENARIO
    (tmp_path / "a.yaml").write_text(SCENARIO.replace(old, new))
    assert any(told in str(problem) for problem in load(tmp_path / "a.yaml").problems)


def test_the_scenario_itself_is_right(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SCENARIO)
    assert load(tmp_path / "a.yaml").problems == []
