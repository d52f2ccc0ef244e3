"""What a search over options says: which ones, the configuration that fails, and of what it cannot be told."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Any

from lab.bisect.config_search import ConfigInquiry
from lab.bisect.config_subject import listed
from lab.bisect.report import FOUND, NO_ANSWER, RANGE, Report
from lab.errors import LabError

GOOD, FAILS = "good.config", "fails.config"


@dataclass(frozen=True)
class ConfigReport(Report):
    """report.md, bisect.json, and both configurations beside them: those in the store may be pruned."""

    inquiry: ConfigInquiry

    @property
    def kind(self) -> str:
        if self.verdict is None or self.inquiry.smallest is None:
            return NO_ANSWER
        return RANGE if self.inquiry.smallest.unsure else FOUND

    def headline(self) -> str:
        """One sentence: the options."""
        smallest, differences = self.inquiry.smallest, self.inquiry.subject.configs.differences
        if self.verdict is None or smallest is None:
            return f"No answer: {self.error}"
        made = f"{len(smallest.options)} of {len(differences)} options make the difference: {listed(smallest.options)}"
        if not smallest.unsure:
            return made
        return f"{made}; whether {listed(smallest.unsure)} is needed cannot be told"

    def data(self) -> dict[str, Any]:
        """For programs."""
        subject, smallest = self.inquiry.subject, self.inquiry.smallest
        found = self.verdict is not None and smallest is not None
        return {**super().data(),
                "options": sorted(smallest.options) if found and smallest else [],
                "unsure": sorted(smallest.unsure) if found and smallest else [],
                "differences": list(subject.configs.differences),
                "sets": {name: sorted(options) for name, options in subject.sets.items()}}

    def write(self) -> None:
        """LabError when the disk does not take them."""
        super().write()
        if self.verdict is None:
            return
        try:
            for name, position in ((GOOD, None), (FAILS, self.verdict.positions[0])):
                shutil.copyfile(self.inquiry.subject.config(position), self.directory / name)
        except OSError as error:
            raise LabError(f"cannot write the configuration to {self.directory}: {error.strerror}") from None

    def _name(self, position: int) -> str:
        return self.inquiry.subject.name(position)


def about(inquiry: ConfigInquiry) -> str:
    """The answer in Markdown: each option, and where the configuration is."""
    smallest, subject = inquiry.smallest, inquiry.subject
    assert smallest is not None
    chosen = [option for option in subject.configs.differences if option in smallest.options]
    lines = [f"- `{subject.configs.described(option)}`{_doubt(inquiry, option)}" for option in chosen]
    if len(smallest.unsure) < len(chosen):
        which = "one" if not smallest.unsure else "other one"
        lines += ["", f"Without any {which} of them the failure is gone." if len(chosen) > 1
                  else "Without it the failure is gone."]
    return "\n".join([*lines, "", (
        f"[{FAILS}](<{FAILS}>) is the good configuration with these options, and fails; [{GOOD}](<{GOOD}>) is the good "
        f"one as it was settled. Sets of options that were looked at: {len(subject.sets)}.")])


def _doubt(inquiry: ConfigInquiry, option: str) -> str:
    assert inquiry.smallest is not None
    if option not in inquiry.smallest.unsure:
        return ""
    why = inquiry.why_unsure(option)
    return f"; whether it is needed cannot be told, for a set without it gives no answer: {why}"
