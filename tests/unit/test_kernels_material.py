"""Small real things for the tests of lab/kernels: a bzImage header, modules, packages, an apt archive."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

from lab import process

CONFIG = "CONFIG_MODULES=y\nCONFIG_LOOPBACK_TARGET=m\nCONFIG_BLK_DEV_LOOP=y\n# CONFIG_KASAN is not set\nCONFIG_HZ=250\n"
MODULES = ("kernel/drivers/target/target_core_mod.ko", "kernel/drivers/target/loopback/tcm_loop.ko")


def bzimage(release: str, padding: bytes = b"") -> bytes:
    """The setup header of a bzImage; the version string lies at kernel_version + 0x200."""
    head = bytearray(0x1000)
    head[0x1FE:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, 0x800)
    text = f"{release} (builder@host) #1 SMP PREEMPT_DYNAMIC\0".encode()
    head[0xA00 : 0xA00 + len(text)] = text
    return bytes(head) + padding


def module(name: str, depends: str = "") -> bytes:
    """The smallest ELF relocatable that depmod reads: a .modinfo section and the names of sections."""
    info = f"license=GPL\0name={name}\0depends={depends}\0".encode()
    names = b"\0.modinfo\0.shstrtab\0"
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01" + bytes(9), 1, 62, 1, 0, 0,
                         64 + len(info) + len(names), 0, 64, 0, 0, 64, 3, 2)
    sections = (bytes(64)
                + struct.pack("<IIQQQQIIQQ", 1, 1, 2, 0, 64, len(info), 0, 0, 1, 0)
                + struct.pack("<IIQQQQIIQQ", 10, 3, 0, 0, 64 + len(info), len(names), 0, 0, 1, 0))
    return header + info + names + sections


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def modules_directory(home: Path, release: str) -> Path:
    """lib/modules/RELEASE as a package ships it: without modules.dep."""
    for name in MODULES:
        write(home / release / name, module(Path(name).stem))
    write(home / release / "modules.builtin", "kernel/drivers/block/loop.ko\n")
    write(home / release / "modules.builtin.modinfo", b"loop.license=GPL\0")
    write(home / release / "modules.order", "".join(f"{name}\n" for name in MODULES))
    return home / release


def built_tree(tree: Path, release: str = "6.12.0-rc3") -> Path:
    """What a build leaves, as far as the lab looks at it."""
    write(tree / "arch/x86/boot/bzImage", bzimage(release))
    write(tree / "include/config/kernel.release", f"{release}\n")
    write(tree / ".config", CONFIG)
    for name in MODULES:
        write(tree / name.removeprefix("kernel/"), module(Path(name).stem))
    write(tree / "modules.order", "".join(name.removeprefix("kernel/")[:-3] + ".o\n" for name in MODULES))
    write(tree / "modules.builtin", "kernel/drivers/block/loop.ko\n")
    return tree


def deb(out: Path, name: str, version: str, files: dict[str, bytes], depends: str = "") -> Path:
    """A real package, by dpkg-deb."""
    root = out.parent.parent / f"root-{name}-{version}"
    for inner, content in files.items():
        write(root / inner, content)
    control = [f"Package: {name}", f"Version: {version}", "Architecture: amd64", "Maintainer: Nobody <nobody@invalid>",
               "Installed-Size: 100", *([f"Depends: {depends}"] if depends else []), "Description: test"]
    write(root / "DEBIAN/control", "\n".join(control) + "\n")
    out.parent.mkdir(parents=True, exist_ok=True)
    process.run(["dpkg-deb", "--root-owner-group", "-b", root, out], timeout_s=60)
    return out


def kernel_files(release: str, prefix: str = "lib/modules", padding: bytes = b"") -> dict[str, bytes]:
    """The files of a one-part kernel package such as 6.1."""
    files = {f"boot/vmlinuz-{release}": bzimage(release, padding), f"boot/config-{release}": CONFIG.encode(),
             "usr/share/doc/big": bytes(1000),
             f"{prefix}/{release}/modules.builtin": b"kernel/drivers/block/loop.ko\n",
             f"{prefix}/{release}/modules.order": "".join(f"{m}\n" for m in MODULES).encode()}
    return files | {f"{prefix}/{release}/{m}": module(Path(m).stem) for m in MODULES}


class Archive:
    """An apt archive in a directory, with the Packages and Release files written by hand."""

    def __init__(self, root: Path, uri: str | None = None) -> None:
        self.root, self.uri = root, uri or f"file:{root}"
        self._stanzas: dict[str, list[str]] = {}
        self._count = 0

    def add(self, suite: str, name: str, version: str, files: dict[str, bytes], depends: str = "") -> Path:
        path = deb(self.root / "pool" / f"{name}_{version}_amd64.deb", name, version, files, depends)
        data = path.read_bytes()
        control = process.run(["dpkg-deb", "-f", path], timeout_s=60).stdout.strip()
        self._stanzas.setdefault(suite, []).append(
            f"{control}\nFilename: pool/{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
        self.publish(suite)
        return path

    def add_kernel(self, suite: str, release: str, version: str, padding: bytes = b"") -> Path:
        return self.add(suite, f"linux-image-{release}-amd64", version,
                        kernel_files(f"{release}-amd64", padding=padding))

    def add_default(self, suite: str, release: str, version: str) -> Path:
        return self.add(suite, "linux-image-amd64", version, {}, f"linux-image-{release}-amd64 (= {version})")

    def publish(self, suite: str) -> None:
        packages = "\n".join(self._stanzas.get(suite, [])).encode()
        index = gzip.compress(packages, mtime=0)
        home = self.root / "dists" / suite
        write(home / "main/binary-amd64/Packages.gz", index)
        lines = [(packages, "main/binary-amd64/Packages"), (index, "main/binary-amd64/Packages.gz")]
        sums = "".join(f" {hashlib.sha256(d).hexdigest()} {len(d)} {n}\n" for d, n in lines)
        self._count += 1
        write(home / "Release", f"Origin: test\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\n"
              f"Components: main\nDate: Mon, 02 Nov 2026 10:{self._count // 60:02}:{self._count % 60:02} UTC\n"
              f"SHA256:\n{sums}")

    def etc(self, directory: Path, *suites: str, trusted: bool = True) -> Path:
        """An /etc/apt that points here."""
        option = "[trusted=yes] " if trusted else ""
        write(directory / "sources.list", "".join(f"deb {option}{self.uri} {suite} main\n" for suite in suites))
        return directory


def test_depmod_reads_the_modules_made_here(tmp_path: Path) -> None:
    modules_directory(tmp_path / "lib/modules", "6.1.0-1")
    (tmp_path / "usr").symlink_to(".")
    depmod = process.find("depmod", "kmod")
    assert process.run([depmod, "-b", tmp_path, "6.1.0-1"], timeout_s=60).stderr == ""
    assert "loopback/tcm_loop.ko:" in (tmp_path / "lib/modules/6.1.0-1/modules.dep").read_text()
