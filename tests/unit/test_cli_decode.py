"""`lab decode` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_console_decode import Built, built
from typer.testing import CliRunner

from lab.cli import main
from lab.errors import UsageError

__all__ = ["built"]  # a fixture


def log(tmp_path: Path, built: Built) -> Path:
    file = tmp_path / "console.log"
    file.write_text(f"[    1.000000] BUG: unable to handle page fault for address: 0000000000000008\n"
                    f"[    1.000001] Oops: 0000 [#1] PREEMPT SMP\n"
                    f"[    1.000002] Call Trace:\n[    1.000003]  {built.of('vfs_write').frame()}\n"
                    f"[    1.000004] ---[ end trace 0000000000000000 ]---\n")
    return file


def test_failures_are_printed_decoded(built: Built, tmp_path: Path) -> None:
    file = log(tmp_path, built)
    done = CliRunner().invoke(main.app, ["decode", str(file), "--vmlinux", str(built.vmlinux)])
    assert done.exit_code == 0 and "        vfs_write at init/main.c:" in done.output and "BUG: unable" in done.output
    whole = CliRunner().invoke(main.app, ["decode", str(file), "--vmlinux", str(built.vmlinux), "--whole"])
    assert whole.exit_code == 0 and "        vfs_write at init/main.c:" in whole.output


@pytest.mark.parametrize(("more", "says"), [
    ([], "say where the debug information is"), (["--vmlinux", "/none"], "there is no /none"),
    (["-k", "no-such-kernel"], "there is no kernel")])
def test_wrong_usage(built: Built, tmp_path: Path, more: list[str], says: str) -> None:
    done = CliRunner().invoke(main.app, ["decode", str(log(tmp_path, built)), *more])
    assert isinstance(done.exception, UsageError) and says in str(done.exception)


def test_log_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(main.app, ["decode", str(tmp_path / "x"), "--vmlinux", "/bin/true"])
    assert isinstance(done.exception, UsageError)
