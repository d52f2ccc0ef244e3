"""`lab coverage` around its session: what it leaves when nothing could be run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.cli import coverage
from lab.errors import LabError
from lab.run.session import new_directory


@pytest.mark.parametrize("before", [True, False])
def test_a_session_that_did_not_begin_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      before: bool) -> None:
    """`latest` points at the session before, or is not there."""
    def lost(*_: object) -> Any:
        raise LabError("this kernel does not count")

    job = SimpleNamespace(guests=object(), plan=SimpleNamespace(
        kernel=SimpleNamespace(name="k"), environment=SimpleNamespace(slowdown=1.0)))
    monkeypatch.setattr(coverage, "resolve", lambda *_, **how: None)
    monkeypatch.setattr(coverage.build, "build_of", lambda _: None)
    monkeypatch.setattr(coverage, "vm_jobs", lambda *_: [job])
    monkeypatch.setattr(coverage.session, "baseline", lost)
    older = [new_directory(tmp_path)] if before else []
    with pytest.raises(LabError, match="does not count"):
        coverage.coverage("k", ["identity"], results=tmp_path)
    assert [path for path in tmp_path.iterdir() if path.name != "latest"] == older
    assert [(tmp_path / "latest").resolve()] == older if before else not (tmp_path / "latest").is_symlink()
