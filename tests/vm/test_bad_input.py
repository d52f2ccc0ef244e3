"""What a user can get wrong on the command line and in files: one clear sentence each, exit 2, and nothing started."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Lab, Ran
from tests.vm.scripts import passing

FORTY = "scenario: forty\nsummary: Forty faults in one file, all told at once.\nsteps:\n" + "".join(
    f"  - sleep: {{time: {n}parsecs}}\n" for n in range(40))
BAD_FILES = {
    "empty": (b"", "the file is empty"),
    "binary": (bytes(range(256)) * 8, "is not UTF-8 text"),
    "nul": (b"scenario: x\0\0\0\n", "binary file"),
    "not-utf8": (b"scenario: caf\xe9\n", "is not UTF-8 text"),
    "huge": (b"# long\n" * 400_000, "is larger than"),
    "not-yaml": (b"scenario: [unclosed\n", ""),
    "prose": (b"Dear kernel, please work.\n", "must be a mapping"),
    "tabs": (b"scenario: tabs\n\tsummary: x\n", "tab"),
    "duplicate": (b"scenario: twice\nscenario: twice\n", "scenario"),
    "laughs": (b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (c, c, b", ".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("j"))), ""),
}


def assert_usage_error(ran: Ran, *words: str) -> None:
    """Exit 2, no traceback, no session, and the words on stderr."""
    assert ran.status == 2, ran.said
    assert "Traceback" not in ran.said
    assert not ran.results.exists()
    for word in words:
        assert word in ran.stderr


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["run", "check"])
def test_a_file_that_is_no_scenario(lab: Lab, tmp_path: Path, command: str, name: str) -> None:
    content, words = BAD_FILES[name]
    path = tmp_path / f"{name}.yaml"
    path.write_bytes(content)
    assert_usage_error(lab(command, path), str(path), words)


@pytest.mark.parametrize("command", ["run", "check"])
def test_forty_faults_are_told_at_once(lab: Lab, tmp_path: Path, command: str) -> None:
    path = tmp_path / "forty.yaml"
    path.write_text(FORTY)
    ran = lab(command, path)
    assert_usage_error(ran)
    places = [line.split(": ")[0] for line in ran.stderr.splitlines() if line.startswith(f"{path}:")]
    assert {f"{path}:{n}" for n in range(4, 44)} <= {place.rpartition(":")[0] for place in places}


def test_one_bad_file_of_several_is_named_and_nothing_is_run(lab: Lab, tmp_path: Path) -> None:
    good, bad = passing(tmp_path, "good"), tmp_path / "bad.yaml"
    bad.write_text("scenario: bad\n")
    assert_usage_error(lab("run", good, bad), str(bad))


@pytest.mark.parametrize("word", ["no-such-scenario", "no/such/file.yaml", "", "\N{PILE OF POO}", "x" * 5000])
def test_a_word_that_chooses_nothing(lab: Lab, word: str) -> None:
    assert_usage_error(lab("run", word), "no scenario, tag, file or folder")


def test_an_unknown_kernel_names_the_nearest(lab: Lab, tmp_path: Path) -> None:
    ran = lab("run", passing(tmp_path, "good"), kernel="stokc")
    assert_usage_error(ran, "there is no kernel 'stokc'", "did you mean 'stock'?")


@pytest.mark.parametrize("content", [b"", b"\x7fELF" + b"\0" * 4096, b"hello\n" * 1000])
def test_a_file_that_is_no_kernel(lab: Lab, tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(content)
    assert_usage_error(lab("run", passing(tmp_path, "good"), kernel=image), str(image))


def test_a_kernel_file_that_is_not_there(lab: Lab, tmp_path: Path) -> None:
    assert_usage_error(lab("run", passing(tmp_path, "good"), kernel=tmp_path / "vmlinuz-9"), "vmlinuz-9")


@pytest.mark.parametrize("words", [["--nonsense"], ["-j", "0"], ["-j", "two"], ["--seed", "-1"]])
def test_bad_options(lab: Lab, tmp_path: Path, words: list[str]) -> None:
    assert_usage_error(lab("run", passing(tmp_path, "good"), *words))


def test_a_results_folder_that_cannot_be_made(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = lab("run", passing(tmp_path, "good"), results=tmp_path / "file" / "results")
    assert ran.status == 3
    assert "cannot write results to" in ran.stderr
    assert "--results" in ran.stderr
    assert "Traceback" not in ran.said


def test_a_folder_that_is_no_run_directory(lab: Lab, tmp_path: Path) -> None:
    ran = lab("judge", tmp_path)
    assert ran.status == 3
    assert "is not a run directory that can be judged" in ran.stderr
    assert "Traceback" not in ran.said
