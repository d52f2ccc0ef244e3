"""Imports point one way (architecture.md): a wrong arrow fails here, with its place."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOTTOM = {"wire", "t10", "errors", "process", "git", "usage", "document", "problems", "explain", "loadable"}
MAY_IMPORT = {
    "cli": {"bisect", "coverage", "run", "machine", "kernels", "scenario", "console", "report"} | BOTTOM,
    "bisect": {"run", "machine", "kernels", "scenario", "console", "report"} | BOTTOM,
    "coverage": {"run", "machine", "kernels", "report"} | BOTTOM,
    "run": {"machine", "kernels", "scenario", "console", "report"} | BOTTOM,
    "machine": {"errors", "process", "usage", "wire", "loadable"},
    "kernels": {"errors", "process", "git", "usage", "document", "problems", "explain", "loadable"},
    "scenario": {"errors", "document", "problems", "explain", "t10"},
    "console": {"errors", "wire", "process"},
    "report": {"errors", "t10"},
    "guest": {"wire", "t10"},
    "t10": set(), "wire": set(), "errors": set(), "usage": set(), "process": {"errors"},
    "git": {"errors", "process"}, "loadable": {"errors"}, "problems": {"errors"},
    "document": {"errors", "problems"}, "explain": {"problems", "errors", "document"},
}
ONLY_IN = {"subprocess": {"lab/process.py", "lab/cli/bootstrap.py"}, "yaml": {"lab/document.py"},
           "qemu": {"lab/machine/qmp.py"}, "paramiko": {"lab/machine/ssh.py"}, "junit_xml": {"lab/report/junit.py"},
           "elftools": {"lab/console/elf.py"}, "unidiff": {"lab/coverage/patch.py"}}


def room(path: Path) -> str:
    parts = path.relative_to(ROOT / "lab").parts
    return parts[0] if len(parts) > 1 else parts[0].removesuffix(".py")


def imports(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def faults(path: Path, source: str) -> list[str]:
    """Wrong arrows of one file, with their lines."""
    here, found = room(path), []
    name = str(path.relative_to(ROOT))
    for module, line in imports(source):
        top, _, rest = module.partition(".")
        if top == "lab" and rest:
            target = rest.split(".")[0]
            own_path = target == here or (here == "machine" and rest.startswith("__path__"))
            if not own_path and target not in MAY_IMPORT.get(here, set()):
                found.append(f"{name}:{line}: {here} must not import {target}")
        elif top in ONLY_IN and name not in ONLY_IN[top]:
            guest = here == "guest" and top == "subprocess"  # the guest has no lab.process
            if not guest:
                found.append(f"{name}:{line}: only {', '.join(sorted(ONLY_IN[top]))} may import {top}")
        elif here in ("guest", "t10", "wire") and top != "lab" and top not in sys.stdlib_module_names:
            found.append(f"{name}:{line}: {here} runs in the guest and may import the standard library only")
    return found


def files() -> list[Path]:
    return [p for p in sorted((ROOT / "lab").rglob("*.py")) if p.name not in ("__init__.py", "__main__.py")]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_down(path: Path) -> None:
    assert faults(path, path.read_text()) == []


def test_init_files_are_empty() -> None:
    assert [p for p in (ROOT / "lab").rglob("__init__.py") if p.read_text()] == []


@pytest.mark.parametrize(("place", "source"), [
    ("lab/machine/x.py", "from lab.scenario import types"),
    ("lab/guest/x.py", "import yaml"),
    ("lab/guest/x.py", "from lab.process import run"),
    ("lab/scenario/x.py", "import subprocess"),
    ("lab/run/x.py", "from lab.cli import main"),
    ("lab/report/x.py", "import lab.guest.agent"),
])
def test_a_wrong_arrow_is_found(place: str, source: str) -> None:
    assert len(faults(ROOT / place, source)) == 1


def test_no_command_hides_a_module_of_pythons() -> None:
    """bootstrap.py is run as a script, before anything is installed: what lies beside it is found first."""
    assert [p.name for p in (ROOT / "lab/cli").glob("*.py") if p.stem in sys.stdlib_module_names] == []


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by their names alone: of two, the second is an error of collection."""
    files = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(files) == sorted(set(files))
