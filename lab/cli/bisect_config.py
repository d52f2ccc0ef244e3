"""Configurations, plugged into a bisection: which options make a scenario fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.bisect.asked import Asked
from lab.bisect.config_search import ConfigAnswer, bisect_config
from lab.bisect.journal import Journal
from lab.bisect.search import Contradiction
from lab.cli.host import say
from lab.cli.trials import VmTester
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store

JOURNAL = "options.jsonl"


def search(asked: Asked, journal: Journal, tester: VmTester, build: Callable[[Path], Kernel], store: Store) -> int:
    """Find the options, or go on with that; write the report. 0 found, 1 some cannot be told, 3 the ends are wrong."""
    good, bad = (Path(path) for path in asked.config)
    try:
        answer = bisect_config(Path(asked.tree), good, bad, build, tester, store, say, journal.directory / JOURNAL,
                               confidence=asked.confidence)
    except Contradiction as error:
        return _reported(journal, f"# No answer: {error}\n", 3)
    return _reported(journal, _text(asked, answer), 1 if answer.unsure else 0)


def _text(asked: Asked, answer: ConfigAnswer) -> str:
    return (f"# {answer}\n\nThe failure is `{answer.fingerprint}`, in {', '.join(asked.scenarios)}. {answer.tests} "
            f"configurations were looked at; the good one with these options is {answer.config}.\n")


def _reported(journal: Journal, text: str, status: int) -> int:
    (journal.directory / "report.md").write_text(text)
    print(text, end="")
    say(f"the report: {journal.directory}/report.md")
    return status
