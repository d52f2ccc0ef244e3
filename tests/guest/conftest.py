"""A directory that behaves like LIO's configfs as far as the guest's code relies on it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from lab.guest import configfs


class FakeConfigfs:
    """mkdir brings attributes, rmdir takes them away; both refuse what the kernel refuses."""

    ATTRIBUTES = {
        "core/*/*": ["control", "enable", "udev_path", "wwn/vpd_unit_serial", "attrib/block_size", "attrib/emulate_tpu",
                     "alua/default_tg_pt_gp/alua_access_state"],
        "loopback": ["discovery_auth/userid"],
        "loopback/*/tpgt_*": ["nexus", "address", "transport_status"],
    }
    GROUPS = {"loopback/*/tpgt_*": ["lun", "acls"], "loopback/*/tpgt_*/lun/*": ["statistics"]}

    def __init__(self, root: Path) -> None:
        self.root = root
        self.order: list[str] = []
        self.refuse: dict[str, int] = {}
        (root / "core/alua/lu_gps").mkdir(parents=True)
        (root / "dbroot").write_text(str(root.parent / "db"))

    def mkdir(self, path: Path) -> bool:
        where = self._enter("mkdir", path)
        if path.exists():
            return False
        path.mkdir()
        for pattern, names in self.ATTRIBUTES.items():
            if Path(where).match(pattern) and where.count("/") == pattern.count("/"):
                for name in names:
                    (path / name).parent.mkdir(parents=True, exist_ok=True)
                    (path / name).write_text("")
        for pattern, names in self.GROUPS.items():
            if Path(where).match(pattern) and where.count("/") == pattern.count("/"):
                for name in names:
                    (path / name).mkdir()
        return True

    def rmdir(self, path: Path) -> None:
        where = self._enter("rmdir", path)
        if not path.exists():
            raise FileNotFoundError(errno.ENOENT, "", str(path))
        busy = [c for c in path.iterdir() if c.is_symlink()]
        if where.startswith("loopback") and where.count("/") == 2:
            busy += list((path / "lun").iterdir())
        elif where.count("/") < 2:
            busy += [c for c in path.iterdir() if c.is_dir() and c.name != "discovery_auth"]
        if where.startswith("core/") and any(os.path.realpath(x) == str(path) for x in self.root.rglob("*")
                                             if x.is_symlink()):
            raise OSError(errno.EBUSY, "", str(path))
        if busy:
            raise OSError(errno.ENOTEMPTY, "", str(path))
        shutil.rmtree(path)

    def _enter(self, verb: str, path: Path) -> str:
        where = str(path.relative_to(self.root))
        self.order.append(f"{verb} {where}")
        if number := self.refuse.get(f"{verb} {where}"):
            raise OSError(number, os.strerror(number), str(path))
        return where


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeConfigfs:
    root = tmp_path / "target"
    fake = FakeConfigfs(root)
    monkeypatch.setattr(configfs, "make", fake.mkdir)
    monkeypatch.setattr(configfs, "remove", fake.rmdir)
    return fake
