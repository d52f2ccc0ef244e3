"""`lab bisect --config` around its search: on a tree of some lines that builds like a kernel."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bisect import config_subject
from lab.bisect.asked import Asked
from lab.bisect.inquiry import Verdict
from lab.bisect.journal import Journal
from lab.cli import bisect_config
from lab.cli.bisect_subjects import Plug
from lab.errors import LabError, UsageError
from lab.kernels.store import Store, silent
from tests.command import Lab as Command
from tests.unit.small_kernel import small_kernel


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    tree = small_kernel(tmp_path)
    (tmp_path / "good.config").write_text("CONFIG_A=y\n")
    (tmp_path / "bad.config").write_text("CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\n")
    return Asked(str(tree), config=(str(tmp_path / "good.config"), str(tmp_path / "bad.config")), scenarios=("s",))


def plugged(asked: Asked, tmp_path: Path) -> Plug:
    with bisect_config.plug(asked, Store(tmp_path / "store"), silent) as plug:
        return plug


def test_each_set_is_a_kernel_of_its_own(asked: Asked, tmp_path: Path) -> None:
    plug = plugged(asked, tmp_path)
    assert isinstance(plug.subject, config_subject.ConfigSubject)
    assert plug.subject.position(frozenset("B")) == 1 and plug.subject.position(frozenset()) is None
    kernels = [plug.subject.kernel(position, silent) for position in (None, 0, 1)]
    assert len({kernel.name for kernel in kernels}) == 3
    assert [kernel.name.removeprefix("config-") for kernel in kernels] == [plug.name(p)[:12] for p in (None, 0, 1)]
    assert all(kernel.spec == str(kernel.image) and kernel.image.is_file() for kernel in kernels)
    assert plug.subject.title(1) == "1 of 2 options: B" and plug.subject.title(0) == str(tmp_path / "bad.config")


def test_a_kernel_with_other_options_than_its_set_is_no_answer(asked: Asked, tmp_path: Path) -> None:
    """As when make settles a file in another way in the build than it did before."""
    plug = plugged(asked, tmp_path)
    assert isinstance(plug.subject, config_subject.ConfigSubject)
    good = plug.subject.kernel(None, silent)
    plug.subject.build = lambda config: good
    with pytest.raises(LabError, match=r"the kernel of .*\.config was built with other options"):
        plug.subject.kernel(0, silent)


def test_the_environment_decides_nothing(asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plugged(asked, tmp_path).asked.basis
    for name in ("LLVM", "CROSS_COMPILE", "KCONFIG_ALLCONFIG", "KBUILD_OUTPUT"):
        monkeypatch.setenv(name, "/nowhere")
    assert plugged(asked, tmp_path).asked.basis == before


def test_a_tree_that_changes_while_it_is_searched(asked: Asked, tmp_path: Path) -> None:
    plug, driver = plugged(asked, tmp_path), Path(asked.tree) / "drivers/driver.c"
    text = driver.read_text()
    plug.subject.kernel(0, silent)
    driver.write_text(text.replace("1", "2"))
    with pytest.raises(LabError, match=f"^the tree {asked.tree} is .* now, and was .*; put that back and resume"):
        plug.subject.kernel(None, silent)
    driver.write_text(text)
    plug.subject.kernel(None, silent)


def edit_tree(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no configuration can be settled any more: what changed is said first."""
    (Path(asked.tree) / "Makefile").write_text("olddefconfig:\n\t@false\n")


def edit_bad(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(asked.config[1]).write_text("CONFIG_A=y\nCONFIG_B=y\n")


def other_compiler(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bisect_config, "compiler", lambda: "gcc 99")


@pytest.mark.parametrize(("change", "sentence"), [
    (edit_tree, "the tree .* is .* now, and was"),
    (other_compiler, "the compiler is gcc 99 now, and was"),
    (edit_bad, "the configuration .*bad.* is .* now, and was")])
def test_what_changed_between_a_break_and_a_resumption(
        change: Callable[[Asked, pytest.MonkeyPatch], None], sentence: str, asked: Asked, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    settled = Asked.of(json.loads(json.dumps(plugged(asked, tmp_path).asked.as_json())))
    assert plugged(settled, tmp_path).asked == settled
    change(asked, monkeypatch)
    with pytest.raises(LabError, match=sentence):
        plugged(settled, tmp_path)


def test_a_place_that_is_no_tree(asked: Asked, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a kernel tree"):
        plugged(replace(asked, tree=str(tmp_path / "none")), tmp_path)


def test_the_commands_can_be_pasted(asked: Asked, tmp_path: Path) -> None:
    plug, folder = plugged(asked, tmp_path), tmp_path / "a b"
    commands = plug.texts(plug.inquiry(plug.subject), Journal(folder, {}, [])).commands
    again, build = map(shlex.split, commands(Verdict((1,), 0.99)).values())
    assert again[1:] == ["bisect", "--again", str(folder)]
    assert build[1:] == ["kernel", "build", asked.tree, "--config", str(folder / "fails.config")]
    assert commands(None) == {}


@pytest.mark.parametrize(("words", "said"), [
    (["--config", "none.config", "bad.config", "identity"], "cannot read the configuration .*none.config: No"),
    (["--config", "good.config", "good.config", "identity"], "are the same for .* nothing differs"),
    (["--config", "good.config", "bad.config", "no-such-scenario"], "no scenario, tag, file or folder is called"),
    (["--config", "good.config", "bad.config", "--flavor", "debug", "identity"], "--config knows no --flavor"),
])
def test_the_command_says_what_is_wrong_and_builds_nothing(asked: Asked, tmp_path: Path, words: list[str],
                                                           said: str) -> None:
    files = [str(tmp_path / word) if word.endswith(".config") else word for word in words]
    ran = Command(tmp_path, "")("bisect", "--results", tmp_path / "results", "--tree", asked.tree, *files,
                                env={"LAB_STORE": str(tmp_path / "store")})
    assert ran.status == 2 and "Traceback" not in ran.said, ran.said
    assert re.search(said, ran.stderr.splitlines()[-1]), ran.stderr
    assert not (tmp_path / "results").exists()
