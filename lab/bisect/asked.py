"""What the user asked a bisection for: the journal keeps it, a resumption reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from lab.errors import UsageError

COMMAND = ".venv/bin/lab"  # as in all commands that are printed to be pasted


@dataclass(frozen=True)
class Asked:
    """The options of `lab bisect`, as they were typed; `tree` is absolute."""

    tree: str = ""
    good: str = ""
    bad: str = ""
    packages: bool = False
    modules_of: str = ""
    flavor: str = "base"
    paths: tuple[str, ...] = ()
    find_fix: bool = False
    fingerprint: str = ""
    any_failure: bool = False
    confidence: float = 0.99
    patience: int = 30
    seed: int = 1
    scenarios: tuple[str, ...] = ()
    among: tuple[str, ...] = ()  # patterns: only versions that match one
    config: tuple[str, ...] = ()  # a good and a bad configuration file
    basis: Mapping[str, str] = field(default_factory=dict)  # what its kernels are made of beside, see basis.py

    @staticmethod
    def of(parameters: Mapping[str, Any]) -> Asked:
        """From a journal. UsageError when it is of another lab."""
        known = {one.name for one in fields(Asked)}
        if set(parameters) - known:
            raise UsageError(f"the journal has options that this lab does not know: {sorted(set(parameters) - known)}")
        values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                                  for name, value in parameters.items()}
        return Asked(**values)

    def between(self, old: str, new: str) -> Asked:
        """The same with these ends: names that stay the same when branches move on."""
        return replace(self, good=new, bad=old) if self.find_fix else replace(self, good=old, bad=new)

    def asking(self, fingerprint: str) -> Asked:
        """The same about this failure. Where every failure is bad none is named."""
        return self if self.any_failure else replace(self, fingerprint=fingerprint)

    def as_json(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)

    def check(self) -> None:
        """UsageError for what cannot be before anything is looked at."""
        if self.config and (self.good or self.bad or self.packages or self.modules_of or self.find_fix):
            raise UsageError("--config GOOD BAD names the ends itself: leave --good, --bad, --packages, --modules-of "
                             "and --find-fix out")
        if self.config and (self.paths or self.among or self.flavor != "base"):
            raise UsageError("--config knows no --flavor, --among or paths: leave them out")
        if not self.config and not (self.good and self.bad):
            raise UsageError("give both ends: --good REF --bad REF")
        if not self.scenarios:
            raise UsageError("name the scenario that fails: lab bisect --tree DIR --good REF --bad REF SCENARIO")
        if self.packages == bool(self.tree):
            raise UsageError("give either --tree DIR to search commits, or --packages to search versions of Debian's "
                             "kernel")
        if self.packages and (self.paths or self.modules_of):
            raise UsageError("--packages builds nothing: leave paths and --modules-of out")
        if self.among and not self.packages:
            raise UsageError("--among chooses from the versions of --packages; paths choose from commits")
        if self.any_failure and self.fingerprint:
            raise UsageError("--any-failure and --fingerprint exclude each other")

    def words(self) -> list[str]:
        """The command line that asks for this."""
        where = ["--packages"] if self.packages else ["--tree", self.tree]
        plain = Asked()
        options = [word for name in ("modules_of", "flavor", "fingerprint", "confidence", "patience", "seed")
                   if getattr(self, name) != getattr(plain, name)
                   for word in (f"--{name.replace('_', '-')}", str(getattr(self, name)))]
        options += [word for pattern in self.among for word in ("--among", pattern)]
        flags = [*(["--find-fix"] if self.find_fix else []), *(["--any-failure"] if self.any_failure else [])]
        paths = ["--", *self.paths] if self.paths else []
        ends = ["--config", *self.config] if self.config else ["--good", self.good, "--bad", self.bad]
        return [COMMAND, "bisect", *where, *ends, *options, *flags, *self.scenarios, *paths]
