"""Versions of Debian's kernel, plugged into a bisection."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator

from lab.bisect.asked import COMMAND, Asked
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.package_choice import package_subject
from lab.bisect.packages import PackageSubject
from lab.bisect.report import Texts
from lab.cli.bisect_subjects import Plug, Say
from lab.kernels.store import Store


@contextlib.contextmanager
def plug(asked: Asked, store: Store, say: Say) -> Iterator[Plug]:
    """UsageError for versions that are not there."""
    subject = package_subject(asked.good, asked.bad, store, say, find_fix=asked.find_fix,
                              among=asked.among or None)

    def name(position: int | None) -> str:
        return subject.old if position is None else subject.history.names[position]

    settled = asked.between(subject.old, subject.history.names[-1])
    yield Plug(settled, subject, name, lambda inquiry, _: texts(settled, subject, inquiry), left_out=subject.leaves_out)


def texts(asked: Asked, subject: PackageSubject, inquiry: Inquiry) -> Texts:
    """What is said of versions. The commands have the words that were typed: the id of a run chooses nothing where its
    scenario is not of the library."""
    def about(verdict: Verdict) -> str:
        same = asked.asking(inquiry.question.fingerprint) if inquiry.question else asked
        return f"```\n{subject.epilogue(verdict.positions, same)}\n```"

    def commands(verdict: Verdict | None) -> dict[str, str]:
        if verdict is None or len(verdict.positions) != 1:
            return {}
        kernel = f"debian:{subject.history.names[verdict.positions[0]]}"
        return {"To run it again": shlex.join([COMMAND, "run", *asked.scenarios, "--no-known", "-k", kernel, "--seed",
                                               str(asked.seed)])}

    return Texts(about, commands, "version", "versions that --among leaves out")
