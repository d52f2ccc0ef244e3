"""The planted history: what it promises to whoever searches it is so, on real guests."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.errors import BuildFailed, MissingTool
from lab.git import Git
from lab.kernels.headers import headers
from lab.kernels.module_build import build_modules
from lab.kernels.store import Store
from tests.command import ROOT, Lab, Ran
from tests.planted import SCENARIO, Planted, planted

pytestmark = [pytest.mark.vm, pytest.mark.network, pytest.mark.slow,
              pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt on this host")]
MANY = 24
DEADLINE_S = 900.0


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Planted]:
    """Makes repositories; skips where modules cannot be built."""
    try:
        headers("", Store.default(), print).check_tools(type_info=False)
    except MissingTool as missing:
        pytest.skip(str(missing))
    return lambda **how: planted(tmp_path_factory.mktemp("planted"), **how)


def run(lab: Lab, history: Planted, revision: str, *scenarios: str | Path) -> Ran:
    Git(history.tree)("checkout", "--quiet", "--force", revision)
    return lab("run", *(scenarios or (SCENARIO,)), kernel=f"modules:{history.tree}@{history.stock}",
               timeout_s=DEADLINE_S)


def first_reason(ran: Ran) -> tuple[str, str]:
    reason = ran.result(SCENARIO)["reasons"][0]
    return reason["text"], reason["fingerprint"]


def test_the_culprit_fails_and_the_commit_before_it_does_not(lab: Lab, history: Callable[..., Planted]) -> None:
    made = history()
    before = run(lab, made, f"{made.culprit}~1")
    assert before.outcomes() == {SCENARIO: "pass"}, before.said
    first, second = run(lab, made, made.culprit), run(lab, made, made.culprit)
    assert first.status == 1 and second.status == 1, first.said
    assert first_reason(first) == first_reason(second)
    assert "6/2a/03" in first_reason(first)[0], first_reason(first)


def test_the_commit_in_the_middle_does_not_build(history: Callable[..., Planted]) -> None:
    made = history(broken=True)
    git = Git(made.tree)
    broken = git("log", "--format=%H", "--grep=in a field of its own")
    git("checkout", "--quiet", broken)
    with pytest.raises(BuildFailed, match=r": drivers/target/target_core_hba\.c:\d+:.*no member named .device_count"):
        build_modules(made.tree, made.stock, Store.default())


def test_the_kernel_that_does_not_boot(lab: Lab, history: Callable[..., Planted]) -> None:
    made = history(unbootable=True)
    ran = run(lab, made, Git(made.tree)("log", "--format=%H", "--grep=Stop when there is no memory"))
    assert ran.status == 1 and ran.outcomes() == {SCENARIO: "fail"}, ran.said
    texts = [reason["text"] for reason in ran.result(SCENARIO)["reasons"]]
    assert any("the kernel ended before it came up" in text for text in texts), texts
    assert any("no memory for the caches" in str(reason) for reason in ran.result(SCENARIO)["reasons"])


def test_sometimes_is_one_run_of_three(lab: Lab, history: Callable[..., Planted], tmp_path: Path) -> None:
    made = history(fault="sometimes")
    scenario = tmp_path / "again.yaml"
    text = next((ROOT / "scenarios").rglob(f"{SCENARIO}.yaml")).read_text()
    text = text.replace(f"scenario: {SCENARIO}", "scenario: again")
    scenario.write_text(f"{text}  - run: {{argv: [busybox, echo, '{{n}}']}}\n    expect: {{ok: true}}\n"
                        f"matrix: {{n: {list(range(MANY))}}}\n")
    ran = run(lab, made, made.bad, scenario)
    outcomes = list(ran.outcomes().values())
    assert set(outcomes) <= {"pass", "fail"} and len(outcomes) == MANY, ran.said
    # Of a fair third, once in 10,000 times outside of that.
    assert 1 <= outcomes.count("fail") <= 17, outcomes
    prints = {result["reasons"][0]["fingerprint"] for result in ran.all_results() if result["reasons"]}
    assert len(prints) == 1, prints


@pytest.mark.parametrize("fault", ["always", "sometimes"])
def test_every_variant_has_its_culprit(history: Callable[..., Planted], fault: str) -> None:
    """The merged one: the culprit is on the side branch, its first parent has not got it."""
    for merges in (False, True):
        made = history(fault=fault, broken=True, unbootable=True, merges=merges)
        git = Git(made.tree)
        assert git("rev-parse", "HEAD") == made.bad
        assert git("merge-base", "--is-ancestor", made.culprit, made.bad) == ""
        assert bool(git("log", "--merges", "--format=%H", f"{made.good}..{made.bad}")) == merges
        assert len(git("log", "--format=%H", f"{made.good}..{made.bad}").split()) == 16 + merges
        assert "core_scsi3_ua_preempted" not in git("show", f"{made.culprit}~1:drivers/target/target_core_pr.c")
