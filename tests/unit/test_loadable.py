"""Which modules of a kernel a guest can load."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.loadable import canonical, loadable

DEP = """kernel/drivers/target/target_core_mod.ko: kernel/drivers/scsi/scsi_mod.ko.xz kernel/fs/configfs/configfs.ko.xz
kernel/drivers/scsi/scsi_mod.ko.xz:
kernel/fs/configfs/configfs.ko.xz:
kernel/drivers/md/dm-mod.ko.zst:
kernel/drivers/gpu/drm/nouveau/nouveau.ko.xz: kernel/drivers/gpu/drm/ttm/ttm.ko.xz
kernel/drivers/gpu/drm/ttm/ttm.ko.xz:
kernel/lib/math/cordic.ko.xz:
extra/labcrash.ko:
"""


def test_what_scenarios_may_ask_for_and_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(DEP)
    found = {canonical(name) for name in loadable(tmp_path)}
    assert found == {"target_core_mod", "scsi_mod", "configfs", "dm_mod", "labcrash"}
    assert {canonical(name) for name in loadable(tmp_path, also=["nouveau"])} == found | {"nouveau", "ttm"}


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"modules\.dep cannot be read \(No such file or directory\); run depmod for it"):
        loadable(tmp_path)
