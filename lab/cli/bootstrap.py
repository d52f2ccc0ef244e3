"""Prepares a bare machine: system packages, then the virtual environment. Run by the system's own Python.

Standard library only: nothing is installed yet when it runs. `make` calls it before everything else; when all is
there it takes some milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab.cli.packages import HOST_TOOLS, TEST_TOOLS, lacking_for_builds  # noqa: E402 - the lab is not installed yet
from lab.machine.image import GUEST_TOOLS, OPTIONAL_TOOLS  # noqa: E402

VENV = ROOT / ".venv"
_FOR_TESTS = "[test]"  # the lab's own tests build modules; running scenarios takes no compiler
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"


def main(extras: str) -> int:
    """Exit status for make: 0 when all is there."""
    if sys.version_info < (3, 11):  # noqa: UP036 - nothing has checked it yet
        return _complain(f"python3 is {sys.version.split()[0]}; the lab needs 3.11 or newer")
    packages = _lacking_packages(extras)
    if packages and not _install(packages):
        return 3
    return _make_environment(extras)


def _lacking_packages(extras: str = "") -> list[str]:
    lacking = {package for tool, package in {**GUEST_TOOLS, **HOST_TOOLS}.items() if not _has(tool)}
    if extras == _FOR_TESTS:
        lacking.update(lacking_for_builds(_has))
        lacking.update(package for tool, package in {**TEST_TOOLS, **OPTIONAL_TOOLS}.items() if not _has(tool))
    if not (VENV / "bin" / "python").exists() and not _can_make_environments():
        lacking.add("python3-venv")
    return sorted(lacking)


def _has(tool: str) -> bool:
    return shutil.which(tool, path=_PATH) is not None


def _can_make_environments() -> bool:
    """Debian's python3 has the venv module without ensurepip, which is what python3-venv brings."""
    return subprocess.run([sys.executable, "-c", "import venv, ensurepip"], capture_output=True, timeout=60,
                          check=False).returncode == 0


def _install(packages: list[str]) -> bool:
    """By apt where we may, else say the one command."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        if not _sudo_works():
            _complain("these packages are missing; type this once, then call make again:\n"
                      f"  sudo apt-get update && sudo {' '.join(command)}")
            return False
        command = ["sudo", "-n", *command]
    print(f"lab: installing {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    prefix = command[:-len(packages) - 4] if command[0] == "sudo" else []
    for argv in ([*prefix, "apt-get", "update", "-q"], command):
        done = subprocess.run(argv, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=1800, check=False)
        if done.returncode and argv is command:
            _complain(f"`{' '.join(argv)}` failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
            return False
    return True


def _sudo_works() -> bool:
    return shutil.which("sudo") is not None and subprocess.run(
        ["sudo", "-n", "true"], capture_output=True, timeout=30, check=False).returncode == 0


def _make_environment(extras: str) -> int:
    """.venv with the lab and its dependencies, made again when pyproject.toml changed."""
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / f".installed{extras}"
    full = VENV / ".installed[test]"  # has all that a smaller one has
    if any(s.exists() and s.read_text() == wanted for s in (stamp, full)) and (VENV / "bin" / "lab").exists():
        return 0
    print("lab: making .venv with the lab's dependencies", flush=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for argv in ([sys.executable, "-m", "venv", "--clear", str(VENV)], [*pip, "-e", f"{ROOT}{extras}"]):
        if argv[1:3] == ["-m", "venv"] and (VENV / "bin" / "lab").exists() and _same_python():
            continue
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=1800, check=False)
        if done.returncode:
            return _complain(f"`{' '.join(argv)}` failed, see above; then call make again")
    stamp.write_text(wanted)
    return 0


def _same_python() -> bool:
    config = (VENV / "pyvenv.cfg").read_text()
    return f"version = {sys.version.split()[0]}" in config


def _complain(text: str) -> int:
    print(f"lab: {text}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
