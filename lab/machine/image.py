"""The guest's root file system: a small read-only ext4 image made from the host's own tools.

Nothing is downloaded and nothing needs root: the files of fio, sg3-utils, dmsetup, ... with the shared libraries
that ldd names, this very Python with its standard library, and lab.guest. `mke2fs -d` makes the image.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lab
from lab import process
from lab.errors import LabError, MissingTool
from lab.machine import blktests
from lab.machine.disk import make_ext4
from lab.usage import used

# program -> Debian package. `lab doctor` and the image read the same table.
GUEST_TOOLS = {
    "busybox": "busybox-static", "fio": "fio", "dmsetup": "dmsetup", "kmod": "kmod", "mke2fs": "e2fsprogs",
    "sg_inq": "sg3-utils", "sg_raw": "sg3-utils", "sg_reset": "sg3-utils", "sg_luns": "sg3-utils",
    "sg_readcap": "sg3-utils", "sg_persist": "sg3-utils", "sg_turs": "sg3-utils", "sg_vpd": "sg3-utils",
    "sg_map": "sg3-utils", "sg_rtpg": "sg3-utils", "sg_unmap": "sg3-utils", "sg_dd": "sg3-utils",
    "sgp_dd": "sg3-utils", "sgm_dd": "sg3-utils", "sg_xcopy": "sg3-utils",
    "ip": "iproute2", "udevadm": "udev", "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
}
# What some scenarios need and a run can do without: they are skipped where it is not there.
OPTIONAL_TOOLS = {"iscsi-test-cu": "libiscsi-bin", "ddpt": "ddpt"}
# Other names under which the guest finds one of the above.
LINKS = {"modprobe": "kmod", "rmmod": "kmod", "insmod": "kmod", "lsmod": "kmod", "depmod": "kmod", "modinfo": "kmod",
         "mkfs.ext4": "mke2fs", "sh": "busybox", "mount": "busybox", "umount": "busybox", "poweroff": "busybox",
         "sleep": "busybox", "cat": "busybox", "ls": "busybox", "ps": "busybox", "dmesg": "busybox",
         "stty": "busybox", "vi": "busybox", "less": "busybox", "grep": "busybox", "uname": "busybox",
         "ln": "busybox", "mkdir": "busybox", "rm": "busybox", "rmdir": "busybox", "echo": "busybox",
         "find": "busybox", "hexdump": "busybox", "dd": "busybox", "test": "busybox", "true": "busybox"}
# A place of its own: a host's Python may lie below a directory that the guest covers with a tmpfs.
GUEST_PYTHON = "/opt/python"
FIO_ENGINES = "/usr/lib/x86_64-linux-gnu/fio"
_UNWANTED = {"test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip", "site-packages", "dist-packages",
             "lib2to3", "pydoc_data", "distutils", "__pycache__", "venv", "xmlrpc", "curses", "dbm", "sqlite3"}
_ROOT_DIRS = ("proc", "sys", "dev", "run", "tmp", "var", "etc", "root", "lib/modules", "newroot", "mnt", "boot",
              "usr/bin", "usr/sbin")
_ETC = {"passwd": "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n",
        "group": "root:x:0:\ndisk:x:6:\nnogroup:x:65534:\n", "shells": "/bin/sh\n", "fstab": "", "mtab": "",
        "hostname": "lab\n", "nsswitch.conf": "passwd: files\ngroup: files\n"}


@dataclass(frozen=True)
class Image:
    """An image file and the hash of what went into it (hex)."""

    path: Path
    identity: str


def guest_image(images: Path, lock: Callable[[], object], say: Callable[[str], None]) -> Image:
    """The image for this host's tools, made if it is not there. `lock()` gives a context manager."""
    remembered = _remembered(images)
    if remembered:
        return remembered
    with lock():  # type: ignore[attr-defined]
        remembered = _remembered(images)
        if remembered:
            return remembered
        say("making the guest image from this host's tools")
        return _make(images)


def _remembered(images: Path) -> Image | None:
    """The image of the last manifest, when no file that went into it has changed since."""
    try:
        manifest = json.loads((images / f"manifest-{_python_tag()}.json").read_text())
        fresh = manifest["optional"] == sorted(map(str, _optional())) and \
            all(_stamp(Path(source)) == stamp for source, stamp in manifest["sources"].items())
        image = Image(images / f"guest-{manifest['identity'][:16]}.ext4", manifest["identity"])
        if not fresh or image.path.stat().st_size != manifest["size"]:
            return None
        used(image.path)
        return image
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(images: Path) -> Image:
    files = dict(sorted(_contents()))
    sources = {str(f): _stamp(f) for f in {*files.values(), *_watched_directories()}}
    recipe = [sources, sorted(map(str, files)), _ETC, LINKS, _ROOT_DIRS, GUEST_PYTHON]
    identity = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
    path = images / f"guest-{identity[:16]}.ext4"
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=images, prefix=".making-") as tmp:
        root = Path(tmp) / "root"
        _populate(root, files)
        make_ext4(root, Path(tmp) / "image", label="lab-root")
        (Path(tmp) / "image").replace(path)
        manifest = {"identity": identity, "size": path.stat().st_size, "sources": sources,
                    "optional": sorted(map(str, _optional()))}
        (Path(tmp) / "manifest").write_text(json.dumps(manifest))
        (Path(tmp) / "manifest").replace(images / f"manifest-{_python_tag()}.json")
    return Image(path, identity)


