"""Jobs of fio on a LUN's disk as cases: each is one run of fio, and passes when what fio wrote is what it reads.

A case has one job or several that run together. Without options to the contrary each is direct, by libaio, and ends
at the first block that is wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from lab.guest import fio_report, program
from lab.guest.observation import errno_name
from lab.guest.settings import spell
from lab.guest.suite import Case, Told

_DEFAULTS = {"direct": 1, "ioengine": "libaio", "verify_fatal": 1, "verify_state_save": 0}
# An engine that this fio was built without, and one that this kernel was.
_NO_ENGINE = re.compile(r"engine \S+ not loadable|engine \S+ not available|io_uring_queue_init|io_queue_init")
_WRONG = re.compile(r"^(?:\S+: )?verify\w*: .*|^\S+: (?:verify failed|got pattern).*")

Job = dict[str, Any]


def missing(given: dict[str, Any]) -> str | None:
    """Why the guest cannot run it; None when it can."""
    return None if program.which("fio") else "fio is not in the guest"


def names(given: dict[str, Any], deadline: float) -> list[str]:
    """The cases that the scenario describes."""
    return list(given["jobs"])


def run(chosen: list[str], told: Told) -> Iterator[Case]:
    """One after the other, until one does not end."""
    for name in chosen:
        case = _case(name, told.given["jobs"][name], told)
        yield case
        if case.ends == "hung":
            return


def _case(name: str, jobs: list[Job], told: Told) -> Case:
    began, file = time.monotonic(), told.work / "fio.json"
    file.unlink(missing_ok=True)
    argv = ["fio", f"--output={file}", "--output-format=json", *_words({"filename": told.disk.node, **_DEFAULTS})]
    for number, job in enumerate(jobs, 1):
        argv += [f"--name={name}" if len(jobs) == 1 else f"--name={name}-{number}", *_words(job)]
    heard = program.listen(argv, deadline=told.deadline, folder=str(told.work), stopping=told.stopping)
    said = [line for _, line in heard.lines]
    report = fio_report.parse(file.read_text(errors="replace") if file.exists() else "")
    ends, why = judged(heard.exit, said, report, jobs)
    output = [" ".join(argv), *said, report.text if report else "its report cannot be read"]
    return Case(name, ends, why, "\n".join(output), time.monotonic() - began)


def _words(options: dict[str, Any]) -> list[str]:
    return [f"--{key}={spell(value)}" for key, value in options.items()]


def judged(status: int | None, said: list[str], report: fio_report.Report | None, jobs: list[Job]) -> tuple[str, str]:
    """How a case ends and why, from fio's exit status (None: it was too slow), its words and its report."""
    if status is None:
        return "hung", ""
    if report is None:
        return "crashed", f"exit {status}, and its report cannot be read"
    first = next((line.strip() for line in said if _WRONG.search(line)), "") or \
        next((line.strip() for line in said if line.strip()), "it does not say why")
    if status or report.error:
        if _NO_ENGINE.search("\n".join(said)):
            return "skip", first
        return ("crashed" if status < 0 else "fail"), \
            f"exit {status}{f', {errno_name(report.error)}' if report.error else ''}: {first}"
    if any(_verifies(job) for job in jobs) and not report.read:
        return "fail", "fio read nothing, so nothing was verified"
    return "pass", ""


def _verifies(job: Job) -> bool:
    return job.get("verify", 0) not in (0, "0", "null", False) and spell(job.get("do_verify", 1)) != "0"
