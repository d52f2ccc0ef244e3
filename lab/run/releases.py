"""Versions of kernel.org and ranges of them, as people write them: 6.1, <6.8, 6.12.43-6.12.62."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ONE = r"[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:-rc[0-9]+)?"
_PARTS = re.compile(r"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?(?:-rc([0-9]+))?")
_RANGE = re.compile(rf"(?:(?P<sign><=|>=|<|>) ?(?P<bound>{_ONE})|(?P<first>{_ONE})(?: ?- ?(?P<last>{_ONE}))?)")
_NAME = re.compile(r"[a-z][a-z0-9_.+*~-]*")
_FINAL = 1 << 30  # a release comes after all its candidates


@dataclass(frozen=True)
class Release:
    """One version. As a bound, 6.1 stands for all of 6.1.x and its candidates."""

    major: int
    minor: int
    patch: int | None
    candidate: int | None

    @property
    def order(self) -> tuple[int, int, int, int]:
        return self.major, self.minor, self.patch or 0, _FINAL if self.candidate is None else self.candidate

    def includes(self, other: Release) -> bool:
        """Whether `other` is this version, or one of this series."""
        if self.patch is None and self.candidate is None:
            return (self.major, self.minor) == (other.major, other.minor)
        return self.order == other.order


@dataclass(frozen=True)
class Range:
    """Versions from `first` to `last`, both included unless `open_ended`; None: no bound."""

    first: Release | None
    last: Release | None
    open_ended: bool = False

    def holds(self, release: Release) -> bool:
        """Whether a kernel of this version is meant."""
        at_end = any(end is not None and end.includes(release) for end in (self.first, self.last))
        if at_end:
            return not self.open_ended
        return ((self.first is None or self.first.order < release.order)
                and (self.last is None or release.order < self.last.order))


def parse_release(text: str) -> Release | None:
    """A version such as 6.1.192 or 6.12.0-rc3; None when it is none."""
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, candidate = (None if part is None else int(part) for part in match.groups())
    return Release(major or 0, minor or 0, patch, candidate)


def parse_kernels(text: str) -> Range | None:
    """A version or range; None for the name of a kernel. ValueError with one sentence for what is neither."""
    match = _RANGE.fullmatch(text)
    if match is None:
        if _NAME.fullmatch(text) is None:
            raise ValueError(f"expected a version (6.1), a range (<6.8, >=6.12, 6.12.43-6.12.62) or the name of a "
                             f"kernel (debian-6.1.192-2), not {text!r}")
        return None
    if match["sign"]:
        bound = parse_release(match["bound"])
        below, strict = match["sign"][0] == "<", "=" not in match["sign"]
        return Range(None, bound, strict) if below else Range(bound, None, strict)
    first, last = parse_release(match["first"]), parse_release(match["last"] or match["first"])
    if first is not None and last is not None and first.order > last.order and not last.includes(first):
        raise ValueError(f"the range {text!r} runs backwards; a Debian package is meant by debian-{text}")
    return Range(first, last)


def is_kernels(text: str) -> str:
    """The text again when it is a version, a range or a name; ValueError as `parse_kernels`."""
    parse_kernels(text)
    return text
