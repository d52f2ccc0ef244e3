"""The identity of a kernel: a hash of its content, remembered by what stat says of its files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lab.kernels.store import Store

_CHUNK_BYTES = 1 << 20
_INDEXES = ("modules.dep", "modules.builtin")


class ContentFile(NamedTuple):
    """A file that counts, and what stat says of it. A plain tuple: a stock kernel has 4,000, looked at each time."""

    name: str  # inside the kernel, the same wherever the kernel is kept
    path: str
    size_bytes: int
    mtime_ns: int


def identity_of(image: Path, modules: Path | None, store: Store) -> str:
    """sha256 (hex) over the image, modules.dep, modules.builtin and every module file.

    The modules count too: a driver that was built again changes neither the image nor the indexes. The result
    is kept in the store; a second call only stats the files.
    """
    files = content_files(image, modules)
    seen = signature(files)
    place = hashlib.sha256(f"{image}\0{modules}".encode()).hexdigest()[:24]
    memory = store.root / "identities" / f"{place}.json"
    if (known := _recall(memory, seen)) is not None:
        return known
    value = _hash(files)
    store.write_text(memory, json.dumps({"signature": seen, "identity": value}))
    return value


def content_files(image: Path, modules: Path | None) -> list[ContentFile]:
    """Every file that the identity covers, in a fixed order. Raises OSError when the image is not there."""
    files = [stat_file("image", image)]
    if modules is not None:
        files += [stat_file(name, modules / name) for name in _INDEXES if (modules / name).is_file()]
        files += sorted(_module_files(str(modules), ""))
    return files


def stat_file(name: str, path: Path) -> ContentFile:
    """What stat says of one file."""
    stat = path.stat()
    return ContentFile(name, str(path), stat.st_size, stat.st_mtime_ns)


def signature(files: Iterable[ContentFile]) -> str:
    """A hash of names, sizes and times: equal as long as nobody wrote to one of the files."""
    lines = (f"{file.name}\0{file.size_bytes}\0{file.mtime_ns}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _module_files(directory: str, prefix: str) -> Iterator[ContentFile]:
    with os.scandir(directory) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _module_files(entry.path, name + "/")
            elif ".ko" in entry.name:
                stat = entry.stat()
                yield ContentFile(name, entry.path, stat.st_size, stat.st_mtime_ns)


def _hash(files: list[ContentFile]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{file.size_bytes}\0".encode())
        with open(file.path, "rb") as content:
            while chunk := content.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def _recall(memory: Path, seen: str) -> str | None:
    try:
        saved = json.loads(memory.read_text())
        return str(saved["identity"]) if saved["signature"] == seen else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
