"""Reading a kernel configuration file."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"^CONFIG_(\w+)=(.*)$", re.MULTILINE)


def options_of(config: Path) -> Mapping[str, str]:
    """Option without CONFIG_ -> its value as written ("y", "m", "120", '"text"'); what is off is not there."""
    stat = config.stat()
    return _read(config, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=32)
def _read(config: Path, _mtime_ns: int, _size: int) -> Mapping[str, str]:
    return dict(_LINE.findall(config.read_text(errors="replace")))


def bare(option: str) -> str:
    """CONFIG_KASAN and KASAN are the same option."""
    return option.removeprefix("CONFIG_")
