"""What `lab new` and `lab import` write passes as it is on a real kernel: whoever changes it begins with green."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.host import Ready
from lab.scenario.beginnings import KINDS
from tests.command import ROOT, Lab

pytestmark = pytest.mark.vm
SAVED = ROOT / "tests/unit/saveconfig/two-fabrics.json"


def test_every_beginning_and_an_imported_configuration_pass(prepared: Ready, lab: Lab, tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.mkdir()
    for kind, (_, _, backstores) in KINDS.items():
        # The first is what who says nothing gets, the last is furthest from it.
        for backstore in {backstores[0], backstores[-1]}:
            name = f"{kind}-{backstore}"
            made = lab("new", name, "--kind", kind, "--backstore", backstore, "-o", written / f"{name}.yaml")
            assert made.status == 0, made.said
    assert lab("import", SAVED, "-o", written / "imported.yaml").status == 0
    ran = lab("run", written, "-j", "2")
    assert (ran.status, ran.wrong()) == (0, [])
    assert len(ran.all_results()) == len(list(written.iterdir()))
