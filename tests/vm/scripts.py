"""Small scenario files that tests write for themselves."""

from __future__ import annotations

from pathlib import Path


def passing(folder: Path, name: str) -> Path:
    """A scenario that takes a moment and passes."""
    return _write(folder, name, ["  - run: {argv: [busybox, echo, well]}", "    expect: {text: well}"])


def sleeping(folder: Path, name: str, seconds: int = 120) -> Path:
    """A scenario that is in its second step for a long time."""
    return _write(folder, name, ["  - run: {argv: [busybox, echo, well]}", f"  - sleep: {{time: {seconds}s}}",
                                 f"    timeout: {seconds + 60}s", "    expect: {ok: true}"])


def booting(folder: Path, name: str, *cmdline: str) -> Path:
    """A passing scenario that boots afresh, with kernel parameters."""
    path = passing(folder, name)
    path.write_text(path.read_text() + f"cmdline: [{', '.join(cmdline)}]\n")
    return path


def _write(folder: Path, name: str, steps: list[str]) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text("\n".join([f"scenario: {name}", "summary: A scenario of a test of the lab itself.", "steps:",
                               *steps, ""]))
    return path
