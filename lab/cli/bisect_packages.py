"""Versions of Debian's kernel, plugged into a bisection."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.bisect.asked import COMMAND, Asked
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.journal import Journal
from lab.bisect.packages import package_subject
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

    def texts(inquiry: Inquiry, journal: Journal) -> Texts:
        def commands(verdict: Verdict | None) -> dict[str, str]:
            if verdict is None or len(verdict.positions) != 1 or inquiry.question is None:
                return {}
            kernel, words = name(verdict.positions[0]), " ".join(f"'{i}'" for i in inquiry.question.ids)
            return {"To run it again": f"{COMMAND} run {words} --no-known -k debian:{kernel}"}

        return Texts(lambda verdict: f"```\n{subject.epilogue(verdict.positions)}\n```", commands, "version")

    yield Plug(asked.between(subject.old, subject.history.names[-1]), subject, name, texts)
