"""The QEMU command line of a guest: virtme-ng's recipe, less its ways to the host, plus the lab's own devices."""

from __future__ import annotations

import functools
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.wire import AGENT_PORT, SHELL_PORT

QEMU = "qemu-system-x86_64"
# virtme-ng boots quietly, to a terminal; the console of a test lab is a full record.
_QUIET = {"quiet", "loglevel=1"}
# A kernel with these built in makes devices at boot; a module gets parameters of its own when a scenario loads it. brd
# and scsi_debug are as most scenarios want them: others cost a boot of their own.
_BUILT_IN = ("scsi_debug.add_host=0", "scsi_debug.per_host_store=1", "scsi_debug.delay=0", "scsi_debug.lbpu=1",
             "scsi_debug.lbpws=1", "null_blk.nr_devices=0", "brd.rd_nr=2", "brd.rd_size=8192")
# A log buffer in which the agent finds every record, also when the kernel lists all tasks.
_LOUD = ("ignore_loglevel", "printk.time=1", "printk.devkmsg=on", "log_buf_len=4M", "panic=-1", "net.ifnames=0")
# What the lab's own NMI makes of a dead kernel: its last words. An emulated machine sends no other NMI; under KVM the
# performance counters do, and some of theirs are unknown ones.
_DIES_OF_NMI = "unknown_nmi_panic"


@dataclass(frozen=True)
class Shape:
    """What a machine is made of. Part of a checkpoint's identity."""

    memory_mib: int = 512
    cpus: int = 2
    accelerator: str = "tcg"
    slowdown: float = 1.0  # than a stock kernel under KVM; the kernel's own stall detectors wait longer, too
    network_port: int | None = None  # forward 127.0.0.1:PORT to the guest's sshd; for tests of the SSH link only
    cmdline: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """QEMU's argv without what differs from start to start: the console file, sockets, memory and migration."""

    argv: tuple[str, ...]
    qemu_version: str


def make_plan(kernel_image: Path, modules: Path | None, root: Path, module_disk: Path | None, initramfs: Path,
              shape: Shape) -> Plan:
    """Ask virtme-run for its plan (it writes `initramfs`) and turn it into the lab's. LabError when it refuses."""
    tool = Path(sys.executable).parent / "virtme-run"
    if not tool.exists():
        raise LabError("virtme-run is not installed beside this Python; type: make setup")
    argv: list[str | Path] = [tool, "--kimg", kernel_image, "--mods", "auto" if modules else "none",
            "--root-disk", root, "--root-fstype", "ext4", "--systemd", "--force-9p",
            "--memory", f"{shape.memory_mib}M", "--cpus", str(shape.cpus), "--user", "root",
            "--dry-run", "--show-command", "--save-initramfs", initramfs, "--force-initramfs"]
    if shape.accelerator == "tcg":
        argv.append("--disable-kvm")
    printed = process.run(argv, timeout_s=60).stdout
    line = next((x for x in printed.splitlines() if QEMU in x), None)
    if line is None:
        raise LabError(f"virtme-run printed no QEMU command: {printed.strip()[-200:] or 'nothing'}")
    return Plan(tuple(_adapt(shlex.split(line), module_disk, initramfs, shape)), qemu_version())


def qemu_version() -> str:
    """`7.2.22 (Debian ...)`; MissingTool when there is none, LabError when it is older than 6.0 (x-ignore-shared,
    -incoming defer and fd passing were used from there on)."""
    tool = process.find(QEMU, "qemu-system-x86")
    status = tool.stat()
    return _version_of(tool, status.st_size, status.st_mtime_ns)


@functools.cache
def _version_of(tool: Path, _size: int, _changed_ns: int) -> str:
    """Asked once for each file: every guest needs it, and to start QEMU for it takes 30 ms."""
    printed = process.run([tool, "--version"], timeout_s=20).stdout
    words = printed.split()
    version = " ".join(words[3:]).split("\n")[0] if len(words) > 3 else ""
    major = version.split(".")[0]
    if not major.isdigit() or int(major) < 6:
        raise LabError(f"QEMU {version or printed.strip()[:40]!r} is too old: the lab needs 6.0 or newer")
    return version.split(" Copyright")[0]


def _adapt(argv: list[str], module_disk: Path | None, initramfs: Path, shape: Shape) -> list[str]:
    pairs = _options(argv[1:])
    kept: list[tuple[str, str | None]] = []
    for option, value in pairs:
        text = value or ""
        if option == "-fsdev" or "virtio-9p" in text or "i6300esb" in text:
            continue  # a share of the host's files; a watchdog that nobody feeds
        if option in ("-chardev", "-serial", "-mon", "-echr", "-append", "-initrd", "-net", "-accel", "-cpu"):
            continue
        kept.append((option, text.replace("readonly=on", "readonly=on,file.locking=off")
                     if option == "-drive" else value))
    append = next((v for o, v in pairs if o == "-append" and v), "")
    result = [str(shutil.which(QEMU) or argv[0])]
    for option, value in kept:
        result += [option] if value is None else [option, value]
    return [*result, "-initrd", str(initramfs), "-append", kernel_cmdline(append, shape), *_devices(module_disk, shape)]


def _options(words: list[str]) -> list[tuple[str, str | None]]:
    pairs: list[tuple[str, str | None]] = []
    for word in words:
        if word.startswith("-"):
            pairs.append((word, None))
        elif pairs:
            pairs[-1] = (pairs[-1][0], word if pairs[-1][1] is None else f"{pairs[-1][1]} {word}")
    return pairs


def kernel_cmdline(virtme: str, shape: Shape) -> str:
    """virtme-ng's parameters up to its init script, which would mount shares; our image has its own /sbin/init."""
    words = virtme.split(" init=")[0].split()
    kept = [w for w in words if w not in _QUIET and not w.startswith(("virtme_", "systemd.", "TERM="))]
    ours = [*_LOUD, *([_DIES_OF_NMI] if shape.accelerator == "tcg" else []), f"lab.slowdown={round(shape.slowdown)}"]
    return " ".join([*kept, *ours, *_BUILT_IN, "init=/sbin/init", *shape.cmdline])


def _devices(module_disk: Path | None, shape: Shape) -> list[str]:
    devices = ["-no-reboot", "-nodefaults", "-no-user-config", "-cpu", "max" if shape.accelerator == "tcg" else "host",
               "-accel", shape.accelerator, "-serial", "chardev:console", "-device", "virtio-serial-pci",
               "-device", f"virtserialport,chardev=agent,name={AGENT_PORT}",
               "-device", f"virtserialport,chardev=shell,name={SHELL_PORT}",
               "-mon", "chardev=qmp,mode=control",
               # Carries out where the kernel's VMCOREINFO is: without it a core is hard to open.
               "-device", "vmcoreinfo",
               "-object", "rng-builtin,id=rng0", "-device", "virtio-rng-pci,rng=rng0"]
    if module_disk:
        devices += ["-drive", f"if=none,id=modules,file={module_disk},format=raw,readonly=on,file.locking=off",
                    "-device", "virtio-blk-pci,drive=modules"]
    if shape.network_port is None:
        return [*devices, "-nic", "none"]
    return [*devices, "-nic", f"user,model=e1000,restrict=on,hostfwd=tcp:127.0.0.1:{shape.network_port}-:22"]
