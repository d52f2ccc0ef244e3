"""`attribute` and `walk` on a plain directory: everything that was seen is said, nothing is judged."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from lab.guest import agent  # noqa: F401  (registers every driver)
from lab.guest.kmsg import KernelLog
from lab.guest.registry import carry_out
from lab.guest.session import Session


@pytest.fixture
def session(tmp_path: Path) -> Session:
    root = tmp_path / "target"
    root.mkdir()
    return Session({}, "0123456789abcdef", 7, root=root, work=tmp_path / "work", log=KernelLog("/nonexistent"))


def do(session: Session, word: str, timeout_s: float = 5.0, **arguments: object) -> dict:
    return carry_out(session, word, arguments, time.monotonic() + timeout_s)


def test_each_write_with_what_the_file_says_before_and_after(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    (session.root / "a").write_text("0\n")

    def store(path: Path, value: str) -> None:
        if value == "2":
            raise OSError(errno.EINVAL, "Invalid argument")
        path.write_text(value + "\n")

    monkeypatch.setattr("lab.guest.configfs.write", store)
    seen = do(session, "attribute", file=["a"], takes=["1"], refuses=["2"])
    assert seen == {"ok": True, "writes": [
        {"file": "a", "value": "1", "before": "0", "errno": None, "after": "1"},
        {"file": "a", "value": "2", "before": "1", "errno": "EINVAL", "after": "1"}]}


def test_a_file_that_is_not_there(session: Session) -> None:
    assert do(session, "attribute", file="x", takes=["1"], optional=True)["writes"] == [{"file": "x", "missing": True}]
    write = do(session, "attribute", file="x", takes=["1"])["writes"][0]
    assert (write["errno"], write["before"], write["after"]) == ("ENOENT", "ENOENT", "ENOENT")
    assert "not below" in do(session, "attribute", file="../x", takes=["1"])["problem"]


def test_a_walk_names_files_links_and_errors(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    (session.root / "a/b").mkdir(parents=True)
    (session.root / "a/c").mkdir()
    (session.root / "a/c/text").write_bytes(b"one\ntwo\n\0\n")
    (session.root / "a/c/refused").write_text("")
    (session.root / "a/link").symlink_to("../a/c")
    real = os.open

    def opened(path: Path, flags: int) -> int:
        if Path(path).name == "refused":
            raise OSError(errno.EACCES, "Permission denied")
        return real(path, flags)

    monkeypatch.setattr("lab.guest.configfs.os.open", opened)
    assert do(session, "walk", directory="a", files={}) == {
        "ok": True, "found": {"c/text": "one\ntwo\n\0", "c/refused": "EACCES", "link": "../a/c"}, "empty": ["b"]}
    assert do(session, "walk", directory="none", files={})["errno"] == "ENOENT"


def test_both_have_a_deadline(session: Session) -> None:
    (session.root / "a").write_text("0\n")
    assert do(session, "attribute", -1.0, file="a", takes=["1"])["errno"] == "ETIMEDOUT"
    assert do(session, "walk", -1.0, directory=".", files={})["errno"] == "ETIMEDOUT"
