"""Random numbers of the kernel's own, for a machine that began as a copy of another one.

Forks of a checkpoint share the state of its random number generator: what a driver decides by chance would be decided
alike in all of them, and many runs would prove no more than one.
"""

from __future__ import annotations

import contextlib
import fcntl

_RNDRESEEDCRNG = 0x5207  # include/uapi/linux/random.h: take what is in the input pool at once


def reseed(salt: bytes, device: str = "/dev/urandom") -> bool:
    """Mix `salt` into the kernel's generator and make it use that from now on; False where the kernel does not."""
    with contextlib.suppress(OSError), open(device, "wb", buffering=0) as generator:
        generator.write(salt)
        fcntl.ioctl(generator, _RNDRESEEDCRNG)
        return True
    return False
