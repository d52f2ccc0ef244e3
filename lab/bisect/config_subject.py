"""Sets of options as candidates: each is the good configuration with some options of the bad one, built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.bisect.basis import Basis
from lab.bisect.commits import named
from lab.bisect.configs import Configs
from lab.bisect.history import History
from lab.bisect.options import Options
from lab.bisect.subject import CannotTest
from lab.errors import BuildFailed, LabError
from lab.kernels.config import options_of
from lab.kernels.kernel import Kernel

_SHOWN = 6


@dataclass
class ConfigSubject:
    """The good configuration (None), the bad one (0), then sets of options in the order in which they are asked for.

    `build` makes a kernel of a configuration file, BuildFailed: with that one there is none. `basis`: tree, compiler,
    ends.
    """

    tree: Path
    configs: Configs
    ends: tuple[str, str]  # the good and the bad configuration, as the user calls them
    build: Callable[[Path], Kernel]
    basis: Basis
    sets: dict[str, Options] = field(default_factory=dict, init=False)  # by the name of the settled configuration

    @property
    def history(self) -> History:
        """The bad end alone: sets are no line of ancestors."""
        return History.linear((self.configs.bad.path.stem,))

    def position(self, options: Options) -> int | None:
        """Of the configuration that a set makes: sets that make the same one share it."""
        name = self.configs.merged(options).path.stem
        if name in (self.configs.good.path.stem, self.configs.bad.path.stem):
            return None if name == self.configs.good.path.stem else 0
        self.sets.setdefault(name, options)
        return list(self.sets).index(name) + 1

    def options(self, position: int) -> Options:
        """The set at a position. IndexError for one that nobody asked for."""
        return list(self.sets.values())[position - 1] if position else frozenset(self.configs.differences)

    def config(self, position: int | None) -> Path:
        """Its settled configuration file. IndexError likewise."""
        return self.configs.good.path if position is None else self.configs.merged(self.options(position)).path

    def name(self, position: int | None) -> str:
        """The configuration's name, which is its content."""
        return self.config(position).stem

    def title(self, position: int | None) -> str:
        """One line: the file of an end, the options of a set."""
        if not position:
            return self.ends[position is not None]
        options = self.options(position)
        return f"{len(options)} of {len(self.configs.differences)} options: {listed(options)}"

    def kernel(self, position: int | None, say: Callable[[str], None]) -> Kernel:
        """Build it. CannotTest when it does not build; LabError when tree or compiler are no longer what they were, or
        the kernel has other options than it was to have."""
        self.basis.check()
        config = self.config(position)
        try:
            kernel = named(self.build(config), f"config-{config.stem[:12]}")
        except BuildFailed as error:
            raise CannotTest(f"it does not build: {error}") from None
        if kernel.config is None or options_of(kernel.config) != options_of(config):
            raise LabError(f"the kernel of {config} was built with other options ({kernel.config}); make settled that "
                           "file in another way than it did before, so nobody knows what was tested")
        return kernel


def listed(options: Options) -> str:
    """The first few of them."""
    names = sorted(options)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
