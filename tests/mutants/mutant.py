"""Drivers that are broken on purpose: patches whose header says what is broken and which scenarios should notice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "patches"
_KEYS = ("breaks", "expects", "survives")


@dataclass(frozen=True)
class Mutant:
    """One patch. `expects` are words for `lab run`, to try first; `survives`: why none can notice, "" if one must."""

    name: str
    path: Path
    breaks: str
    expects: tuple[str, ...]
    survives: str
    files: tuple[str, ...]  # below the top of the kernel tree

    @property
    def file(self) -> str:
        """The changed files as the table names them."""
        return ", ".join(Path(name).name for name in self.files)


def read_mutant(path: Path) -> Mutant:
    """ValueError for a header that lacks something or says something else."""
    header, _, diff = path.read_text().partition("\n--- ")
    said: dict[str, str] = {}
    for line in filter(None, header.splitlines()):
        key, colon, text = line.partition(": ")
        if not colon or key not in _KEYS or key in said:
            raise ValueError(f"{path.name}: {line!r} is no line of a header; those are {', '.join(_KEYS)}")
        said[key] = text.strip()
    files = tuple(dict.fromkeys(re.findall(r"^\+\+\+ b/(\S+)", diff, re.MULTILINE)))
    if not files or not said.get("breaks") or not said.get("expects"):
        raise ValueError(f"{path.name}: a mutant has lines `breaks:` and `expects:` and a diff of a/drivers/target/...")
    return Mutant(path.stem, path, said["breaks"], tuple(said["expects"].split()), said.get("survives", ""), files)


def read_mutants(folder: Path = FOLDER) -> list[Mutant]:
    """All of a folder, by name."""
    return [read_mutant(path) for path in sorted(folder.glob("*.patch"))]


def chosen(names: list[str], folder: Path = FOLDER) -> list[Mutant]:
    """Those of these names; none named: all. ValueError for a name that there is not."""
    every = {mutant.name: mutant for mutant in read_mutants(folder)}
    if unknown := [name for name in names if name not in every]:
        raise ValueError(f"there is no mutant {unknown[0]!r} in {folder}")
    return [every[name] for name in names] if names else list(every.values())
