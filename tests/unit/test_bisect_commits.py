"""The loop over real git repositories: the culprit, what cannot be tested, breaks, and git's own opinion."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bisect import journal as journals
from lab.bisect.asked import Asked
from lab.bisect.commit_answer import revert
from lab.bisect.gitlog import NAME
from lab.bisect.inquiry import EndsWrong
from lab.bisect.revisions import Revisions, revisions
from lab.bisect.search import Contradiction
from lab.bisect.worktree import worktree
from lab.cli import bisect_commits
from lab.errors import LabError, UsageError
from lab.git import Git
from lab.kernels.store import Store, silent
from tests.unit.bisect_repository import IDENTITY, Lab, Repository, filtered, line


def lab(tmp_path: Path, states: list[str], *, find_fix: bool = False, **asked: object) -> tuple[Lab, list[str]]:
    """A bisection between the first and the last commit of one line."""
    repository, names = line(tmp_path / "tree", states)
    ends = (names[-1], names[0]) if find_fix else (names[0], names[-1])
    return Lab(tmp_path, revisions(repository.tree, *ends, find_fix=find_fix), asked), names


def git_says(revised: Revisions, log: Path, where: Path) -> str:
    """What a developer sees who replays the log: the first line that git prints at the end."""
    clone = Git(where / "clone")
    Git(where)("clone", "--quiet", revised.tree, clone.directory, env=IDENTITY)
    done = clone.ask("bisect", "replay", log, env=IDENTITY)
    return done.stdout + done.stderr


@pytest.mark.parametrize("culprit", [1, 6, 11])
def test_the_culprit_is_found_and_git_finds_it_too(tmp_path: Path, culprit: int) -> None:
    one, names = lab(tmp_path, ["good"] * culprit + ["bad"] * (12 - culprit))
    verdict = one.run()
    assert one.name(verdict) == [names[culprit]] and verdict.probability > 0.99 and not verdict.hidden
    told = git_says(one.revisions, one.journal.directory / NAME, tmp_path)
    assert f"{names[culprit]} is the first bad commit" in told


def test_the_checkout_is_not_touched(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 4 + ["bad"] * 4)
    (one.revisions.tree / "state").write_text("edited")
    before = one.revisions.git("rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    one.run()
    assert (one.revisions.tree / "state").read_text() == "edited"
    assert one.revisions.git("rev-parse", "HEAD", "--abbrev-ref", "HEAD") == before
    assert not one.revisions.git.ask("bisect", "log").stdout, "the developer's own git bisect is not used"


@pytest.mark.parametrize("fixed", [1, 5])
def test_find_fix(tmp_path: Path, fixed: int) -> None:
    one, names = lab(tmp_path, ["bad"] * fixed + ["good"] * (10 - fixed), find_fix=True)
    assert one.name(one.run()) == [names[fixed]]
    told = git_says(one.revisions, one.journal.directory / NAME, tmp_path)
    assert f"{names[fixed]} is the first fixed commit" in told


@pytest.mark.parametrize("state", ["broken", "other"])
def test_what_cannot_be_tested_is_skipped(tmp_path: Path, state: str) -> None:
    states = ["good"] * 9 + ["bad"] * 9
    states[4], states[12] = state, state
    one, names = lab(tmp_path, states)
    assert one.name(one.run()) == [names[9]]


@pytest.mark.parametrize("state", ["broken", "noboot"])
def test_what_is_left_is_a_range(tmp_path: Path, state: str) -> None:
    one, names = lab(tmp_path, ["good"] * 5 + [state] * 3 + ["bad"] * 5)
    verdict = one.run()
    assert one.name(verdict) == names[5:9]
    reasons = [one.inquiry.untestable[p] for p in verdict.positions[:3]]
    assert len(reasons) == 3 and all(reasons)
    told = git_says(one.revisions, one.journal.directory / NAME, tmp_path)
    assert "only 'skip'ped commits left to test" in told and all(name in told for name in names[5:9])


def test_another_failure_is_tried_twice_and_no_boot_once(tmp_path: Path) -> None:
    one, _ = lab(tmp_path, ["good", "good", "other", "bad"])
    one.run()
    assert one.ran.count("other") == 2
    two, _ = lab(tmp_path / "two", ["good", "good", "noboot", "bad"])
    two.run()
    assert two.ran.count("noboot") == 1


def test_any_failure_takes_the_other_for_bad(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 4 + ["other"] * 3 + ["bad"] * 4, any_failure=True)
    assert one.name(one.run()) == [names[4]]


def test_a_fingerprint_chooses_the_question(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 4 + ["bad"] * 3 + ["other"] * 4, fingerprint="bbbbbbbbbbbb")
    verdict = one.run()
    assert names[7] in one.name(verdict) and one.inquiry.question is not None
    assert one.inquiry.question.fingerprint == "bbbbbbbbbbbb"


def test_a_bug_that_always_fails_first_does_not_hide_the_question(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 2 + ["other"] * 3 + ["other+bad"] * 4, fingerprint="aaaaaaaaaaaa")
    verdict = one.run()
    assert names[5] in one.name(verdict) and one.inquiry.question is not None
    assert (one.inquiry.question.text, [o.fingerprint for o in one.inquiry.others]) == ("it misbehaves",
                                                                                        ["bbbbbbbbbbbb"])


def test_a_failure_that_comes_one_time_in_three(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 7 + ["1/3"] * 6)
    verdict = one.run()
    assert one.name(verdict) == [names[7]] and verdict.probability >= 0.99


@pytest.mark.parametrize(("states", "words"), [
    (["good", "good", "good"], "did not fail in 30 runs"),
    (["bad", "bad", "bad"], "the end that is called good, .* fails too, in 1?[0-9] of"),
    (["good", "good", "broken"], "called bad, .* cannot be tested: it does not build"),
    (["broken", "good", "bad"], "called good, .* cannot be tested"),
    (["other", "good", "bad"], "called good, .* gives no answer: it fails in another way"),
    (["good", "good", "skip"], "called bad, .* gives no answer: skip"),
])
def test_ends_that_are_not_as_they_are_called(tmp_path: Path, states: list[str], words: str) -> None:
    one, _ = lab(tmp_path, states)
    with pytest.raises(EndsWrong, match=words):
        one.run()


def test_a_fingerprint_that_the_bad_end_does_not_show(tmp_path: Path) -> None:
    one, _ = lab(tmp_path, ["good", "good", "bad"], fingerprint="dddddddddddd")
    with pytest.raises(EndsWrong, match="it fails in another way, aaaaaaaaaaaa"):
        one.run()


def test_failures_that_no_single_culprit_explains(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"])
    repository.git("switch", "--quiet", "--create", "side", env=IDENTITY)
    side = repository.commit("side", state="bad")
    repository.git("switch", "--quiet", "master", env=IDENTITY)
    main = repository.commit("main", other="x")
    repository.merge("side", state="bad")
    one = Lab(tmp_path, revisions(repository.tree, names[0], "HEAD"))
    assert one.name(one.run()) == [side]
    failing = next(t for t in one.journal.trials if t.name == side)
    with pytest.raises(Contradiction, match="several culprits"):
        one.inquiry.take(replace(failing, position=one.revisions.history.names.index(main), name=main))


def merged(tmp_path: Path, side: str, main: str, both: str) -> tuple[Lab, Repository, dict[str, str]]:
    """good - main - main2 - merge - last, and side on its own branch."""
    repository, names = line(tmp_path / "tree", ["good", "good"])
    git, found = repository.git, {"base": names[1]}
    git("switch", "--quiet", "--create", "side", env=IDENTITY)
    found["side"] = repository.commit("side", state=side)
    git("switch", "--quiet", "master", env=IDENTITY)
    found["main"] = repository.commit("main", state=main, other="x")
    found["main2"] = repository.commit("main 2", other="y")
    found["merge"] = repository.merge("side", state=both)
    repository.commit("last", other="z")
    return Lab(tmp_path, revisions(repository.tree, names[0], "HEAD")), repository, found


@pytest.mark.parametrize(("side", "main", "culprit"), [
    ("bad", "good", "side"), ("good", "bad", "main"), ("good", "good", "merge"),
])
def test_merges(tmp_path: Path, side: str, main: str, culprit: str) -> None:
    one, _, found = merged(tmp_path, side, main, "bad")
    assert one.name(one.run()) == [found[culprit]]
    told = git_says(one.revisions, one.journal.directory / NAME, tmp_path)
    assert f"{found[culprit]} is the first bad commit" in told


@pytest.mark.parametrize("after", [1, 4])
def test_a_break_loses_no_finished_step(tmp_path: Path, after: int) -> None:
    whole, names = lab(tmp_path / "whole", ["good"] * 7 + ["1/3"] * 6)
    whole.run()
    one, names = lab(tmp_path, ["good"] * 7 + ["1/3"] * 6)
    one.stop_after = after
    with pytest.raises(KeyboardInterrupt):
        one.run()
    kept = journals.load(one.journal.directory)
    assert len(kept.trials) == after
    one.stop_after = 10_000
    assert one.name(one.run(kept)) == [names[7]]
    assert len(one.ran) == len(whole.ran), "no step is run again"
    asked = [(t.name[:0] or t.phase, t.position, t.asked) for t in one.journal.trials]
    assert asked == [(t.phase, t.position, t.asked) for t in whole.journal.trials]


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 4 + ["bad"] * 4)
    one.run()
    path = one.journal.directory / journals.NAME
    text = path.read_text()
    path.write_text(text[:-40])
    again = journals.load(one.journal.directory)
    assert len(again.trials) == len(one.journal.trials) - 1
    assert one.name(one.run(again)) == [names[4]]
    assert path.read_text().count("\n") == text.count("\n") and all(map(json.loads, path.read_text().splitlines()))


@pytest.mark.parametrize("text", ["", "{}\n", "not json\n", '{"event": "begin", "format": 99}\n',
                                  '{"event": "begin", "format": 1, "parameters": {}}\n{"event": "trial"}\n'])
def test_a_journal_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / journals.NAME).write_text(text)
    with pytest.raises(UsageError):
        journals.load(tmp_path)


def test_a_history_that_changed_is_refused(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 4 + ["bad"] * 4)
    one.run()
    one.revisions = revisions(one.revisions.tree, names[1], "HEAD")
    with pytest.raises(LabError, match="the history has changed"):
        one.run(journals.load(one.journal.directory))


def test_the_newest_journal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no bisection"):
        journals.newest(tmp_path)
    journals.begin(tmp_path, {})
    second = journals.begin(tmp_path, {})
    assert journals.newest(tmp_path) == second.directory


def test_with_paths_the_real_parent_is_run(tmp_path: Path) -> None:
    one, found = filtered(tmp_path, "good")
    verdict = one.run()
    assert one.name(verdict) == [found["second"]] and not verdict.hidden and not verdict.unseen
    assert [t.name for t in one.journal.trials if t.phase == "parent"] == [found["hidden"]]
    told = git_says(one.revisions, one.journal.directory / NAME, tmp_path)
    assert f"{found['second']} is the first bad commit" in told


def test_a_culprit_that_the_paths_hide_is_no_guess(tmp_path: Path) -> None:
    one, found = filtered(tmp_path, "bad")
    verdict = one.run()
    assert one.name(verdict) == [found["second"]]
    assert found["hidden"][:12] in verdict.hidden and "fails already" in verdict.hidden


def test_a_hidden_parent_that_cannot_be_tested(tmp_path: Path) -> None:
    one, _ = filtered(tmp_path, "broken")
    assert "cannot be tested (it does not build" in one.run().hidden


def test_a_bad_end_that_the_paths_hide(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"])
    repository.commit("touching", drivers__target__a="1")
    between = repository.commit("elsewhere", state="bad")
    repository.commit("last", other="1")
    one = Lab(tmp_path, revisions(repository.tree, names[0], "HEAD", paths=["drivers/target"]))
    assert between[:12] in one.run().hidden


def test_the_worktrees_own_bisect_log_is_in_step(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 5 + ["bad"] * 5)
    one.run()
    with worktree(one.revisions.tree, Store(tmp_path / "store")) as place:
        told = place.git("bisect", "log")
        for trial in one.journal.trials:
            assert trial.name in told
        place.remove()
        assert not place.directory.exists()
    assert "store" not in one.revisions.git("worktree", "list")


def test_two_bisections_of_a_tree_have_their_own_worktrees(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good", "bad"])
    store = Store(tmp_path / "store")
    with worktree(repository.tree, store) as one, worktree(repository.tree, store) as two:
        one.check_out(names[0])
        two.check_out(names[1])
        assert [(p.directory / "state").read_text() for p in (one, two)] == ["good", "bad"]


def test_a_worktree_of_a_repository_that_was_made_anew(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"])
    with worktree(repository.tree, Store(tmp_path / "store")) as place:
        place.check_out(names[0])
    repository.tree.rename(tmp_path / "old")
    repository, names = line(tmp_path / "tree", ["bad"])
    with worktree(repository.tree, Store(tmp_path / "store")) as place:
        place.check_out(names[0])
        assert (place.directory / "state").read_text() == "bad"


def test_a_lock_that_a_killed_git_left_in_the_worktree(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good", "bad"])
    with worktree(repository.tree, Store(tmp_path / "store")) as place:
        place.check_out(names[0])
        lock = Path(place.git("rev-parse", "--path-format=absolute", "--git-path", "index.lock"))
    lock.touch()
    with worktree(repository.tree, Store(tmp_path / "store")) as place:
        place.check_out(names[1])
        assert (place.directory / "state").read_text() == "bad"


def test_a_revert(tmp_path: Path) -> None:
    one, names = lab(tmp_path, ["good"] * 3 + ["bad"] * 3)
    with worktree(one.revisions.tree, Store(tmp_path / "store")) as place:
        with pytest.raises(UsageError, match="cannot be reverted .* without conflicts in count"):
            revert(one.revisions, 2, place)
        assert place.git("status", "--porcelain") == ""


def test_a_revert_that_goes_well(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "tree")
    names = [repository.commit(f"commit {n}", count="0", **{f"file{n}": "x"}) for n in range(4)]
    with worktree(repository.tree, Store(tmp_path / "store")) as place:
        revert(revisions(repository.tree, names[0], "HEAD"), 1, place)
        assert not (place.directory / "file2").exists() and (place.directory / "file3").exists()
    assert (repository.tree / "file2").exists() and repository.git("rev-parse", "HEAD") == names[-1]


def test_another_compiler_is_another_basis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels of two compilers say nothing of each other: neither after a break nor in the middle."""
    repository, hashes = line(tmp_path / "tree", ["good", "bad", "bad"])
    asked = Asked(str(repository.tree), hashes[0], hashes[-1], scenarios=("s",))
    with bisect_commits.plug(asked, Store(tmp_path / "store"), silent) as plug:
        settled = Asked.of(json.loads(json.dumps(plug.asked.as_json())))
        assert list(settled.basis) == ["the compiler", "the flavor base"]
        monkeypatch.setattr(bisect_commits, "compiler", lambda: "gcc 99")
        with pytest.raises(LabError, match="the compiler is gcc 99 now, and was .* when this bisection began"):
            plug.subject.kernel(0, silent)
        plug.done()
    with pytest.raises(LabError, match="the compiler is gcc 99 now, and was .* when this bisection began"), \
            bisect_commits.plug(settled, Store(tmp_path / "store"), silent):
        pass
