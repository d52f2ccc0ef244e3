"""What a bzImage says about itself (Documentation/arch/x86/boot.rst)."""

from __future__ import annotations

import struct
from pathlib import Path

from lab.errors import UsageError

_HDRS = 0x202  # "HdrS", the magic of the setup header
_KERNEL_VERSION = 0x20E  # u16: offset of the version string, less 0x200
_STRING_LIMIT = 256


def release_of(image: Path) -> str:
    """The release (`uname -r`) in the header of a bzImage. Raises UsageError when the file is none."""
    return _version_text(image).split()[0]


def version_of(image: Path) -> str:
    """What `uname -v` would say: `#1 SMP ... Mon Nov 2 ...`; "" when the header lacks it. Raises UsageError."""
    _, mark, version = _version_text(image).partition(" #")
    return f"#{version}".strip() if mark else ""


def _version_text(image: Path) -> str:
    try:
        with image.open("rb") as file:
            head = file.read(0x10000)
    except OSError as error:
        raise UsageError(f"cannot read the kernel image {image}: {error.strerror}") from None
    if len(head) < _KERNEL_VERSION + 2 or head[_HDRS : _HDRS + 4] != b"HdrS":
        raise UsageError(f"{image} is not an x86 bzImage (it has no setup header); "
                         "give arch/x86/boot/bzImage or a vmlinuz, not vmlinux")
    (offset,) = struct.unpack_from("<H", head, _KERNEL_VERSION)
    text = head[offset + 0x200 : offset + 0x200 + _STRING_LIMIT].split(b"\0", 1)[0]
    version = text.decode("ascii", errors="replace")
    words = version.split()
    # "6.1.0-18-amd64 (builder@host) #1 SMP ...": the release is the first word.
    if not offset or not words or "/" in words[0] or words[0].startswith("."):
        raise UsageError(f"{image} has no kernel release in its header; it is damaged or very old")
    return version