def _python_tag() -> str:
    """One manifest for each Python, each checkout of the lab and each one of blktests that share a store."""
    words = f"{sys.base_prefix} {sys.version} {lab.__path__[0]} {blktests.checkout() or ''}"
    return hashlib.sha256(words.strip().encode()).hexdigest()[:12]


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size if not path.is_dir() else 0, status.st_mtime_ns]


def _contents() -> Iterator[tuple[str, Path]]:
    """(path in the guest, file of the host) of everything but links and small configuration."""
    programs = [*(process.find(tool, package) for tool, package in GUEST_TOOLS.items()), *_optional()]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    python = Path(sys.base_prefix) / "bin" / version
    stdlib = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    library = list(_tree(stdlib))
    engines = list(Path(FIO_ENGINES).glob("fio-libaio.so"))
    binaries = [*programs, python, *engines, *(f for _, f in library if f.suffix == ".so"), *blktests.built()]
    for file in {*programs, *engines}:
        yield str(file), file
    yield f"{GUEST_PYTHON}/bin/python3", python
    yield from ((f"{GUEST_PYTHON}/lib/{version}/{name}", file) for name, file in library)
    for file in _libraries(binaries):
        # A Python outside /usr finds its libpython by a path that the guest may have covered.
        yield str(file) if file.parts[1] in ("lib", "lib64", "usr") else f"{GUEST_PYTHON}/lib/{file.name}", file
    yield from _guest_code()
    yield from blktests.files()


def _optional() -> list[Path]:
    """The optional programs that this host has."""
    found = blktests.programs()
    for tool, package in OPTIONAL_TOOLS.items():
        with contextlib.suppress(MissingTool):
            found.append(process.find(tool, package))
    return found


def _guest_code() -> Iterator[tuple[str, Path]]:
    """The part of the lab that runs in the guest, below /opt."""
    source = Path(lab.__path__[0])
    yield "/sbin/init", source / "guest" / "init.sh"
    for name in ("__init__.py", "wire.py"):
        yield f"/opt/lab/{name}", source / name
    for room in ("guest", "t10"):
        yield from ((f"/opt/lab/{room}/{f.name}", f) for f in sorted((source / room).glob("*.*")))


def _watched_directories() -> list[Path]:
    """A new file in one of these must make a new image too."""
    source = Path(lab.__path__[0])
    return [source / "guest", source / "t10", *blktests.folders()]


def _tree(stdlib: Path) -> Iterator[tuple[str, Path]]:
    for folder, names, files in os.walk(stdlib):
        names[:] = sorted(n for n in names if n not in _UNWANTED and not n.startswith("config-"))
        for name in sorted(files):
            if name.endswith((".py", ".so")):
                file = Path(folder) / name
                yield str(file.relative_to(stdlib)), file


def _libraries(binaries: Iterable[Path]) -> set[Path]:
    """The shared libraries of these ELF files, and the dynamic loader, by the paths that ldd prints."""
    # Static programs and libraries that a module of Python misses are no error: ldd exits 1 for them.
    printed = process.run(["ldd", *sorted(set(binaries))], timeout_s=60, check=False).stdout
    words = (w for line in printed.splitlines() if line[:1].isspace() for w in line.split())
    found = {Path(w) for w in words if w.startswith("/")}
    if not found:
        raise LabError("ldd names no shared libraries of the host's tools; is libc-bin installed?")
    return {f for f in found if f.exists()}


def _populate(root: Path, files: dict[str, Path]) -> None:
    for directory in _ROOT_DIRS:
        (root / directory).mkdir(parents=True, exist_ok=True)
    for merged in ("bin", "sbin", "lib", "lib64"):  # as Debian's own merged /usr
        if not (root / merged).exists() and merged != "lib":
            (root / "usr" / merged).mkdir(parents=True, exist_ok=True)
            (root / merged).symlink_to(f"usr/{merged}")
    for name, source in files.items():
        _copy(source, root / name.lstrip("/"))
    for name, program in LINKS.items():
        link = root / "usr/bin" / name
        if not os.path.lexists(link):
            link.symlink_to(process.find(program, GUEST_TOOLS[program]))
    (root / "usr/bin/python3").symlink_to(f"{GUEST_PYTHON}/bin/python3")
    # Where kernels look for it (/proc/sys/kernel/modprobe).
    (root / "usr/sbin/modprobe").symlink_to("../bin/modprobe")
    for name, text in _ETC.items():
        (root / "etc" / name).write_text(text)
    _compile(root)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        shutil.copyfile(source.resolve(), target)
        target.chmod(0o755 if os.access(source, os.X_OK) or target.name == "init" else 0o644)


def _compile(root: Path) -> None:
    """Byte code beside the sources: an emulated guest would spend seconds on compiling."""
    process.run([sys.executable, "-m", "compileall", "-q", "-s", root, "-p", "/", "--invalidation-mode",
                 "unchecked-hash", root / "opt"], timeout_s=300, check=False)
