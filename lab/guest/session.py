"""One scenario in the guest: its objects, its log, its background steps. All drivers work on it."""

from __future__ import annotations

import contextlib
import functools
import gzip
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.guest import allocations, clock, configfs, disks, modules, program, suite_list
from lab.guest.allocations import Allocations
from lab.guest.backing import Maker
from lab.guest.blockdev import Workshop
from lab.guest.disks import Disk
from lab.guest.injection import Undo, lacking
from lab.guest.kmsg import KernelLog
from lab.guest.ledger import Ledger
from lab.guest.lio import Backstore, Configuration, Target, plugin
from lab.guest.observation import Observation, Refused, Skip, errno_name
from lab.guest.outstanding import outstanding

TARGET_ROOT = Path("/sys/kernel/config/target")
_WORK = Path("/tmp/lab")
_LEDGER_BLOCKS = 1 << 24  # 8 bytes of the guest's memory for each


@dataclass
class Background:
    """A step that runs beside the others."""

    thread: threading.Thread
    word: str
    result: Observation | None = None
    crash: Exception | None = None


@dataclass
class Session:
    """What `setup` made. `deadline` values everywhere are on clock.now()."""

    scenario: dict[str, Any]
    token: str
    seed: int
    root: Path = TARGET_ROOT
    work: Path = _WORK
    log: KernelLog = field(default_factory=KernelLog)
    backstores: dict[str, Backstore] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    background: dict[str, Background] = field(default_factory=dict)
    accounts: dict[str, Any] = field(default_factory=dict)
    unload: list[str] = field(default_factory=list)
    faults: dict[tuple[str, str | None], Undo] = field(default_factory=dict)
    allocations: Allocations = field(default_factory=Allocations)
    stopping: threading.Event = field(default_factory=threading.Event)
    configuration: Configuration = field(init=False)

    def __post_init__(self) -> None:
        self.configuration = Configuration(self.root)

    # -- setup ---------------------------------------------------------------------------------------------

    def setup(self, deadline: float) -> None:
        """Make everything that the scenario describes. Raises Skip, Refused or OSError; teardown undoes the rest."""
        self._check_requirements(deadline)
        _make_database(self.root)
        specs: dict[str, dict[str, Any]] = self.scenario.get("backstores") or {}
        workshop = Workshop(self.work, deadline)
        self.unload = workshop.unload
        workshop.prepare(specs)
        maker = Maker(self.configuration, workshop)
        for number, (name, spec) in enumerate(specs.items()):
            backstore = Backstore(name, spec, f"core/{plugin(spec['type'])}_{number}/{name}")
            self.backstores[name] = backstore
            maker.make(backstore)
        if reasons := [*lacking(self.scenario, self.backstores), *allocations.lacking(self.scenario)]:
            raise Skip(*reasons)
        for target in _targets(self.scenario, list(specs)):
            self.targets[target.name] = target
            self.build_target(target, deadline)
        if reasons := self._absent():
            raise Skip(*reasons)

    def _absent(self) -> list[str]:
        """What this kernel does not have of the files that the scenario requires."""
        required = (self.scenario.get("requires") or {}).get("configfs") or ()
        return [f"this kernel has no {self.expand(path)}" for path in required
                if configfs.missing(self.root / self.expand(path).lstrip("/"))]

    def build_target(self, target: Target, deadline: float) -> None:
        """Target with its nexus and all its LUNs, each with its disk there."""
        self.configuration.make_target(target)
        for number, name in target.luns.items():
            self.link(target, number, self.backstore(name), deadline)

    def link(self, target: Target, number: int, backstore: Backstore, deadline: float) -> None:
        """Link a LUN and wait for its disk; without a nexus there is none to wait for."""
        before = len(self.log.messages())
        self.configuration.link(target, number, backstore)
        if target.nexus is None:
            return
        disk = disks.await_disk(f"{self.configuration.address(target)}:{number}", self.log, deadline, before)
        if target.scsi_timeout_s is not None:
            configfs.write(disk.folder / "timeout", str(max(1, round(target.scsi_timeout_s))))
        self._open_ledger(backstore, disk)

    def _open_ledger(self, backstore: Backstore, disk: Disk) -> None:
        size = disk.block_size
        if backstore.ledger is None and 0 < disk.size <= _LEDGER_BLOCKS * size:
            backstore.ledger = Ledger(backstore.name, self.seed, disk.size // size, size)

    def _check_requirements(self, deadline: float) -> None:
        requires = self.scenario.get("requires") or {}
        wanted = [*modules.ALWAYS, *_modules_of(self.scenario), *requires.get("modules", ())]
        if not self.root.is_dir():
            modules.load("target_core_mod", deadline=deadline)
        reasons = [f"module {name}: {why}" for name in dict.fromkeys(wanted)
                   if (why := modules.load(name, deadline=deadline))]
        reasons += _config_reasons(requires.get("config", ()))
        reasons += [f"program {tool} is not in the guest" for tool in requires.get("tools", ())
                    if program.which(tool) is None]
        reasons += [f"module {module} has no parameter {parameter}" for module, _, parameter in
                    (text.partition(".") for text in requires.get("parameters", ()))
                    if not modules.has_parameter(module, parameter)]
        reasons += suite_list.missing(self.scenario.get("steps") or [])
        if not reasons and not self.root.is_dir():
            reasons.append(f"{self.root} is not there: configfs is not mounted or CONFIG_TARGET_CORE is off")
        if reasons:
            raise Skip(*reasons)

    # -- names ---------------------------------------------------------------------------------------------

    def backstore(self, name: str) -> Backstore:
        if name not in self.backstores:
            raise Refused(f"there is no backstore {name!r}")
        return self.backstores[name]

    def target(self, name: str) -> Target:
        """The target of that name; `target` stands for the only one."""
        if name == "target" and name not in self.targets and len(self.targets) == 1:
            return next(iter(self.targets.values()))
        if name not in self.targets:
            raise Refused(f"there is no target {name!r}")
        return self.targets[name]

    def lun(self, reference: str) -> tuple[Target, int, Backstore]:
        """Target, LUN number and backstore of `BACKSTORE` or `TARGET/NUMBER`."""
        name, slash, number = reference.rpartition("/")
        if slash:
            target = self.target(name)
            if int(number) not in target.luns:
                raise Refused(f"target {name} has no LUN {number}", errno="ENODEV")
            return target, int(number), self.backstore(target.luns[int(number)])
        places = [(t, n) for t in self.targets.values() for n, b in t.luns.items() if b == reference]
        if not places:
            raise Refused(f"{reference} is no LUN of any target", errno="ENODEV")
        return (*places[0], self.backstore(reference))

    def disk(self, reference: str) -> Disk:
        """The SCSI device of a LUN. Raises Refused (ENODEV) when it is gone."""
        target, number, _ = self.lun(reference)
        try:
            address = self.configuration.address(target)
        except OSError as error:
            name = errno_name(error.errno)
            raise Refused(f"target {target.name} has no SCSI host: {name}", errno="ENODEV") from None
        return disks.find(f"{address}:{number}")

    def ledger(self, reference: str) -> Ledger:
        """The ledger of a LUN's backstore; its geometry is read from the disk when it is first asked for."""
        backstore = self.lun(reference)[2]
        if backstore.ledger is None:
            self._open_ledger(backstore, self.disk(reference))
        if backstore.ledger is None:
            raise Refused(f"the disk of {reference} has no blocks, or more than the {_LEDGER_BLOCKS} that can be kept "
                          "in mind; send single commands by scsi", errno="ENOSPC")
        return backstore.ledger

    def expand(self, path: str) -> str:
        """A path with {target} and {NAME} replaced by where these are in configfs."""
        def place(match: re.Match[str]) -> str:
            name = match[1]
            if name in self.backstores:
                return self.backstores[name].path
            return self.target(name).path
        return re.sub(r"\{([a-z][a-z0-9_-]*)\}", place, path)

    # -- teardown ------------------------------------------------------------------------------------------

    def teardown(self, deadline: float) -> list[str]:
        """Undo everything in reverse order, always through to the end; the problems, as sentences."""
        problems: list[str] = []
        self.stopping.set()
        for (fault, on), undo in reversed(list(self.faults.items())):
            _collect(undo, f"fault {fault}" + (f" of {on}" if on else ""), problems)
        self.faults.clear()
        for backstore in self.backstores.values():
            if backstore.handler is not None:
                action = self.root / backstore.path / "action"
                _collect(functools.partial(backstore.handler.recover, action), f"handler of {backstore.name}", problems)
        for name, step in self.background.items():
            step.thread.join(max(0.0, min(20.0, deadline - clock.now())))
            if step.thread.is_alive():
                problems.append(f"background step {name} ({step.word}) did not end")
        problems += outstanding(self.configuration, self.targets.values())
        problems += self.configuration.teardown()
        for backstore in reversed(self.backstores.values()):
            for undo in reversed(backstore.undo):
                _collect(undo, f"backstore {backstore.name}", problems)
        problems += modules.unload_ours(self.unload, deadline=clock.now() + 5)
        with contextlib.suppress(OSError):
            shutil.rmtree(self.work)
        self.log.close()
        return problems


def _collect(action: Callable[[], None], doing: str, problems: list[str]) -> None:
    try:
        action()
    except (OSError, Refused) as error:
        problems.append(f"{doing}: {error}")


def _targets(scenario: dict[str, Any], backstores: list[str]) -> list[Target]:
    given = scenario.get("targets")
    if given is None:
        given = [{"luns": dict(enumerate(backstores))}] if backstores else []
    return [Target(t.get("name", "target"), t.get("wwn", "naa.6001405000000001"), t.get("tpgt", 1),
                   t.get("nexus", "naa.6001405000000002"), {int(n): b for n, b in (t.get("luns") or {}).items()},
                   t.get("scsi_timeout")) for t in given]


def _modules_of(scenario: dict[str, Any]) -> list[str]:
    kinds: list[str | None] = []
    for spec in (scenario.get("backstores") or {}).values():
        under = spec.get("on") or {}
        over = under.get("over") or ("brd" if under.get("type") == "dm" else None)
        kinds += [spec["type"], under.get("type"), "brd" if over == "ramdisk" else over]
    # brd, scsi_debug and null_blk are loaded later, with their parameters.
    late = {"brd", "scsi_debug", "null_blk"}
    return [name for kind in kinds if kind and kind not in late for name in modules.MODULES_OF_TYPE[kind]]


def _config_reasons(options: list[str]) -> list[str]:
    if not options or not os.path.exists("/proc/config.gz"):
        return []  # the host checks against the kernel package's own config
    with gzip.open("/proc/config.gz", "rt") as file:
        on = {line.rstrip() for line in file if line.rstrip().endswith(("=y", "=m"))}
    on |= {line.partition("=")[0] for line in on}
    return [f"{option} is not so in this kernel" for option in options if option not in on]


def _make_database(root: Path) -> None:
    """PR OUT with APTPL and ALUA metadata want <dbroot>/pr and <dbroot>/alua to be there."""
    try:
        base = Path(configfs.read_text(root / "dbroot"))
    except OSError:
        base = Path("/var/target")
    for name in ("pr", "alua"):
        try:
            (base / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Refused(f"{base / name} cannot be made: {errno_name(error.errno)}") from None
