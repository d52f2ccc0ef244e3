"""The kernel's own build system: configure and make out of tree, with progress, and what went wrong in one sentence."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import BuildFailed
from lab.kernels import flavors
from lab.kernels.build_process import build_output, build_process
from lab.kernels.flavors import Flavor, Option
from lab.kernels.identity import signature, stat_file
from lab.kernels.store import full_disk

_CONFIGURE_DEADLINE_S = 900.0
MAKE_DEADLINE_S = 4 * 3600.0
_SAY_EVERY_S = 10.0
_POLL_S = 0.2
_FIRST_ERROR = re.compile(
    r"^(?:(?P<place>\S+?:\d+)(?::\d+)?: (?:fatal )?error: (?P<error>.+)|(?P<link>.*(?:undefined reference to .+"
    r"|multiple definition of .+)|ERROR: modpost: .+|\S*ld: .+|error: .+)|(?P<make>make(?:\[\d+\])?: \*\*\* .+))$",
    re.MULTILINE)
_GIVEN_UP = re.compile(r"^make\[\d+\]: \*\*\* ", re.MULTILINE)
_COMPILED = re.compile(r"^  (?:CC|AS|LD|AR)\b", re.MULTILINE)
_KCONFIG = re.compile(r"^\t(\S+)", re.MULTILINE)
_DECIDES = re.compile(r"(MAKEFLAGS|MFLAGS|MAKELEVEL|MAKEFILES|ARCH|SUBARCH|CROSS_COMPILE|O|W|C|V|CF|CC|LD|AS"
                      r"|LOCALVERSION|(KBUILD|KCONFIG|LLVM|GCOV|KASAN)\w*|(K|HOST|USER)\w*FLAGS)$")
_NO_SPACE = "No space left on device"
# The same sources give the same objects: nothing of the time, the user or the host goes in.
_SAME = ("KBUILD_BUILD_TIMESTAMP=2000-01-01", "KBUILD_BUILD_USER=lab", "KBUILD_BUILD_HOST=lab",
         "KBUILD_BUILD_VERSION=1")


@dataclass(frozen=True)
class Kbuild:
    """make in `tree`, with objects in `objects`. `shown` is the tree as the user knows it."""

    tree: Path
    shown: Path
    objects: Path
    say: Callable[[str], None]
    variables: tuple[str, ...] = ()  # of make, for every call: kbuild configures anew when CC differs

    def configure(self, wanted: Flavor | Path, lock: int) -> Sequence[Option]:
        """Make .config, from a flavor or a complete file; the optional options that this kernel has not.

        `lock` is from `alone`. BuildFailed when a required option did not survive, or for a tree whose Kconfig is
        broken.
        """
        config = self.objects / ".config"
        if self._mark.exists() and self._mark.read_text() == (self._inputs(wanted) or "unknown"):
            return [] if isinstance(wanted, Path) else flavors.check(wanted, config)
        self._mark.unlink(missing_ok=True)
        if isinstance(wanted, Path):
            config.write_bytes(wanted.read_bytes())
            self._short("olddefconfig", lock=lock)
            return []
        fragment = self.objects / "lab.config"
        fragment.write_text(wanted.fragment)
        if wanted.comfortable:
            self._comfortable(fragment, lock)
        else:
            self._short(f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig", lock=lock)
        return flavors.check(wanted, config)

    def remember(self, wanted: Flavor | Path) -> None:
        """After a build: the same configuration of the same Kconfig files need not be made again."""
        self._mark.write_text(self._inputs(wanted))

    @property
    def _mark(self) -> Path:
        return self.objects / "lab.configured"

    def _inputs(self, wanted: Flavor | Path) -> str:
        """A hash of all that the configuration was made from; kbuild lists the files that it read. "" if unknown."""
        text = wanted.read_text() if isinstance(wanted, Path) else wanted.digest
        with contextlib.suppress(OSError):
            listed = _KCONFIG.findall((self.objects / "include/config/auto.conf.cmd").read_text())
            seen = signature(stat_file(name, self.tree / name) for name in [*listed, self.objects / ".config"])
            return hashlib.sha256("\0".join((text, seen, *self.variables)).encode()).hexdigest()
        return ""

    def make(self, *words: str, log: Path, lock: int) -> None:
        """Build image and modules; `log` keeps what make printed, `lock` is from `alone`. BuildFailed with the first
        error in it."""
        log.parent.mkdir(parents=True, exist_ok=True)
        width = len(os.sched_getaffinity(0))
        argv: list[str | Path] = ["make", "-C", self.tree, f"O={self.objects}", f"-j{width}", *_SAME, *self.variables,
                                 *words, "bzImage"]
        if "CONFIG_MODULES=y" in (self.objects / ".config").read_text():
            argv.append("modules")
        with log.open("wb") as output, build_process(argv, output=output, env=environment(), lock=lock) as child:
            self._watch(child, log)
            if child.returncode != 0:
                raise self._failed(log)

    def _watch(self, child: process.Child, log: Path) -> None:
        began = said = time.monotonic()
        self.say(f"building {self.shown} ({self.objects.name})")
        while not process.ended(child, _POLL_S):
            now = time.monotonic()
            if now - began > MAKE_DEADLINE_S:
                raise BuildFailed(f"make in {self.shown} did not end within {MAKE_DEADLINE_S:g} s; see {log}")
            if now - said >= _SAY_EVERY_S:
                said, text = now, log.read_text(errors="replace")
                if _GIVEN_UP.search(text):
                    return  # its other directories would be built to their ends first
                done = len(_COMPILED.findall(text))
                self.say(f"building {self.shown}: {done} objects, {now - began:.0f} s")

    def _short(self, *words: str, lock: int) -> None:
        done = build_output(["make", "-C", self.tree, f"O={self.objects}", *self.variables, *words], lock=lock,
                            deadline_s=_CONFIGURE_DEADLINE_S, env=environment())
        if done.returncode != 0:
            raise BuildFailed(f"{self.shown} cannot be configured: {_first(done.stderr) or done.last_words()}")

    def _comfortable(self, fragment: Path, lock: int) -> None:
        """virtme-ng's own configuration with ours on top; its program lies beside this Python's."""
        program = Path(sys.executable).with_name("virtme-configkernel")
        (self.objects / ".config").unlink(missing_ok=True)
        done = build_output([program, "--defconfig", "--custom", fragment, f"O={self.objects}", *self.variables],
                            cwd=self.tree, lock=lock, deadline_s=_CONFIGURE_DEADLINE_S, env=environment())
        if done.returncode != 0:
            raise BuildFailed(f"virtme-ng cannot configure {self.shown}: {_first(done.stderr) or done.last_words()}")

    def _failed(self, log: Path) -> Exception:
        text = log.read_text(errors="replace").replace(f"{self.tree}/", "")
        if _NO_SPACE in text:
            return full_disk(self.objects)
        return BuildFailed(f"{self.shown} does not build: {_first(text) or 'make says nothing'} (all of it: {log})")


def _first(text: str) -> str:
    """The first error of a build log: the compiler's before the linker's before make's."""
    found = list(_FIRST_ERROR.finditer(text))
    for kind in ("place", "link", "make"):
        match = next((m for m in found if m[kind]), None)
        if match is not None:
            return f"{match['place']}: {match['error']}" if kind == "place" else match[kind].strip()
    return ""


def environment() -> dict[str, str]:
    """Without what decides how a kernel is built, for a build is named by tree, configuration and compiler alone.

    Nor what the `make` that started the lab hands down to every make below it.
    """
    return {**{k: v for k, v in os.environ.items() if not _DECIDES.match(k)}, "LC_ALL": "C"}
