"""A folder of scenarios, and choosing from it by the words of a command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import UsageError
from lab.explain import describe_plain
from lab.problems import Problem, nearest
from lab.scenario.load import Loaded, ScenarioRun, load

SLOW = "slow"  # the tag of what takes minutes
_RUN_ID = re.compile(r"([a-z0-9-]+)\[(.*)\]")


@dataclass(frozen=True)
class Library:
    """Every scenario file below a folder. A bad file does not stop the others; its problems are kept."""

    root: Path
    files: list[Loaded]

    @property
    def runs(self) -> list[ScenarioRun]:
        """The runs of every file that is right."""
        return [run for file in self.files for run in file.runs]

    @property
    def usual(self) -> list[ScenarioRun]:
        """The runs that nobody has to ask for: all that are not tagged `slow`."""
        return [run for run in self.runs if SLOW not in run.scenario.tags]

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the other files."""
        return [problem for file in self.files for problem in file.problems]


def load_library(root: Path) -> Library:
    """Load all *.yaml below a folder. Raises UsageError when there is no such folder."""
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder of scenarios")
    files = sorted(path for path in root.rglob("*") if path.suffix in (".yaml", ".yml") and not path.is_dir())
    return Library(root, _unique([_load(path) for path in files]))


def _load(path: Path) -> Loaded:
    if path.suffix == ".yml":  # else it would be left out in silence
        return Loaded(path, None, [], problems=[
            Problem(str(path), 0, 0, "a scenario file ends in .yaml; rename this one")])
    return load(path)


def _unique(files: list[Loaded]) -> list[Loaded]:
    """Scenarios of one name are both refused, each naming the other's place."""
    named: dict[str, list[Loaded]] = {}
    for file in files:
        if file.name is not None:
            named.setdefault(file.name, []).append(file)
    return [_refused(file, [o for o in named[file.name] if o is not file])
            if file.name is not None and len(named[file.name]) > 1 else file for file in files]


def _refused(file: Loaded, others: list[Loaded]) -> Loaded:
    places = " and ".join(f"{o.path}:{o.place[0]}:{o.place[1]}" for o in others)
    problem = Problem(str(file.path), *file.place, f"the name {file.name!r} is also that of the scenario at {places}")
    return Loaded(file.path, file.name, file.tags, [], [*file.problems, problem], file.place)


def select(library: Library, words: Iterable[str]) -> list[ScenarioRun]:
    """The runs that words choose, each once: a scenario name, a run id, a tag, a file or a folder, looked up in
    this order. A run id may leave values out: `name[block_size=512]` is every run with that value.

    Without words: all that are right and not tagged `slow`. Raises UsageError with the nearest right words for a word
    that chooses nothing, and Problems when it chooses a file that is not right.
    """
    wanted = list(words)
    if not wanted:
        return library.usual
    found = {run.id: run for word in wanted for run in _chosen(library, word)}
    return list(found.values())


def whole(library: Library, word: str) -> str:
    """The word as it chooses the same from any folder: a file or folder by its whole path."""
    if _by_name(library, word) or _by_tag(library, word):
        return word
    place = next(_places(library, word), None)
    return word if place is None else str(place.absolute())


def _chosen(library: Library, word: str) -> list[ScenarioRun]:
    for files in (_by_name(library, word), _by_tag(library, word), list(_by_path(library, word))):
        if files:
            return [run for file in files for run in file.required_runs()]
    if (match := _RUN_ID.fullmatch(word)) is not None:
        return _by_id(library, word, match[1], match[2])
    names = {file.name for file in library.files if file.name is not None}
    tags = {tag for file in library.files for tag in file.tags}
    near = nearest(word, names | tags)
    raise UsageError(f"no scenario, tag, file or folder is called {word!r}; {_hint(near)}")


def _hint(near: str | None) -> str:
    return f"did you mean {near!r}?" if near else "`lab list scenarios` shows what there is"


def _by_name(library: Library, word: str) -> list[Loaded]:
    return [file for file in library.files if file.name == word]


def _by_id(library: Library, word: str, name: str, inner: str) -> list[ScenarioRun]:
    runs = [run for file in _by_name(library, name) for run in file.required_runs()]
    wanted = set(inner.split(","))
    found = [r for r in runs if r.id == word or wanted <= {f"{k}={describe_plain(v)}" for k, v in r.values.items()}]
    if not found:
        near = nearest(word, [run.id for run in runs]) or nearest(word, [run.id for run in library.runs])
        raise UsageError(f"no run is called {word!r}; {_hint(near)}")
    return found


def _by_tag(library: Library, word: str) -> list[Loaded]:
    return [file for file in library.files if word in file.tags]


def _by_path(library: Library, word: str) -> Iterator[Loaded]:
    """Files at or below a path."""
    path = next(_places(library, word), None)
    if path is not None and path.is_dir():
        known = [file for file in library.files if path.resolve() in file.path.resolve().parents]
        yield from known or load_library(path).files
    elif path is not None:
        yield next((file for file in library.files if file.path.resolve() == path.resolve()), None) or _load(path)


def _places(library: Library, word: str) -> Iterator[Path]:
    """The folders and files of scenarios that a word may stand for: as it is typed, or below the library's folder."""
    if "\0" in word or not word:
        return
    for path in (Path(word), library.root / word):
        try:
            path.stat()
        except OSError:  # not there, or too long for a path
            continue
        if path.is_dir() or path.suffix in (".yaml", ".yml"):
            yield path
