"""Real git repositories whose commits say how a kernel of them behaves, and a lab that believes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab import process
from lab.bisect.commits import CommitSubject
from lab.bisect.conduct import Conductor
from lab.bisect.gitlog import GitLog
from lab.bisect.inquiry import Inquiry, Verdict
from lab.bisect.journal import Journal, begin
from lab.bisect.revisions import Revisions, revisions
from lab.bisect.worktree import worktree
from lab.errors import BuildFailed
from lab.git import Git
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store, silent
from lab.report.result import Outcome, Reason, Result

IDENTITY = {"GIT_AUTHOR_NAME": "A. Developer", "GIT_AUTHOR_EMAIL": "dev@example.org",
            "GIT_COMMITTER_NAME": "A. Developer", "GIT_COMMITTER_EMAIL": "dev@example.org",
            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass
class Repository:
    """A repository in `tree`; each commit writes files. `state` holds how its kernel behaves: see `result`."""

    tree: Path
    days: int = 0

    def __post_init__(self) -> None:
        self.tree.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=master", env=IDENTITY)

    @property
    def git(self) -> Git:
        return Git(self.tree)

    def commit(self, subject: str, **files: str) -> str:
        """Write files (double underscores are slashes) and commit them; the hash."""
        for name, text in {"count": str(self.days), **files}.items():
            path = self.tree / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all", env=IDENTITY)
        return self._record("commit", "--quiet", "-m", subject)

    def merge(self, branch: str, **files: str) -> str:
        """Merge a branch; of what both changed, ours counts."""
        self.git("merge", "--quiet", "--no-commit", "--no-ff", "-Xours", branch, env=IDENTITY)
        return self.commit(f"Merge branch '{branch}'", **files)

    def _record(self, *words: str) -> str:
        self.days += 1
        date = f"{1_700_000_000 + 86400 * self.days} +0000"
        self.git(*words, env={**IDENTITY, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date})
        return self.git("rev-parse", "HEAD")


def line(tree: Path, states: Sequence[str]) -> tuple[Repository, list[str]]:
    """One commit after the other, each in this state; by git fast-import, which is one process for all."""
    repository = Repository(tree, days=len(states))
    stream = "".join(_commit(n, {"state": state, "count": str(n)}) for n, state in enumerate(states))
    fast_import(tree, stream)
    repository.git("reset", "--quiet", "--hard", env=IDENTITY)
    return repository, repository.git("rev-list", "--reverse", "HEAD").split()


def fast_import(tree: Path, stream: str) -> None:
    """A history from one process."""
    process.run(["git", "-C", tree, "fast-import", "--quiet"], stdin=stream, timeout_s=60)


def _commit(number: int, files: dict[str, str]) -> str:
    message = f"commit {number}"
    changes = "".join(f"M 644 inline {name}\ndata {len(text)}\n{text}\n" for name, text in files.items())
    date = f"{1_700_000_000 + 86400 * number} +0000"
    return (f"commit refs/heads/master\ncommitter A. Developer <dev@example.org> {date}\n"
            f"data {len(message)}\n{message}\n{changes}\n")


def build(tree: Path, say: Callable[[str], None]) -> Kernel:
    """A "kernel" that is what the checkout's file says."""
    state = (tree / "state").read_text()
    if state == "broken":
        raise BuildFailed("drivers/target/x.c:1: error: a bracket is missing")
    return Kernel("", "k", "6.1", tree, None, None, state)


def failure(fingerprint: str, kind: str = "step", text: str = "it misbehaves") -> Reason:
    return Reason(Outcome.FAIL, text, kind=kind, fingerprint=fingerprint)


def result(state: str, name: str = "s", turn: int = 0) -> Result:
    """good, bad, other (another failure), skip, error, noboot, 1/3: bad in every third run, "bad,other": in turn, or
    "other+bad": both in one run."""
    if "," in state:
        states = state.split(",")
        state = states[turn % len(states)]
    if "/" in state:
        wanted, of = state.split("/")
        state = "bad" if turn % int(of) < int(wanted) else "good"
    kinds = {"bad": [failure("aaaaaaaaaaaa")], "other": [failure("bbbbbbbbbbbb")],
             "noboot": [failure("cccccccccccc", "boot", "the kernel did not come up")],
             "panic": [failure("eeeeeeeeeeee", "kernel", "kernel panic")],
             "skip": [Reason(Outcome.SKIP, "no such module")],
             "error": [Reason(Outcome.ERROR, "the guest was lost")]}
    reasons = [reason for part in state.split("+") for reason in kinds.get(part, [])]
    outcome = reasons[0].outcome if reasons else Outcome.PASS
    return Result(name, name, outcome, reasons, [], [], [], 1.0, "" if state == "panic" else "checkpoint", "", "")


@dataclass
class Lab:
    """A bisection of `revisions` below `where`, with kernels that are what their commits say. `ran`: states it ran."""

    where: Path
    revisions: Revisions
    asked: dict[str, object] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    stop_after: int = 10_000
    journal: Journal = field(init=False)
    inquiry: Inquiry = field(init=False)

    def tester(self, kernel: Kernel, runs: int, label: str) -> list[Result]:
        if len(self.ran) >= self.stop_after:
            raise KeyboardInterrupt
        self.ran.append(kernel.identity)
        return [result(kernel.identity, turn=turn) for turn in range(runs)]

    def run(self, journal: Journal | None = None) -> Verdict:
        with worktree(self.revisions.tree, Store(self.where / "store")) as place:
            subject = CommitSubject(self.revisions, place, build)
            self.inquiry = Inquiry(subject, find_fix=self.revisions.find_fix,
                                   hidden_parents=self.revisions.hidden_parents, **self.asked)  # type: ignore[arg-type]
            self.journal = journal or begin(self.where / "results", {})
            log = GitLog(self.revisions, self.inquiry, self.journal.directory, place)
            return Conductor(self.inquiry, lambda ids: self.tester, self.journal, self.said.append, self.revisions.name,
                             lambda: log.write(self.journal.trials)).run()

    def name(self, verdict: Verdict) -> list[str]:
        return [self.revisions.name(position) for position in verdict.positions]


def filtered(tmp_path: Path, hidden_state: str) -> tuple[Lab, dict[str, str]]:
    """Between two commits that touch drivers/target one that does not; the second or the hidden one is the culprit."""
    repository, names = line(tmp_path / "tree", ["good"])
    found = {"first": repository.commit("first", drivers__target__a="1"),
             "hidden": repository.commit("hidden", state=hidden_state),
             "second": repository.commit("second", state="bad", drivers__target__a="2"),
             "third": repository.commit("third", drivers__target__a="3")}
    return Lab(tmp_path, revisions(repository.tree, names[0], "HEAD", paths=["drivers/target"])), found


__all__ = ["Lab", "Repository", "build", "failure", "filtered", "line", "result", "silent"]
