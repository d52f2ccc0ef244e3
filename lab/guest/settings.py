"""Files of sysfs and debugfs that are changed for a while and put back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.guest import configfs

Setting = tuple[Path, str]  # a file, and what is written to it


def spell(value: object) -> str:
    """A value of a scenario as the kernel's files take it: 1 for true."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def change(settings: list[Setting]) -> Callable[[], None]:
    """Write each file in order; what puts the former values back, the last one first. Raises OSError, having undone."""
    before: list[Setting] = []

    def undo() -> None:
        for path, value in reversed(before):
            configfs.write(path, value)
    try:
        for path, value in settings:
            former = configfs.read_text(path)
            configfs.write(path, value)
            before.append((path, former))
    except OSError:
        undo()
        raise
    return undo
