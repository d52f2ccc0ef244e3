"""What is said before anything is built: of real repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bisect.revisions import revisions
from lab.errors import UsageError
from lab.git import Git
from tests.unit.bisect_repository import IDENTITY, line


def test_candidates_are_all_commits_after_the_good_one(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"] * 5)
    found = revisions(repository.tree, names[1], "master")
    assert found.history.names == tuple(names[2:])
    assert found.history.parents == ((), (0,), (1,))
    assert (found.name(None), found.name(0), found.title(0)) == (names[1], names[2], f"{names[2][:12]} commit 2")


def test_a_subdirectory_and_a_bare_repository_will_do(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"] * 3)
    repository.commit("a directory", sub__file="x")
    assert revisions(repository.tree / "sub", names[0], "master").tree == repository.tree
    Git(tmp_path)("clone", "--quiet", "--bare", repository.tree, tmp_path / "bare.git")
    assert len(revisions(tmp_path / "bare.git", names[0], "master").history) == 3


@pytest.mark.parametrize(("good", "bad", "find_fix", "words"), [
    ("nothing", "master", False, "--good nothing names no commit"),
    ("HEAD~2", "mastre", False, "--bad mastre names no commit"),
    ("HEAD", "HEAD~2", False, "swap them, or give --find-fix"),
    ("HEAD~2", "HEAD", True, "leave --find-fix out"),
    ("HEAD~1", "HEAD~1", False, "are the same commit"),
    ("--output=x", "HEAD", False, "names no commit"),
])
def test_ends_that_cannot_be_meant(tmp_path: Path, good: str, bad: str, find_fix: bool, words: str) -> None:
    repository, _ = line(tmp_path / "tree", ["good"] * 4)
    with pytest.raises(UsageError, match="(?s)" + words) as caught:
        revisions(repository.tree, good, bad, find_fix=find_fix)
    assert "\n" not in str(caught.value)


def test_a_tree_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a directory"):
        revisions(tmp_path / "none", "a", "b")
    with pytest.raises(UsageError, match="not a git repository"):
        revisions(tmp_path, "a", "b")


def test_find_fix_turns_the_ends_round(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["bad", "bad", "good"])
    found = revisions(repository.tree, "HEAD", "HEAD~2", find_fix=True)
    assert (found.old, found.new, found.history.names) == (names[0], names[2], tuple(names[1:]))


def test_sideways_takes_the_merge_base(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"] * 2)
    repository.git("switch", "--quiet", "--create", "stable", names[0], env=IDENTITY)
    stable = repository.commit("stable")
    found = revisions(repository.tree, stable, "master")
    assert found.old == names[0] and "merge base" in found.said[0]


def test_two_merge_bases_are_named(tmp_path: Path) -> None:
    repository, _ = line(tmp_path / "tree", ["good"])
    git = repository.git
    git("switch", "--quiet", "--create", "other", env=IDENTITY)
    one = repository.commit("one", a="1")
    git("switch", "--quiet", "master", env=IDENTITY)
    two = repository.commit("two", b="1")
    repository.merge(one)
    git("switch", "--quiet", "other", env=IDENTITY)
    repository.merge(two)
    with pytest.raises(UsageError, match="2 merge bases") as caught:
        revisions(repository.tree, "master", "other")
    assert one[:12] in str(caught.value) and two[:12] in str(caught.value)


def test_histories_without_a_common_commit(tmp_path: Path) -> None:
    repository, _ = line(tmp_path / "tree", ["good"])
    repository.git("switch", "--quiet", "--orphan", "other", env=IDENTITY)
    repository.commit("another root")
    with pytest.raises(UsageError, match="no common ancestor"):
        revisions(repository.tree, "master", "other")


def test_uncommitted_changes_are_mentioned_and_left(tmp_path: Path) -> None:
    repository, _ = line(tmp_path / "tree", ["good"] * 3)
    (repository.tree / "state").write_text("edited")
    found = revisions(repository.tree, "HEAD~2", "HEAD")
    assert "uncommitted changes" in found.said[0] and (repository.tree / "state").read_text() == "edited"


def test_a_shallow_clone_that_lacks_candidates_is_refused(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"] * 4)
    repository.git("switch", "--quiet", "--create", "side", names[0], env=IDENTITY)
    for n in range(3):
        repository.commit(f"side {n}", side=str(n))
    repository.git("switch", "--quiet", "master", env=IDENTITY)
    repository.merge("side")
    repository.commit("last")
    clone = Git(tmp_path / "clone")
    Git(tmp_path)("clone", "--quiet", "--depth", "3", f"file://{repository.tree}", clone.directory)
    with pytest.raises(UsageError, match="fetch --unshallow --tags"):
        revisions(clone.directory, names[0], "HEAD")
    with pytest.raises(UsageError, match="is a shallow clone that lacks commits between"):
        revisions(clone.directory, names[3], "HEAD")
    clone("fetch", "--quiet", "--unshallow")
    assert len(revisions(clone.directory, names[3], "HEAD").history) == 5


def test_a_shallow_clone_that_is_deep_enough_will_do(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"] * 6)
    Git(tmp_path)("clone", "--quiet", "--depth", "3", f"file://{repository.tree}", tmp_path / "clone")
    assert len(revisions(tmp_path / "clone", names[3], "HEAD").history) == 2


def test_paths_filter_and_the_bad_end_stays(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"])
    touching = [repository.commit("touching 1", drivers__target__a="1")]
    hidden = repository.commit("elsewhere")
    touching.append(repository.commit("touching 2", drivers__target__a="2"))
    last = repository.commit("last, elsewhere")
    found = revisions(repository.tree, names[0], "HEAD", paths=["drivers/target"])
    assert found.history.names == (*touching, last)
    assert found.history.parents == ((), (0,), (1,))
    hiding, = found.hidden_parents(1)
    assert found.name(hiding) == hidden and found.hidden_parents(0) == []


def test_paths_that_nothing_touches(tmp_path: Path) -> None:
    repository, names = line(tmp_path / "tree", ["good"] * 3)
    with pytest.raises(UsageError, match="touches drivers/targt"):
        revisions(repository.tree, names[0], "HEAD", paths=["drivers/targt"])
