"""An apt archive that is really signed, by a key made here."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from test_kernels_material import Archive, write

from lab import process


class Key:
    """A new key of gpg, in a home of its own."""

    def __init__(self, name: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="lab-key-"))  # gpg's socket needs a short path
        self._gpg("--quick-generate-key", f"{name} <{name}@invalid>", "rsa2048", "sign", "never")
        self.public = write(self.home / "public.gpg", b"")
        self._gpg("--yes", "-o", str(self.public), "--export")

    def sign(self, release: Path) -> None:
        self._gpg("--yes", "-o", str(release.with_name("InRelease")), "--clearsign", str(release))

    def remove(self) -> None:
        process.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], timeout_s=30, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def _gpg(self, *words: str) -> None:
        process.run(["gpg", "--homedir", str(self.home), "--batch", "--pinentry-mode", "loopback", "--passphrase", "",
                     *words], timeout_s=120)


class SignedArchive(Archive):
    """Every suite is signed by `key` each time it is published."""

    def __init__(self, root: Path, key: Key) -> None:
        super().__init__(root)
        self.key = key

    def publish(self, suite: str) -> None:
        super().publish(suite)
        self.key.sign(self.root / "dists" / suite / "Release")

    def signed_etc(self, directory: Path, *suites: str, key: Key | None = None) -> Path:
        """An /etc/apt that trusts the key (this archive's own where none is given)."""
        public = (key or self.key).public
        write(directory / "sources.list", "".join(
            f"deb [signed-by={public}] {self.uri} {suite} main\n" for suite in suites))
        return directory
