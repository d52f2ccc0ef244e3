"""--dump-core: the memory of a guest that hangs, and of one that died, is a core that drgn opens."""

from __future__ import annotations

from pathlib import Path

import drgn
import pytest

from lab.cli.host import Ready
from tests.command import ROOT, Lab, Ran, assert_no_qemu

pytestmark = pytest.mark.vm
FOLDER = ROOT / "tests/vm/bad_luck"


@pytest.fixture(scope="module")
def ran(prepared: Ready, kernel_spec: str, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    where = tmp_path_factory.mktemp("cores")
    done = Lab(where, kernel_spec)("run", FOLDER / "hang.yaml", FOLDER / "panic.yaml", FOLDER / "good.yaml",
                                   "--dump-core", "-j", "1",
                                   patch={"lab.run.runner._GRACE_S": 1.0, "lab.run.runner._PING_S": 1.0})
    assert_no_qemu(where)
    return done


@pytest.mark.parametrize(("run_id", "begins"), [("hang", "step 2 (the write that hangs) did not end"),
                                                ("panic", "kernel panic in step 2 (the panic)")])
def test_drgn_opens_the_core(ran: Ran, prepared: Ready, run_id: str, begins: str) -> None:
    result = ran.result(run_id)
    assert result["reasons"][0]["text"].startswith(begins), "a core changes no verdict"
    core = Path(result["directory"]) / "artifacts/vmcore"
    program = drgn.Program()
    program.set_core_dump(core)
    assert program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL, "there is no VMCOREINFO in it"
    assert program["UTS_RELEASE"].string_().decode() == prepared.kernel.release
    assert core.stat().st_blocks * 512 < core.stat().st_size / 2, "it has no holes"
    assert "RIP=" in (core.parent / "registers.txt").read_text()
    core.unlink()  # half a gigabyte


def test_a_run_that_passes_leaves_no_core(ran: Ran) -> None:
    result = ran.result("good")
    assert result["outcome"] == "pass"
    assert not (Path(result["directory"]) / "artifacts").exists()
