"""Flavors of a kernel: which configuration it is built with, from the fragments in kernels/config/."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import lab
from lab.errors import BuildFailed, LabError, UsageError
from lab.kernels.config import options_of

FRAGMENTS = Path(lab.__path__[0]).resolve().parent / "kernels/config"
_OPTION = re.compile(r"CONFIG_(?P<name>\w+)=(?P<value>\"[^\"]*\"|[^\s#]+)(?:\s+# optional: (?P<optional>.+))?$")
_BASE, _TARGET, _VNG, _COVERAGE = "base", "lio", "vng", "coverage"
_SHOWN = 8


@dataclass(frozen=True)
class Option:
    """One line of a fragment; `optional` says why a kernel may lack it."""

    name: str  # without CONFIG_
    value: str  # y, m, n, a number or "text" with its quotes
    optional: str = ""

    @property
    def line(self) -> str:
        return f"# CONFIG_{self.name} is not set" if self.value == "n" else f"CONFIG_{self.name}={self.value}"


@dataclass(frozen=True)
class Flavor:
    """A name for a configuration; later options replace earlier ones of the same name."""

    name: str
    options: tuple[Option, ...]

    @property
    def comfortable(self) -> bool:
        """Options on top of virtme-ng's own configuration, not of allnoconfig."""
        return self.name == _VNG

    @property
    def fragment(self) -> str:
        """All options as one fragment for Kconfig."""
        return "".join(f"{option.line}\n" for option in self.options)

    @property
    def digest(self) -> str:
        """sha256 (hex) of what decides the configuration."""
        below = f"virtme-ng {metadata.version('virtme-ng')}" if self.comfortable else "allnoconfig"
        return hashlib.sha256(f"{below}\n{self.fragment}".encode()).hexdigest()

    def make_words(self, tree: Path) -> list[str]:
        """What make is told beside the configuration: gcov for the files of drivers/target alone."""
        if self.name != _COVERAGE:
            return []
        sources = [*tree.glob("drivers/target/*.c"), *tree.glob("drivers/target/loopback/*.c")]
        return sorted(f"GCOV_PROFILE_{source.stem}.o=y" for source in sources)


def names(directory: Path = FRAGMENTS) -> list[str]:
    """All flavors: `vng`, and each fragment on top of `base`."""
    return sorted({path.stem for path in directory.glob("*.config")} - {_TARGET} | {_VNG})


def flavor(name: str, directory: Path = FRAGMENTS) -> Flavor:
    """The flavor of a name. UsageError for one that is none, or for a line of a fragment that is no option."""
    if name not in names(directory):
        near = difflib.get_close_matches(name, names(directory), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no flavor {name!r} in {directory} ({', '.join(names(directory))}){hint}")
    parts = [_TARGET] if name == _VNG else list(dict.fromkeys([_BASE, _TARGET, name]))
    merged = {option.name: option for part in parts for option in read(directory / f"{part}.config")}
    return Flavor(name, tuple(merged.values()))


def read(path: Path) -> list[Option]:
    """The options of one fragment. UsageError with the line that is none."""
    found = []
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _OPTION.match(line.strip())
        if match is None:
            raise UsageError(f"{path}:{number}: {line.strip()!r} is no option; write CONFIG_NAME=y, or n, a number or "
                             "\"text\", and `# optional: why` after it where a kernel may lack it")
        found.append(Option(match["name"], match["value"], match["optional"] or ""))
    return found


def lost(options: Sequence[Option], config: Path) -> list[Option]:
    """The options that a configuration has otherwise: Kconfig drops without a word what does not exist or depends on
    what is off."""
    have = options_of(config)
    return [o for o in options if have.get(o.name, "n") != o.value and not (o.value == "m" and have.get(o.name) == "y")]


def check(wanted: Flavor, config: Path) -> list[Option]:
    """The optional options that did not survive. BuildFailed names those that had to."""
    gone = lost(wanted.options, config)
    required = [o for o in gone if not o.optional]
    if required:
        shown = ", ".join(f"CONFIG_{o.name}={o.value}" for o in required[:_SHOWN])
        more = f" and {len(required) - _SHOWN} more" if len(required) > _SHOWN else ""
        raise BuildFailed(f"the flavor {wanted.name} cannot be configured for this tree: {shown}{more} did not survive "
                          f"olddefconfig (see {config}); the option does not exist there or lacks a dependency")
    return gone
