"""Prints the kernel log as it grows, as a console shows it: `python3 -m lab.guest.follow`. Ends with its reader.

For machines whose console is out of reach; dmesg --follow is not the same everywhere.
"""

from __future__ import annotations

import contextlib
import os
import sys

from lab.guest.kmsg import DEVICE


def main() -> None:
    """From now on; messages that were overwritten before they were read are missed."""
    fd = os.open(DEVICE, os.O_RDONLY)
    os.lseek(fd, 0, os.SEEK_END)
    while True:
        with contextlib.suppress(BrokenPipeError):  # EPIPE of /dev/kmsg: records were overwritten
            record = os.read(fd, 16384)
            os.write(1, console_line(record))


def console_line(record: bytes) -> bytes:
    """`6,339,5140900,-;text` as `<6>[    5.140900] text` (Documentation/ABI/testing/dev-kmsg); the caller id is kept.

    The first number shows what user space wrote; a console lacks it. The lab's marks are to look as they do there.
    """
    head, _, text = record.partition(b";")
    fields = head.split(b",")
    microseconds = int(fields[2])
    caller = next((f[7:] for f in fields if f.startswith(b"caller=")), b"")
    who = b"[%6s] " % caller if caller else b" "
    level = b"" if text.startswith(b"lab: ") else b"<%s>" % fields[0]
    stamp = b"%s[%5d.%06d]%s" % (level, microseconds // 10**6, microseconds % 10**6, who)
    return stamp + text.partition(b"\n")[0] + b"\n"


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)
