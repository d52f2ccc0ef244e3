"""What it takes to build a module for a stock kernel: its headers, unpacked in the store, nothing installed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import BuildFailed, LabError, UsageError
from lab.kernels import debian
from lab.kernels.apt import Package
from lab.kernels.build_process import alone, build_output
from lab.kernels.companions import Wanted, fetched
from lab.kernels.identity import signature, stat_file
from lab.kernels.store import Store, full_disk_explained, silent
from lab.kernels.unpack import DamagedPackage, extract
from lab.usage import discard, hold

TYPE_INFO = "CONFIG_DEBUG_INFO_BTF_MODULES"
"""Set to "" for make: no BTF in the modules, which spares pahole."""
_BUILD_DEADLINE_S = 1800.0  # the target drivers take one minute on two busy cores
_ERROR = re.compile(r"error:|^ERROR|No rule to make target|\*\*\* ")
_ASK_DEADLINE_S = 30.0
_SENTINELS = ("Makefile", ".config", "Module.symvers", "include/generated/autoconf.h")


@dataclass(frozen=True)
class Headers:
    """Headers of a stock kernel; `make -C BUILD M=DIR modules` builds the module in DIR."""

    version: str
    release: str  # uname -r
    build: Path  # what /lib/modules/RELEASE/build would be
    compiler: str  # gcc-12: the one the kernel was built with, and the Debian package of the same name

    def check_tools(self, *, type_info: bool = True) -> None:
        """Raises MissingTool for a program that the build needs, LabError when the kernel's own tools do not run.

        `type_info`: BTF goes into each module, where the headers have the kernel's.
        """
        process.find("make", "make")
        process.find(self.compiler, self.compiler)
        if type_info and (self.build / "vmlinux").exists():
            process.find("pahole", "pahole")
        for tool in ("scripts/basic/fixdep", "scripts/mod/modpost", "tools/objtool/objtool"):
            if (self.build / tool).exists():
                self._check_runs(self.build / tool)

    @property
    def compiler_version(self) -> str:
        """What the compiler says that it is: `gcc-12 (Debian 12.2.0-14) 12.2.0`. MissingTool where it is not there."""
        done = process.run([process.find(self.compiler, self.compiler), "--version"], timeout_s=_ASK_DEADLINE_S)
        return done.stdout.partition("\n")[0]

    def _check_runs(self, tool: Path) -> None:
        """A tool of a newer Debian release may need a newer C library: then ld.so speaks."""
        done = process.run([tool], timeout_s=_ASK_DEADLINE_S, check=False)
        lines = [line for line in done.stderr.splitlines() if "not found (required by" in line
                 or "error while loading shared libraries" in line]
        if lines:
            raise LabError(f"the headers of Debian's kernel {self.version} are for a newer Debian release than this "
                           f"host's: {lines[0].removeprefix(f'{tool}: ')}")

    def make(self, directory: Path, *targets: str, settings: Mapping[str, str] | None = None,
             deadline_s: float = _BUILD_DEADLINE_S, lock: int | None = None) -> list[Path]:
        """Build the external module in `directory` (its Makefile says obj-m := NAME.o); returns the .ko files.

        `settings` are make variables; they go before what the kernel's configuration says. `lock` is from `alone` of
        a caller that has it already. However the lab ends meanwhile, no half of an object is left. Raises MissingTool,
        and BuildFailed with the first error of the compiler, file and line relative to `directory`.
        """
        settings = settings or {}
        self.check_tools(type_info=settings.get(TYPE_INFO) != "")
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        directory = directory.absolute()
        argv: list[str | Path] = ["make", f"-j{os.cpu_count() or 1}", "-C", self.build, f"M={directory}"]
        argv += [*(f"{name}={value}" for name, value in settings.items()), *(targets or ("modules",))]
        with alone(directory, silent) if lock is None else contextlib.nullcontext(lock) as held:
            done = build_output(argv, env={**environment, "LC_ALL": "C"}, lock=held, deadline_s=deadline_s)
        if done.returncode != 0:
            first = next((x for x in done.stderr.splitlines() if _ERROR.search(x)), "") or done.last_words()
            raise BuildFailed(f"the module in {directory} does not build for {self.release}: "
                              f"{first.replace(f'{directory}/', '')}")
        return sorted(directory.rglob("*.ko"))


def headers(wanted: str, store: Store, say: Callable[[str], None] = silent, *,
            etc: Path = Path("/etc/apt")) -> Headers:
    """The unpacked headers of a stock kernel; `wanted` is as in debian.fetch, which fetches the kernel itself too.

    The first time fetches 14 MB (6.1) and takes 85 MB of the store. UsageError when the archives have only the
    kernel (they drop the headers of old builds), LabError when apt fails.
    """
    if re.search(r"[\s:#$%]", str(store.root)):
        raise UsageError(f"make cannot build in the store {store.root}, for its path has a character that make "
                         "reads as its own; set LAB_STORE to another directory")
    kernel = debian.fetch(wanted, store, say, etc=etc)
    root = store.root / "headers" / f"debian-{kernel.version}"
    if found := _get(root, kernel.version):
        return found
    with store.lock(f"headers-{kernel.version}", say=say), full_disk_explained(store.root):
        if found := _get(root, kernel.version):  # another lab was faster
            return found
        discard(root)
        package = Wanted(f"linux-headers-{kernel.release}", kernel.version, _parts, "^linux-headers-[0-9].*-amd64$")
        with fetched(package, store, say, etc) as files, store.new_directory(root) as directory:
            say(f"unpacking the headers of Debian's kernel {kernel.version}")
            extract(files, directory)
            _settle(directory, kernel.release)
    if found := _get(root, kernel.version):
        return found
    raise LabError(f"the headers in {root} were damaged as they were unpacked; run it again")


def _parts(package: Package) -> Sequence[str]:
    """linux-headers-*-common and linux-kbuild-*: sources shared by the flavours, and programs."""
    return [name for name in re.findall(r"(?:^|, )([^\s,]+)", package.depends)
            if re.match(r"linux-(headers-.*-common|kbuild-.*)$", name)]


def _settle(root: Path, release: str) -> None:
    """Make the headers work where they are: their Makefile names /usr/src; all links that matter are relative."""
    build = root / "usr/src" / f"linux-headers-{release}"
    try:
        makefile = (build / "Makefile").read_text()
        compiler = re.search(r"\b(gcc(?:-\d+)?)\s*$", (build / ".kernelvariables").read_text(), re.MULTILINE)
    except OSError as error:
        raise DamagedPackage(f"there is no {error.filename} in it") from None
    if compiler is None:
        raise DamagedPackage("its .kernelvariables names no gcc")
    # Relative to the Makefile itself, so that the store may be moved.
    here = "$(realpath $(dir $(lastword $(MAKEFILE_LIST))))"
    (build / "Makefile").write_text(f"lab_src := {here}/..\n" + makefile.replace("/usr/src/", "$(lab_src)/"))
    for useless in ("lib", "usr/share", "usr/lib/modules"):
        shutil.rmtree(root / useless, ignore_errors=True)
    facts = {"release": release, "compiler": compiler[1], "signature": _signature(build)}
    (root / "manifest.json").write_text(json.dumps(facts))


def _get(root: Path, version: str) -> Headers | None:
    try:
        facts = json.loads((root / "manifest.json").read_text())
        build = root / "usr/src" / f"linux-headers-{facts['release']}"
        whole = _signature(build) == facts["signature"] and (build / "scripts/mod/modpost").exists()
        found = Headers(version, str(facts["release"]), build, str(facts["compiler"])) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if found is not None:
        hold(root)
    return found


def _signature(build: Path) -> str:
    """A few files that each build reads; somebody who cleans up the store removes all or none."""
    return signature(stat_file(name, build / name) for name in _SENTINELS)
