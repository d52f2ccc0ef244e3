"""Two real kernels and one that is none, each run twice; and a real `git bisect run`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.cli.host import Ready
from lab.kernels.store import Store
from tests.command import ROOT, Lab, assert_no_qemu
from tests.command_git import git
from tests.junit_schema import errors_of
from tests.vm.scripts import passing, sleeping

pytestmark = pytest.mark.vm
OLD, NEW = "debian:6.1.192-2", "debian:6.12.117-1~deb12u1"


def wants_new(folder: Path, name: str = "wants-new") -> Path:
    """A scenario that the older kernel fails."""
    path = passing(folder, name)
    asked = path.read_text().replace("echo, well", "uname, -r")
    path.write_text(asked.replace("text: well", "text: 6.12.117+deb12-amd64"))
    return path


def test_two_kernels_and_one_that_is_none(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    (tmp_path / "no-tree").mkdir()
    ran = lab("run", passing(tmp_path, "good"), wants_new(tmp_path), "--repeat", "2", "-k", OLD, "-k", NEW, "-k",
              tmp_path / "no-tree", "-j", "2", kernel="", timeout_s=200)
    assert ran.status == 1, ran.said
    document = (ran.session / "junit.xml").read_text()
    assert errors_of(document) == []
    suites = {s.attrib["name"]: s for s in ElementTree.fromstring(document).iter("testsuite")}
    names = ["good", "good#2", "wants-new", "wants-new#2"]
    assert [[c.attrib["name"] for c in s.iter("testcase")] for s in suites.values()] == [names] * 3
    assert [[s.attrib[n] for n in ("failures", "errors")] for s in suites.values()] == [["2", "0"], ["0", "0"],
                                                                                       ["0", "4"]]
    matrix = json.loads((ran.session / "matrix.json").read_text())
    old, new, none = (k["name"] for k in matrix["kernels"])
    assert {(c["run"], c["kernel"]): c["outcomes"] for c in matrix["cells"]} == {
        ("good", old): {"pass": 2}, ("wants-new", old): {"fail": 2}, ("good", new): {"pass": 2},
        ("wants-new", new): {"pass": 2}, ("good", none): {"error": 2}, ("wants-new", none): {"error": 2}}
    row = next(x for x in ran.stdout.splitlines() if x.startswith("wants-new"))
    assert row.split() == ["wants-new", "FAIL", "pass", "ERROR"]
    fingerprint, = next(c["fingerprints"] for c in matrix["cells"] if c["outcome"] == "fail")
    assert ran.stdout.count(f"fingerprint: {fingerprint}") == 1
    assert "2 times: " in ran.stdout
    assert {p.name for p in ran.session.glob("*/*")} == set(names)
    assert "no-tree" in ran.stdout and "Traceback" not in ran.said
    assert "lab: 12 runs, 2 side by side" in ran.stderr


def history(repository: Path, scenarios: list[Path], kernels: list[str]) -> list[str]:
    """A commit for each, that says which kernel is run with which scenario; their hashes."""
    git(repository, "init", "-q", "-b", "main")
    hashes = []
    for number, (scenario, kernel) in enumerate(zip(scenarios, kernels, strict=True)):
        (repository / "kernel").write_text(kernel)
        (repository / "scenario").write_text(str(scenario))
        (repository / "number").write_text(str(number))
        git(repository, "add", ".")
        git(repository, "commit", "-qm", f"commit {number}")
        hashes.append(git(repository, "rev-parse", "HEAD"))
    return hashes


def bisect_run(repository: Path, hashes: list[str]) -> subprocess.CompletedProcess[str]:
    git(repository, "bisect", "start", hashes[-1], hashes[0])
    command = (f'PYTHONPATH={ROOT} exec {sys.executable} -m lab run --git-bisect -k "$(cat kernel)" "$(cat scenario)" '
               f"--results {repository.parent}/results")
    return subprocess.run(["git", "bisect", "run", "sh", "-c", command], cwd=repository, capture_output=True, text=True,
                          timeout=280)


def test_git_bisect_finds_the_commit_and_goes_round_what_it_cannot_test(prepared: Ready, tmp_path: Path) -> None:
    repository, scenario = tmp_path / "tree", wants_new(tmp_path)
    repository.mkdir()
    skipped = passing(tmp_path, "skipped")
    skipped.write_text(skipped.read_text() + "requires: {modules: [no_such_module]}\n")
    # git asks the middle one first, which cannot be tested.
    hashes = history(repository, [*[scenario] * 3, skipped, *[scenario] * 3], [*[NEW] * 5, *[OLD] * 2])
    done = bisect_run(repository, hashes)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{hashes[5]} is the first bad commit" in done.stdout
    assert git(repository, "bisect", "log").count("git bisect skip") == 1
    assert "for git bisect: bad: wants-new: " in done.stderr and "for git bisect: good" in done.stderr


def test_a_slip_ends_git_bisect(tmp_path: Path) -> None:
    repository = tmp_path / "tree"
    repository.mkdir()
    hashes = history(repository, [tmp_path / "no-such-file.yaml"] * 4, [NEW] * 4)
    done = bisect_run(repository, hashes)
    assert done.returncode != 0
    assert "is the first bad commit" not in done.stdout
    assert "128" in done.stdout + done.stderr
    log = git(repository, "bisect", "log")
    assert "git bisect good" not in log and "git bisect bad" not in log, "nothing was concluded"


def test_ctrl_c_is_no_answer(lab: Lab, prepared: Ready, tmp_path: Path) -> None:
    running = lab.start("run", "--git-bisect", sleeping(tmp_path, "sleeps"))
    events = "latest/*/sleeps/events.jsonl"
    running.until(lambda: any('"index": 1' in p.read_text() for p in running.results.glob(events)), "the second step")
    running.signal(signal.SIGINT)
    ran = running.wait(60)
    assert_no_qemu(tmp_path)
    assert ran.status == 130, ran.said
    assert "for git bisect: stop: interrupted" in ran.stderr


@pytest.mark.slow
def test_ctrl_c_keeps_the_results_of_one_kernel_while_another_is_fetched(lab: Lab, cold_store: Path, tmp_path: Path,
                                                                         ) -> None:
    with Store(cold_store).lock("apt"):  # under which kernels are fetched
        running = lab.start("run", passing(tmp_path, "good"), "-k", OLD, "-k", "debian:6.12.1", kernel="",
                            env={"LAB_STORE": str(cold_store)})
        running.until(lambda: list(running.results.glob("latest/*/good/result.json")), "the first result")
        running.signal(signal.SIGINT)
        ran = running.wait(60)
    assert ran.status == 130, ran.said
    suites = {s.attrib["name"]: s for s in ElementTree.parse(ran.session / "junit.xml").iter("testsuite")}
    assert [(name, s.attrib["tests"], s.attrib["skipped"]) for name, s in suites.items()] == [
        ("debian-6.1.192-2", "1", "0"), ("debian_6.12.1", "1", "1")]
    assert "Traceback" not in ran.said
