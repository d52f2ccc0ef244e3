"""Scenario files for the tests: a right one, and a way to change it."""

from __future__ import annotations

from pathlib import Path

from lab.scenario.load import Loaded, load

HEAD = "scenario: a\nsummary: what must be true here\n"
DISK = HEAD + "backstores: {disk: {type: ramdisk, size: 1M}}\n"
DM = HEAD + "backstores: {disk: {type: iblock, size: 1M, on: {type: dm, over: brd}}}\n"
VERIFY = "  - verify: {lun: disk}\n"


def loaded(tmp_path: Path, text: str | bytes, name: str = "a.yaml") -> Loaded:
    """What loading this text as a file gives."""
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path)


def told(tmp_path: Path, text: str | bytes) -> list[str]:
    """The problems of this text, as `line:column: message`."""
    found = loaded(tmp_path, text)
    assert bool(found.problems) != bool(found.runs)
    return [str(problem).removeprefix(f"{found.path}:") for problem in found.problems]


def steps(*lines: str) -> str:
    """The steps of a file on a ramdisk called disk, line 4 being the first; ends in one that can fail."""
    return DISK + "steps:\n" + "".join(f"  - {line}\n" for line in lines) + VERIFY
