"""How fast and in how much memory the console scanner reads large logs.

Usage: python bench/console_scan.py [--mib 200]. Prints a table and, as its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab.console.scan import CHUNK_BYTES, Scanner  # noqa: E402

LOGS = ROOT / "tests" / "unit" / "console_logs"
TOKEN = "0123456789abcdef"


def boot_lines() -> bytes:
    """Messages of a healthy kernel, about 40 KiB."""
    words = [
        "scsi host2:", "TCM_Loopback", "sd 2:0:0:0:", "[sda]", "Attached SCSI disk", "loop0:", "capacity", "change",
    ]
    lines = [f"[{i / 100:12.6f}] {' '.join(words[i % 4: i % 4 + 4 + i % 5])} {i}\r\n" for i in range(600)]
    return "".join(lines).encode()


def reports() -> bytes:
    """Every excerpt of the tests, one after the other."""
    return b"".join(path.read_bytes() for path in sorted(LOGS.glob("*.log")))


def quiet(size: int) -> Iterator[bytes]:
    """Nothing but healthy messages."""
    return _repeat(boot_lines() * 25, size)


def mixed(size: int) -> Iterator[bytes]:
    """One set of all reports in every megabyte of healthy messages."""
    return _repeat(boot_lines() * 25 + reports(), size)


def user_flood(size: int) -> Iterator[bytes]:
    """A test that prints failures on the console: none of it is the kernel's."""
    lines = b"BUG: printed by a test\nKernel panic - not syncing: printed\nsome other output of a program\n"
    return _repeat(b"[    1.000000] scsi host2: TCM_Loopback\n" + lines * 10_000, size)


def io_errors(size: int) -> Iterator[bytes]:
    """The same block error again and again."""
    line = b"[   12.345678] I/O error, dev sda, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2\r\n"
    return _repeat(line * 10_000, size)


def one_line(size: int) -> Iterator[bytes]:
    """No newline at all."""
    return _repeat(b"\0BUG: x" * 100_000, size)


CASES: dict[str, Callable[[int], Iterator[bytes]]] = {
    "healthy log": quiet, "reports in every MB": mixed, "user text flood": user_flood,
    "I/O error flood": io_errors, "one endless line": one_line,
}


def _repeat(block: bytes, size: int) -> Iterator[bytes]:
    """`size` bytes of the block over and over, in the chunks of a file reader."""
    block = block * (1 + CHUNK_BYTES // len(block))
    done = 0
    while done < size:
        for start in range(0, len(block), CHUNK_BYTES):
            piece = block[start : start + min(CHUNK_BYTES, size - done)]
            done += len(piece)
            yield piece
            if done >= size:
                return


def measure(chunks: Iterator[bytes]) -> tuple[float, int]:
    """CPU seconds in the scanner, which a busy machine does not stretch; findings."""
    scanner, seconds, findings = Scanner(TOKEN), 0.0, 0
    for chunk in chunks:
        begin = time.process_time()
        findings += len(scanner.feed(chunk))
        seconds += time.process_time() - begin
    begin = time.process_time()
    findings += len(scanner.close())
    return seconds + time.process_time() - begin, findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=200, help="size of each log in MiB")
    mib: int = parser.parse_args().mib
    seconds: dict[str, float] = {}
    print(f"{'log of ' + str(mib) + ' MiB':24} {'CPU s':>8} {'MiB/s':>8} {'findings':>9} {'peak RSS MiB':>13}")
    for name, make in CASES.items():
        seconds[name], findings = measure(make(mib << 20))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name:24} {seconds[name]:8.2f} {mib / seconds[name]:8.0f} {findings:9d} {peak:13.0f}")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({
        "mib": mib, "seconds": round(seconds["reports in every MB"], 2),
        "seconds_by_log": {name: round(value, 2) for name, value in seconds.items()}, "peak_rss_mib": round(peak_mib),
    }))


if __name__ == "__main__":
    main()
