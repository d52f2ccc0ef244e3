"""Which accelerator works here: probed by starting a guest with it, because /dev/kvm being there says nothing."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import process
from lab.errors import LabError
from lab.machine.plan import QEMU, qemu_version

_KVM = Path("/dev/kvm")
_PROBE_DEADLINE_S = 10  # a KVM guest needs one or two


@dataclass(frozen=True)
class Accelerator:
    """`name` is QEMU's (kvm, tcg), `why` one line for people, `slowdown` what deadlines are multiplied with."""

    name: str
    why: str

    @property
    def slowdown(self) -> float:
        return 1.0 if self.name == "kvm" else 5.0


def accelerator(kernel_image: Path, cache: Path) -> Accelerator:
    """The best accelerator of this host. The answer is remembered for this boot of the host and this QEMU."""
    version = qemu_version()
    if not _KVM.exists():
        return Accelerator("tcg", "emulation: this host has no /dev/kvm")
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return Accelerator("tcg", "emulation: /dev/kvm is not yours to open; as root: adduser USER kvm")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = f"{boot} {version} {os.getuid()}"
    try:
        remembered = json.loads(cache.read_text())
        if remembered.pop("key") == key:
            return Accelerator(**remembered)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no answer yet, or not one that can be read
    answer = _probe(kernel_image)
    cache.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({"key": key, **asdict(answer)}))
    temporary.replace(cache)
    return answer


def _probe(kernel_image: Path) -> Accelerator:
    """Boot the kernel without a root under KVM: one that panics for want of a root has come all the way."""
    argv: list[str | Path] = [
            process.find(QEMU, "qemu-system-x86"), "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "256M",
            "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", kernel_image,
            "-append", "console=ttyS0 panic=-1"]
    started = time.monotonic()
    try:
        done = process.run(argv, timeout_s=_PROBE_DEADLINE_S, check=False)
    except LabError:
        return Accelerator("tcg", f"emulation: a guest under KVM did not boot within {_PROBE_DEADLINE_S} s")
    if "Kernel panic - not syncing: VFS" in done.stdout:
        return Accelerator("kvm", f"KVM: a guest booted in {time.monotonic() - started:.1f} s")
    reason = next((x for x in done.stderr.splitlines() if x.strip()), "no output")
    return Accelerator("tcg", f"emulation: /dev/kvm opens but a guest under it fails ({reason.strip()[:80]})")
