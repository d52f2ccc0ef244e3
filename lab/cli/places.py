"""Where the lab's own files lie: the checkout that it was installed from."""

from __future__ import annotations

from pathlib import Path

import lab
from lab.errors import LabError

ROOT = Path(lab.__path__[0]).resolve().parent
SCENARIOS = ROOT / "scenarios"
KERNELS = ROOT / "kernels"
KNOWN_BUGS = KERNELS / "known-bugs.yaml"
UNREACHABLE = KERNELS / "unreachable.yaml"
FINDINGS = ROOT / "docs/findings"
RESULTS = ROOT / "results"


def need_checkout() -> None:
    """LabError when the lab was not installed from its checkout: then there are no scenarios to run."""
    if not SCENARIOS.is_dir():
        raise LabError(f"there is no {SCENARIOS}; install the lab from its checkout with `make setup`")
