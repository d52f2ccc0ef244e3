"""What fio says of its jobs in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

_WAYS = ("read", "write", "trim")


@dataclass(frozen=True)
class Report:
    """The largest error number (errno) of the jobs, the bytes that they read, and a line of what they did. All are
    nothing where fio wrote no report."""

    error: int = 0
    read: int = 0
    text: str = ""


def parse(output: str) -> Report | None:
    """The report in what fio printed with --output-format=json; None where it is broken."""
    start = output.find("{")
    if start < 0:
        return Report()
    try:
        jobs = json.loads(output[start:])["jobs"]
    except (ValueError, KeyError):
        return None
    lines = [f"{way} {job[way]['io_bytes']} bytes in {job[way]['total_ios']} requests"
             for job in jobs for way in _WAYS if job.get(way, {}).get("total_ios")]
    return Report(max((int(job.get("error", 0)) for job in jobs), default=0),
                  sum(int(job.get("read", {}).get("io_bytes", 0)) for job in jobs), ", ".join(lines))
