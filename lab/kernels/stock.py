"""The shelf of unpacked stock kernels in the store, and the remembered answers to unfinished versions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.kernels.distribution import DEBIAN, Distribution
from lab.kernels.identity import content_files, signature
from lab.kernels.store import Store, silent
from lab.usage import discard, used

_DEFAULT = "default"


@dataclass(frozen=True)
class StockKernel:
    """An unpacked kernel: root/boot/vmlinuz-RELEASE, root/boot/config-RELEASE, root/lib/modules/RELEASE."""

    version: str
    release: str
    root: Path
    distribution: Distribution = DEBIAN

    @property
    def image(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def config(self) -> Path:
        return self.root / "boot" / f"config-{self.release}"

    @property
    def modules(self) -> Path:
        return self.root / "lib/modules" / self.release


class Shelf:
    """What the store holds. A kernel whose files are not as they were put there is thrown away, never used."""

    def __init__(self, store: Store, say: Callable[[str], None] = silent, distribution: Distribution = DEBIAN) -> None:
        self._store, self._say, self._of = store, say, distribution
        self._prefix = f"{distribution.name}-"
        self._memory = store.apt / "answers.json"

    def get(self, version: str) -> StockKernel | None:
        """The kernel of exactly this version, when it is there and whole."""
        root = self._place(version)
        if "/" in version or not root.is_dir():
            return None
        try:
            manifest = json.loads((root / "manifest.json").read_text())
            kernel = StockKernel(version, str(manifest["release"]), root, self._of)
            whole = signature(content_files(kernel.image, kernel.modules)) == manifest["signature"]
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            self._say(f"{self._of.title}'s kernel {version} in {root} is damaged; removing it to fetch it anew")
            discard(root)
            return None
        used(root)
        return kernel

    def put(self, version: str, unpack: Callable[[Path], str]) -> None:
        """Fill a new directory by `unpack`, which returns the release, and put it on the shelf when whole."""
        with self._store.new_directory(self._place(version)) as directory:
            release = unpack(directory)
            kernel = StockKernel(version, release, directory, self._of)
            seen = signature(content_files(kernel.image, kernel.modules))
            (directory / "manifest.json").write_text(json.dumps({"release": release, "signature": seen}))

    def versions(self) -> list[str]:
        """The versions on the shelf, whole or not, in no order."""
        return [path.name.removeprefix(self._prefix) for path in self._store.kernels.glob(f"{self._prefix}*")]

    def remembered(self, wanted: str, max_age_s: float) -> str | None:
        """The version that `wanted` meant not longer than `max_age_s` ago."""
        try:
            answer = self._answers()[wanted or _DEFAULT]
            fresh = 0 <= time.time() - float(answer["at"]) <= max_age_s  # type: ignore[arg-type]
            return str(answer["version"]) if fresh else None
        except (KeyError, TypeError, ValueError):
            return None

    def remember(self, wanted: str, version: str) -> None:
        """Keep an answer; the caller holds the apt lock."""
        answers = self._answers()
        answers[wanted or _DEFAULT] = {"version": version, "at": time.time()}
        self._store.write_text(self._memory, json.dumps(answers, indent=1))

    def _answers(self) -> dict[str, dict[str, object]]:
        try:
            loaded = json.loads(self._memory.read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _place(self, version: str) -> Path:
        return self._store.kernels / f"{self._prefix}{version}"
