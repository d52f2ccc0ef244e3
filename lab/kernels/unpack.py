"""From Debian package files to a directory with boot/vmlinuz-RELEASE beside lib/modules/RELEASE."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lab import process
from lab.errors import LabError, UsageError
from lab.kernels.image import release_of

_UNPACK_DEADLINE_S = 600.0
_DEPMOD_DEADLINE_S = 300.0
_UNTAR_DEADLINE_S = 1800.0
_GRACE_S = 30.0
_WORDS = 40  # of what tar says: it names every file that it could not write


class DamagedPackage(LabError):
    """A package file that dpkg-deb cannot unpack, or that holds no kernel."""


@contextlib.contextmanager
def using_up(packages: Sequence[Path], title: str) -> Iterator[None]:
    """Package files are removed once the block has unpacked them, or when one is itself wrong (DamagedPackage).

    Whatever else breaks the block off, Ctrl-C or a full disk, keeps them: the next try need not fetch them again.
    `title` is what they are called in the sentence.
    """
    spent = True
    try:
        yield
    except DamagedPackage as error:
        raise DamagedPackage(f"{title} is damaged and was removed ({error}); run it again to fetch it anew") from None
    except BaseException:
        spent = False
        raise
    finally:
        for package in packages if spent else ():
            package.unlink(missing_ok=True)


def unpack(packages: Iterable[Path], into: Path) -> str:
    """Unpack package files, keep image, configuration and modules, and index these; returns the release.

    Raises DamagedPackage for a file that is no whole package or for packages without a kernel in them.
    """
    raw = into / "raw"
    extract(packages, raw)
    release = _arrange(raw, into)
    shutil.rmtree(raw)
    depmod(into, release)
    return release


def extract(packages: Iterable[Path], into: Path) -> None:
    """Lay out everything that the package files hold below `into`. Raises DamagedPackage, LabError for a full disk."""
    tool = process.find("dpkg-deb", "dpkg")
    for package in packages:
        done = process.run([tool, "-x", package, into], timeout_s=_UNPACK_DEADLINE_S, check=False)
        if done.returncode != 0:
            raise _why_not(package, " ".join(done.stderr.split()) or done.last_words())


def extract_some(package: Path, into: Path, patterns: Sequence[str]) -> None:
    """Lay out only what matches one of the patterns (tar's --wildcards, * matches / too). Raises DamagedPackage.

    For packages that are ten times as big as what is wanted of them. A pattern that matches nothing is no error.
    """
    into.mkdir(parents=True, exist_ok=True)
    output, entrance = os.pipe()
    with tempfile.TemporaryFile() as words, contextlib.ExitStack() as children:
        try:
            source = children.enter_context(process.start(
                [process.find("dpkg-deb", "dpkg"), "--fsys-tarfile", package], stdout=entrance, stderr=words))
            sink = children.enter_context(process.start(
                ["tar", "-x", "-C", into, "--no-same-owner", "--wildcards", *patterns], stdin=output, stderr=words,
                env={**os.environ, "LC_ALL": "C"}))
        finally:
            os.close(output)
            os.close(entrance)
        if not process.ended(sink, _UNPACK_DEADLINE_S) or not process.ended(source, _GRACE_S):
            raise LabError(f"unpacking {package.name} did not end within {_UNPACK_DEADLINE_S:g} s")
        words.seek(0)
        said = [line for line in words.read().decode(errors="replace").splitlines()
                if not line.endswith((": Not found in archive", "due to previous errors"))]
        if said or source.returncode or sink.returncode < 0:  # tar fails too where a pattern matches nothing
            raise _why_not(package, " ".join(said) or "dpkg-deb failed")


def untar(archive: Path, into: Path) -> None:
    """Lay out a tar archive that came in a package. Raises DamagedPackage, LabError for a full disk."""
    done = process.run(["tar", "-x", "-C", into, "--no-same-owner", "-f", archive], timeout_s=_UNTAR_DEADLINE_S,
                       check=False)
    if done.returncode != 0:
        raise _why_not(archive, " ".join(done.stderr.split()[-_WORDS:]) or done.last_words())


def _why_not(file: Path, words: str) -> LabError:
    """The file's fault where it cannot be read to its end either; else it is this host's: no space, no memory."""
    reader = ("dpkg-deb", "--fsys-tarfile") if file.suffix == ".deb" else ("tar", "-t", "-f")
    with process.start([*reader, file]) as child:
        whole = process.ended(child, _UNTAR_DEADLINE_S) and child.returncode == 0
    return (LabError if whole else DamagedPackage)(f"{file.name} cannot be unpacked: {words}")


def _arrange(raw: Path, into: Path) -> str:
    """Move what is wanted to its place; before 7.2 the image is in boot/, later beside the modules."""
    homes = [home for home in (raw / "lib/modules", raw / "usr/lib/modules") if home.is_dir()]
    inside = [path for home in homes for path in home.iterdir() if path.is_dir()]
    images = sorted((raw / "boot").glob("vmlinuz-*")) + [d / "vmlinuz" for d in inside if (d / "vmlinuz").exists()]
    if len(images) != 1:
        raise DamagedPackage(f"there are {len(images)} kernel images in the package, not one")
    try:
        release = release_of(images[0])
    except UsageError as error:
        raise DamagedPackage(str(error)) from None
    boot, modules = into / "boot", into / "lib/modules" / release
    boot.mkdir(parents=True)
    modules.parent.mkdir(parents=True)
    os.replace(images[0], boot / f"vmlinuz-{release}")
    for config in (raw / f"boot/config-{release}", *(d / "config" for d in inside)):
        if config.exists():
            os.replace(config, boot / f"config-{release}")
    for directory in inside:
        if directory.name == release and (directory / "kernel").is_dir():
            os.replace(directory, modules)
            return release
    raise DamagedPackage(f"the package holds the image of {release} but not its modules")


def depmod(root: Path, release: str) -> None:
    """Write modules.dep and its companions for root/lib/modules/RELEASE."""
    tool = process.find("depmod", "kmod")
    alias = root / "usr/lib"  # some builds of kmod look below /usr/lib only
    alias.parent.mkdir()
    alias.symlink_to("../lib")
    process.run([tool, "-b", root, release], timeout_s=_DEPMOD_DEADLINE_S)
    shutil.rmtree(alias.parent)
    if not (root / "lib/modules" / release / "modules.dep").exists():
        raise LabError(f"depmod wrote no modules.dep for {release} in {root}")
