"""`lab bisect --config` on real kernels: each set of options is built of Debian's sources, booted and run.

The scenario reads the kernel's own configuration (IKCONFIG), so that a failure needs exactly the options that it is
meant to need. Besides there are some that a kernel may have or not: they cost a file each.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.bisect import journal
from lab.bisect.trial import CANDIDATE
from lab.kernels import flavors
from lab.kernels.build_process import alone
from lab.kernels.kbuild import Kbuild
from lab.kernels.source_package import source_tree
from lab.kernels.store import Store, silent
from tests.command import Lab, Ran

pytestmark = [pytest.mark.vm, pytest.mark.network, pytest.mark.slow]
SERIES = "6.12"
DEADLINE_S = 3600.0
OWN_CONFIG = ["IKCONFIG=y", "IKCONFIG_PROC=y"]
HARMLESS = ["NLS_CODEPAGE_437=y", "NLS_ASCII=y", "NLS_ISO8859_1=y", "CRC_CCITT=y", "CRC_ITU_T=y"]


@pytest.fixture(scope="module")
def tree() -> Path:
    return source_tree(SERIES, Store.default(), print)


@pytest.fixture
def base(tree: Path, tmp_path: Path) -> str:
    """The flavor base, as it is settled for this tree."""
    objects = tmp_path / "base"
    objects.mkdir()
    with alone(objects, silent) as lock:
        Kbuild(tree, tree, objects, silent).configure(flavors.flavor("base"), lock)
    return (objects / ".config").read_text()


def failing_with(line: str, where: Path) -> Path:
    """A scenario that fails where the kernel has its own configuration, and that has this line."""
    path = where / "own-config.yaml"
    script = f"! busybox zcat /proc/config.gz 2>/dev/null | busybox grep -qx '{line}'"
    path.write_text("scenario: own-config\nsummary: A kernel that lacks an option, or does not tell.\nsteps:\n"
                    f"  - run: {{argv: {json.dumps(['busybox', 'sh', '-c', script])}}}\n")
    return path


def words(tree: Path, where: Path, good: str, more: Sequence[str], scenario: Path) -> list[str | Path]:
    """A search between the configuration `good` and the same with more options."""
    (where / "good.config").write_text(good)
    (where / "bad.config").write_text(good + "".join(f"CONFIG_{option}\n" for option in more))
    return ["bisect", "--tree", tree, "--config", where / "good.config", where / "bad.config", "--results",
            where / "results", scenario]


def answer(ran: Ran, folder: Path) -> dict[str, Any]:
    """bisect.json; each step that ran has links to its runs."""
    found = dict(json.loads((folder / "bisect.json").read_text()))
    for trial in found["trials"]:
        assert trial["cannot"] or trial["seen"], ran.said
        assert all((folder / seen["directory"] / "result.json").is_file() for seen in trial["seen"])
    return found


def test_options_are_found_although_the_lab_is_killed(lab: Lab, tree: Path, base: str, tmp_path: Path) -> None:
    """Two options of seven make the difference together. A kill -9 in the middle of the sets."""
    scenario = failing_with("CONFIG_IKCONFIG_PROC=y", tmp_path)
    running = lab.start(*words(tree, tmp_path, base, [*OWN_CONFIG, *HARMLESS], scenario))
    running.until(lambda: "step 5:" in running.said(), "the fifth step", timeout_s=DEADLINE_S)
    running.signal(signal.SIGKILL)
    running.stop()
    folder = journal.newest(tmp_path / "results")
    before = journal.load(folder).trials
    ran = lab("bisect", "--resume", "--results", tmp_path / "results", timeout_s=DEADLINE_S)
    assert ran.status == 0, ran.said
    found = answer(ran, folder)
    assert found["options"] == ["IKCONFIG", "IKCONFIG_PROC"] and not found["unsure"], ran.said
    assert sorted(found["differences"]) == sorted(o.split("=")[0] for o in [*OWN_CONFIG, *HARMLESS])
    names = [trial["name"] for trial in found["trials"]]
    assert [trial.phase for trial in before][-1] == CANDIDATE
    assert names[:len(before)] == [trial.name for trial in before], "what was seen stays"
    sets = [trial["name"] for trial in found["trials"] if trial["phase"] == CANDIDATE]
    assert len(sets) == len(set(sets)), "and is not run again"
    again = lab("bisect", "--again", folder, timeout_s=DEADLINE_S)
    assert again.status == 0 and "as the bisection says" in again.stdout, again.said


def test_options_that_fail_only_together(lab: Lab, tree: Path, base: str, tmp_path: Path) -> None:
    """The configuration, and that it has an option which is nowhere near: no part of them fails."""
    scenario = failing_with("CONFIG_NLS_ASCII=y", tmp_path)
    ran = lab(*words(tree, tmp_path, base, [*OWN_CONFIG, *HARMLESS], scenario), timeout_s=DEADLINE_S)
    assert ran.status == 0, ran.said
    found = answer(ran, journal.newest(tmp_path / "results"))
    assert found["options"] == ["IKCONFIG", "IKCONFIG_PROC", "NLS_ASCII"] and not found["unsure"], ran.said


def test_a_set_that_does_not_build_is_no_answer(lab: Lab, tree: Path, base: str, tmp_path: Path) -> None:
    """A kernel with a firmware file in it; where it lies is another option, without which make finds no such file."""
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "lab.bin").write_text("nothing\n")
    good = base + "".join(f"CONFIG_{option}\n" for option in ["FW_LOADER=y", *OWN_CONFIG])
    more = ['EXTRA_FIRMWARE="lab.bin"', f'EXTRA_FIRMWARE_DIR="{firmware}"', *HARMLESS[:2]]
    scenario = failing_with('CONFIG_EXTRA_FIRMWARE="lab.bin"', tmp_path)
    ran = lab(*words(tree, tmp_path, good, more, scenario), timeout_s=DEADLINE_S)
    assert ran.status == 1 and "whether EXTRA_FIRMWARE_DIR is needed cannot be told" in ran.stdout, ran.said
    found = answer(ran, journal.newest(tmp_path / "results"))
    assert found["options"] == ["EXTRA_FIRMWARE", "EXTRA_FIRMWARE_DIR"], ran.said
    assert found["unsure"] == ["EXTRA_FIRMWARE_DIR"], ran.said
    reason, = found["untestable"].values()
    assert reason.startswith("it does not build") and "/lib/firmware/lab.bin" in reason, reason
    assert reason in ran.stdout, "the report says why"
