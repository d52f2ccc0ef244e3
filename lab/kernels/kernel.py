"""A kernel that the lab can boot, and what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.kernels import config as kconfig
from lab.kernels import modules as kmodules
from lab.loadable import canonical


@dataclass(frozen=True)
class Kernel:
    """An image with its modules, laid out as boot/vmlinuz-RELEASE beside lib/modules/RELEASE."""

    spec: str  # what the user typed
    name: str  # stable and safe for file names: "debian-6.1.192-2", "tree-linux-6.12.0-rc3"
    release: str  # uname -r
    image: Path  # bzImage
    modules: Path | None  # .../lib/modules/RELEASE with its modules.dep; None: there is no such directory
    config: Path | None  # the configuration file, where known
    identity: str  # sha256 (hex) over image, modules.dep, modules.builtin and every module
    cmdline: str = ""  # more kernel parameters, from kernels/NAME.yaml
    package: str = ""  # version of the Debian package that it is from, "6.1.192-2"

    @property
    def hz(self) -> int | None:
        """Its ticks per second, CONFIG_HZ; None where the configuration is not known."""
        value = kconfig.options_of(self.config).get("HZ", "") if self.config else ""
        return int(value) if value.isdigit() else None

    def missing_modules(self, modules: Iterable[str]) -> list[str]:
        """One sentence for each module that is neither loadable nor built in; names its CONFIG option.

        Where neither a modules directory nor a configuration is known, nothing is called missing: the guest
        will see. Order and number follow the argument, without doubles.
        """
        wanted = dict.fromkeys(canonical(module) for module in modules)
        return [reason for module in wanted if (reason := self._why_missing(module))]

    def missing_config(self, options: Mapping[str, str] | Iterable[str]) -> list[str]:
        """One sentence for each option that is not as wanted; a bare list of names wants y or m.

        "n" wants the option off. All of them are missing where the configuration is not known.
        """
        wanted = dict(options) if isinstance(options, Mapping) else dict.fromkeys(options, "")
        if self.config is None:
            return [f"CONFIG_{kconfig.bare(option)} cannot be checked: the configuration of this kernel is not "
                    "known (no config file beside its image)" for option in wanted]
        have = kconfig.options_of(self.config)
        return [_difference(kconfig.bare(option), value, have.get(kconfig.bare(option), "n"))
                for option, value in wanted.items()
                if not _satisfied(value, have.get(kconfig.bare(option), "n"))]

    def _why_missing(self, module: str) -> str | None:
        option = kmodules.OPTIONS.get(module)
        if self.modules is not None:
            names = kmodules.names_in(self.modules)
            if module in names.loadable or module in names.built_in:
                return None
        value = self._configured(option)
        if value == "y" or (value is None and self.modules is None):
            return None
        hint = f"CONFIG_{option}=m or y" if option else "the lab does not know its CONFIG option"
        if value == "m":
            place = f"is not in {self.modules}" if self.modules else "there is no modules directory"
            return f"{module} was configured as a module (CONFIG_{option}=m) but {place}: build and give the modules"
        return f"{module} is not in this kernel: {hint}"

    def _configured(self, option: str | None) -> str | None:
        """y, m or n; None when it cannot be known."""
        if option is None or self.config is None:
            return None
        return kconfig.options_of(self.config).get(option, "n")


def _satisfied(wanted: str, have: str) -> bool:
    if wanted == "":
        return have in ("y", "m")
    return have.strip('"') == wanted.strip('"')


def _difference(option: str, wanted: str, have: str) -> str:
    is_now = "off" if have == "n" else have
    wants = {"": "m or y", "n": "it off"}.get(wanted, wanted)
    return f"CONFIG_{option} is {is_now} in this kernel, wanted: {wants}"
