"""Virtual machines of one kernel: booted once, checkpointed, and forked for every scenario."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.machine import checkpoint, forensics, qemu
from lab.machine.accel import Accelerator
from lab.machine.link import AgentFailed, Link, LinkLost, LinkTimeout
from lab.machine.plan import QEMU, Plan, Shape, make_plan, qemu_version
from lab.machine.qmp import QmpFailed
from lab.machine.starvation import Starvation
from lab.wire import Hello

BOOT_DEADLINE_S = 30.0  # with KVM; multiplied by the accelerator's slow-down
_RESUME_DEADLINE_S = 20.0
_LAST_WORDS_S = 5.0
_NEEDED_TO_BOOT = ("VIRTIO_BLK", "VIRTIO_PCI", "VIRTIO_CONSOLE", "EXT4_FS", "SERIAL_8250_CONSOLE")
_HELD = ("shutdown", "guest-panicked", "internal-error")
_ATTEMPTS = 2  # to make a checkpoint; then every scenario boots
Say = Callable[[str], None]
Lock = Callable[[str], contextlib.AbstractContextManager[object]]


class BootFailed(LabError):
    """The kernel did not come up: its own fault, as far as can be seen. `console` is what it printed."""

    def __init__(self, message: str, console: Path) -> None:
        super().__init__(message)
        self.console = console


class BootCrashed(BootFailed):
    """The kernel ended by itself on its way up."""


@dataclass(frozen=True)
class Parts:
    """All that a machine is made of, as files, with `identity`, a hash of the contents of all of them."""

    kernel_image: Path
    modules: Path | None
    root: Path
    module_disk: Path | None
    identity: str
    options: Mapping[str, str] | None = None  # of the kernel's configuration, without CONFIG_; None: not known


@dataclass
class Vm:
    """A running guest whose agent has answered. `origin`: "checkpoint" or "boot"; `ready_s`: seconds to get here."""

    machine: qemu.Qemu
    link: Link
    hello: Hello
    origin: str
    ready_s: float
    notes: list[str] = field(default_factory=list)

    def ended(self, *, wait_s: float = 0) -> str:
        """How QEMU ended: `running`, `exit 0`, `signal 9`; waits a bounded time for its end, so that the console
        is complete (a lost link can race with the oops that explains it)."""
        process.ended(self.machine.child, wait_s)
        return self.machine.how_it_ended()

    @property
    def starvation(self) -> Starvation:
        """How long the host keeps this guest from running."""
        return Starvation(self.machine.child.pid)

    def forensics(self, *, agent_alive: bool, core: Path | None, watch: Callable[[], None]) -> dict[str, str]:
        """What QEMU can tell of a guest that hangs, by file name, with an NMI at the end, which the kernel may not
        survive. `core`: where its memory is written to. `watch` is called between the questions, and may raise."""
        qmp, said = self.machine.qmp, []
        if not agent_alive:
            said.append(forensics.ask_by_keyboard(qmp, self.machine.console, watch))
        found = forensics.collect(qmp, watch)
        if core is not None:
            said.append(forensics.dump_core(qmp, core))
        said.append(forensics.interrupt(qmp, lambda: process.ended(self.machine.child)))
        return {**found, "asked.txt": "\n".join(said) + "\n"}

    def hold_when_dead(self) -> None:
        """From now on a kernel that ends leaves its memory and registers behind, until the guest is ended."""
        self.machine.qmp.execute("set-action", {"shutdown": "pause", "reboot": "shutdown"})

    def held(self) -> bool:
        """Whether the kernel has ended and is held."""
        try:
            return self.machine.qmp.execute("query-status", deadline_s=2).get("status") in _HELD
        except QmpFailed:
            return False

    def autopsy(self, core: Path) -> dict[str, str]:
        """What is left of a held guest: registers, stacks, its memory in `core`."""
        found = forensics.collect(self.machine.qmp, lambda: None)
        return {**found, "asked.txt": forensics.dump_core(self.machine.qmp, core) + "\n"}


@dataclass
class Engine:
    """Makes guests of one kernel. Checkpoints lie in `directory`; `boots` is for a guest that boots without one."""

    parts: Parts
    shape: Shape
    accelerator: Accelerator
    directory: Path
    boots: Path
    lock: Lock
    say: Say
    _boot_failed: tuple[str, Path] | None = None
    _crashed: list[str] = field(default_factory=list)  # boots that were tried again
    _unsaved: list[str] = field(default_factory=list)  # why no checkpoint could be made, once for each attempt

    @contextlib.contextmanager
    def guest(self, workdir: Path, *, fresh_boot: bool = False, cmdline: tuple[str, ...] = (),
              watch: Callable[[], None] = lambda: None) -> Iterator[Vm]:
        """A guest that no scenario has touched, with console.log and qemu.log in `workdir`, ended with the block.

        A fork of the checkpoint, unless `fresh_boot` or kernel parameters ask for a boot of its own. Raises BootFailed
        when the kernel does not come up, LabError when QEMU does not.
        """
        if fresh_boot or cmdline:
            with self._booted(replace(self.shape, cmdline=self.shape.cmdline + cmdline), workdir, watch) as vm:
                yield vm
            return
        saved, notes = self._checkpoint(watch)
        if saved is None:
            with self._booted(self.shape, workdir, watch) as vm:
                vm.notes.extend(notes)
                yield vm
            return
        with self._forked(saved, workdir, watch) as vm:
            vm.notes.extend(notes)
            yield vm

    def prepare(self, watch: Callable[[], None] = lambda: None) -> float | None:
        """Make the checkpoint now, if it is not there. Seconds of its boot, or None where none can be made."""
        saved, _ = self._checkpoint(watch)
        return saved.boot_s if saved else None

    def boot_console(self) -> Path | None:
        """What the kernel printed on its way to the checkpoint; None where there is none."""
        console = self.checkpoint_path / "console.log"
        return console if console.exists() else None

    @property
    def checkpoint_path(self) -> Path:
        return self.directory / self._key()[:24]

    def _key(self) -> str:
        words = [str(checkpoint.FORMAT), self.parts.identity, str(process.find(QEMU, "qemu-system-x86")),
                 qemu_version(), repr(self.shape)]
        return hashlib.sha256("\n".join(words).encode()).hexdigest()

    def _checkpoint(self, watch: Callable[[], None]) -> tuple[checkpoint.Checkpoint | None, list[str]]:
        if self._boot_failed:
            raise BootFailed(*self._boot_failed)
        key, path = self._key(), self.checkpoint_path
        saved = checkpoint.load(path, key)
        if saved:
            return saved, self._earlier()
        with self.lock(f"checkpoint-{path.name}"):
            saved = checkpoint.load(path, key)
            if saved:
                return saved, self._earlier()
            if len(self._unsaved) >= _ATTEMPTS:
                return None, [f"every scenario boots afresh, because {self._unsaved[-1]}"]
            self.say("booting once, to make the checkpoint that scenarios start from")
            try:
                self._boot_and_save(path, key, watch)
            except BootFailed as error:
                self._boot_failed = (str(error), error.console)  # a kernel that does not boot is not tried again
                raise
            except LabError as error:
                self._unsaved.append(str(error))
                self.say(f"no checkpoint: {error}")
                return None, [f"this scenario boots afresh, because {error}"]
            return checkpoint.load(path, key), self._earlier()

    def _earlier(self) -> list[str]:
        """That an attempt had to be repeated is reported."""
        return self._crashed + [f"an earlier attempt to make the checkpoint failed: {why}" for why in self._unsaved]

    def _boot_and_save(self, path: Path, key: str, watch: Callable[[], None]) -> None:
        """One boot; under emulation a second one when the first crashed, which is reported with every result.

        QEMU's emulation of several CPUs can run kernel text that another CPU is patching: an int3 that is not the
        kernel's fault, seen in one of some hundred boots of 6.12.
        """
        try:
            checkpoint.make(path, lambda inner: self._make_checkpoint(inner, key, watch))
        except BootCrashed as error:
            if self.accelerator.name != "tcg":
                raise
            self.say(f"{error}; under emulation that is tried once more")
            checkpoint.make(path, lambda inner: self._make_checkpoint(inner, key, watch))
            self._crashed.append(f"the first boot of this kernel crashed and the second came up; see {error.console}")

    def _make_checkpoint(self, directory: Path, key: str, watch: Callable[[], None]) -> None:
        kept = self.directory / f"boot-failed-{key[:24]}.log"
        with _kept_console(directory / "console.log", kept):
            plan = self._plan(directory / "initrd", self.shape)
            started = time.monotonic()
            with qemu.start(plan, memory=directory / "ram", memory_mib=self.shape.memory_mib, shared=True,
                            console=directory / "console.log", log=directory / "qemu.log") as machine:
                self._wait_for_agent(machine, watch)
                final = replace(plan, argv=tuple(
                    a.replace(str(directory), str(self.checkpoint_path)) for a in plan.argv))
                checkpoint.save(machine, directory, final, key=key, boot_s=time.monotonic() - started,
                                deadline_s=_RESUME_DEADLINE_S)

    @contextlib.contextmanager
    def _booted(self, shape: Shape, workdir: Path, watch: Callable[[], None]) -> Iterator[Vm]:
        self.boots.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="boot-", dir=self.boots) as tmp:
            plan = self._plan(Path(tmp) / "initrd", shape)
            started = time.monotonic()
            with qemu.start(plan, memory=Path(tmp) / "ram", memory_mib=shape.memory_mib, shared=False,
                            console=workdir / "console.log", log=workdir / "qemu.log") as machine:
                link, hello = self._wait_for_agent(machine, watch)
                yield Vm(machine, link, hello, "boot", time.monotonic() - started)

    @contextlib.contextmanager
    def _forked(self, saved: checkpoint.Checkpoint, workdir: Path, watch: Callable[[], None]) -> Iterator[Vm]:
        started = time.monotonic()
        with qemu.start(saved.plan, memory=saved.memory, memory_mib=self.shape.memory_mib, shared=False,
                        console=workdir / "console.log", log=workdir / "qemu.log", incoming=True) as machine:
            try:
                checkpoint.resume(machine, saved, deadline_s=_RESUME_DEADLINE_S)
                link = Link(machine.agent, watch)
                hello = link.hello(deadline_s=_RESUME_DEADLINE_S * self.shape.slowdown)
            except (QmpFailed, LinkLost, LinkTimeout, AgentFailed) as error:
                checkpoint.discard(saved.path)  # whatever is wrong with it, the next guest gets a new one
                raise LabError(f"a guest did not resume from its checkpoint ({error}); the checkpoint was removed, "
                               f"the next guest gets a new one; QEMU: {machine.last_words()}") from error
            yield Vm(machine, link, hello, "checkpoint", time.monotonic() - started)

    def _plan(self, initramfs: Path, shape: Shape) -> Plan:
        parts = self.parts
        return make_plan(parts.kernel_image, parts.modules, parts.root, parts.module_disk, initramfs, shape)

    def _wait_for_agent(self, machine: qemu.Qemu, watch: Callable[[], None]) -> tuple[Link, Hello]:
        link = Link(machine.agent, watch)
        deadline_s, starvation = BOOT_DEADLINE_S * self.shape.slowdown, Starvation(machine.child.pid)
        try:
            # Twice the time at most, however busy the host is.
            return link, link.hello(deadline_s=deadline_s,
                                    extension_s=lambda: min(starvation.since({}), deadline_s))
        except LinkTimeout:
            why = f"the kernel did not come up within {deadline_s:g} s{self._hint()}"
            raise BootFailed(why, machine.console) from None
        except LinkLost:
            process.ended(machine.child, _LAST_WORDS_S)
            how = f"QEMU: {machine.how_it_ended()}, {machine.last_words()}"
            if machine.how_it_ended() != "exit 0":  # only that is a guest's own end
                raise LabError(f"QEMU itself ended while the kernel booted ({how}); signal 9 is somebody's kill or "
                               f"the host's want of memory, signal 7 a full disk under {self.directory}") from None
            raise BootCrashed(f"the kernel ended before it came up ({how}){self._hint()}", machine.console) from None


    def _hint(self) -> str:
        if self.parts.options is not None:
            lacks = [option for option in _NEEDED_TO_BOOT if self.parts.options.get(option) not in ("y", "m")]
            return f"; to boot here its configuration lacks {_listed(lacks)}" if lacks else ""
        if self.parts.modules:
            return ""
        return ("; no modules of it are known (give them as IMAGE:MODULES), so what it needs to boot must be built in: "
                + _listed(_NEEDED_TO_BOOT))


def _listed(options: Iterable[str]) -> str:
    return ", ".join(f"CONFIG_{option}" for option in options)


@contextlib.contextmanager
def _kept_console(console: Path, kept: Path) -> Iterator[None]:
    """When a boot fails, its console outlives the temporary directory that it was made in."""
    try:
        yield
    except BootFailed as error:
        kept.write_bytes(console.read_bytes() if console.exists() else b"")
        raise type(error)(str(error), kept) from error
