"""What the newest coverage of a kernel says, kept in the store for `lab select`: coverage/KERNEL.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from lab.coverage.build import Build
from lab.coverage.reach import Function, Reach, numbers, ranges
from lab.coverage.report import RunReach
from lab.errors import LabError, UsageError
from lab.kernels.kernel import Kernel
from lab.kernels.store import Store

FORMAT = 1
FOLDER = "coverage"


@dataclass(frozen=True)
class Source:
    """One file as it was compiled: its text (empty when it has changed since: then lines mean nothing), its lines with
    code, its functions."""

    text: tuple[str, ...]
    code: frozenset[int]
    functions: tuple[Function, ...]

    def function_at(self, line: int) -> Function | None:
        inside = [f for f in self.functions if f.first <= line <= f.last]
        return max(inside, key=lambda f: f.first, default=None)


@dataclass(frozen=True)
class Reached:
    """One run: what chooses it, how long it takes, and what it reached of each file."""

    id: str
    word: str
    seconds: float
    lines: Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class Atlas:
    """`includers`: header -> the sources of drivers/target that include it. `tree`: what the user named when the
    kernel was built; it may have git, which the view of it that was compiled has not."""

    kernel: str
    spec: str
    identity: str
    tree: str
    sources: Mapping[str, Source]
    includers: Mapping[str, Sequence[str]]
    runs: Sequence[Reached] = field(default_factory=tuple)

    def reaching(self, name: str, lines: frozenset[int]) -> list[Reached]:
        """The runs that reached at least one of these lines."""
        return [run for run in self.runs if run.lines.get(name, frozenset()) & lines]

    def with_runs_of(self, older: Atlas | None) -> Atlas:
        """A session of a few scenarios must not make the lab forget the others of the same kernel."""
        if older is None or older.identity != self.identity:
            return self
        have = {run.id for run in self.runs}
        kept = [run for run in older.runs if run.id not in have]
        return replace(self, runs=(*self.runs, *kept))


def atlas_of(kernel: Kernel, build: Build, everything: Reach, runs: Sequence[RunReach], *, stale: Sequence[str],
             includers: Mapping[str, Sequence[str]]) -> Atlas:
    """From what a session reached. `stale`: files that changed since the kernel was built."""
    sources = {name: Source(() if name in stale else _text(build.tree / name), frozenset(file.lines), file.functions)
               for name, file in everything.items()}
    reached = [Reached(r.id, r.word, r.seconds, {
        name: hit for name, file in r.reach.items() if (hit := frozenset(n for n, yes in file.lines.items() if yes))})
        for r in runs if r.reach is not None]
    return Atlas(kernel.name, kernel.spec, kernel.identity, str(build.origin), sources, includers, reached)


def _text(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8", errors="replace").split("\n"))
    except OSError:
        return ()


def save(atlas: Atlas, store: Store) -> Path:
    """Keep it, with what is known of other runs of the same kernel. LabError when the disk is full."""
    path = store.root / FOLDER / f"{atlas.kernel}.json"
    with store.lock(f"coverage-{atlas.kernel}"):
        try:
            older = load(path)
        except LabError:
            older = None
        store.write_text(path, json.dumps(_as_data(atlas.with_runs_of(older))))
    return path


def _as_data(atlas: Atlas) -> dict[str, object]:
    return {
        "format": FORMAT, "kernel": atlas.kernel, "spec": atlas.spec, "identity": atlas.identity, "tree": atlas.tree,
        "includers": dict(atlas.includers),
        "sources": {name: {"text": list(s.text), "code": ranges(s.code), "functions": [asdict(f) for f in s.functions]}
                    for name, s in atlas.sources.items()},
        "runs": [{"id": r.id, "word": r.word, "seconds": r.seconds,
                  "lines": {name: ranges(lines) for name, lines in r.lines.items() if lines}} for r in atlas.runs]}


def load(path: Path) -> Atlas:
    """LabError when there is none, or it is damaged or of another format."""
    try:
        data = json.loads(path.read_text())
        if data["format"] != FORMAT:
            raise LabError(f"{path} has another format than this lab's; run `lab coverage` again")
        sources = {name: Source(tuple(s["text"]), frozenset(numbers(s["code"])),
                                tuple(Function(**f) for f in s["functions"])) for name, s in data["sources"].items()}
        runs = [Reached(r["id"], r["word"], r["seconds"],
                        {name: frozenset(numbers(lines)) for name, lines in r["lines"].items()}) for r in data["runs"]]
        return Atlas(data["kernel"], data["spec"], data["identity"], data["tree"], sources, data["includers"], runs)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{path} is damaged ({error}); remove it and run `lab coverage` again") from None


def newest(store: Store, wanted: str | None) -> Atlas:
    """The atlas of a kernel (by its name, or as it was given to `lab coverage`), else the newest. UsageError: none."""
    paths = sorted((store.root / FOLDER).glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
    if not paths:
        raise UsageError("there is no coverage yet; run `lab coverage -k KERNEL` on a coverage kernel first")
    if wanted is None:
        return load(paths[0])
    for path in paths:
        atlas = load(path)
        if wanted in (atlas.kernel, atlas.spec):
            return atlas
    raise UsageError(f"there is no coverage of {wanted!r}; there is some of {', '.join(p.stem for p in paths)}")
