"""What is wrong in a file that a user wrote: a sentence with its place, many at once, and the nearest right word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.errors import UsageError


@dataclass(frozen=True, order=True)
class Problem:
    """One fault of a file. Line and column count from 1; line 0 is the file as a whole."""

    file: str
    line: int
    column: int
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        hint = f"; did you mean {self.suggestion!r}?" if self.suggestion is not None else ""
        return f"{place}: {self.message}{hint}"


class Problems(UsageError):
    """One or several faults of files; str() has one line for each, in the order of their places."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (p.file, p.line, p.column, p.message))
        super().__init__("\n".join(str(p) for p in self.problems))


def nearest(word: object, known: Iterable[object]) -> str | None:
    """The known word that `word` is most likely a slip of, or None when none is near."""
    by_form = {str(k).casefold().replace("-", "_"): str(k) for k in known}
    found = difflib.get_close_matches(str(word).casefold().replace("-", "_"), by_form, n=1, cutoff=0.6)
    return by_form[found[0]] if found else None


def listed(words: Sequence[str], last: str = "or") -> str:
    """Words as prose: `a`, `a or b`, `a, b or c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else "nothing"
