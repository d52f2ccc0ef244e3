"""From a YAML file to the runs that it asks for, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lab.document import Document, Key, KeyPath, examine
from lab.explain import Fault, at, faults_of, path_of
from lab.problems import Problem, Problems
from lab.scenario import check_messages, check_objects, check_order, check_references, check_worth, matrix
from lab.scenario.base import FORMS
from lab.scenario.expected import Lists
from lab.scenario.matrix import RUN_LIMIT, Value
from lab.scenario.parts import Parts, default_targets, of_document, of_scenario
from lab.scenario.types import Scenario
from lab.scenario.units import WRITTEN

_MAY_BE_NULL = "nexus"  # the one key whose empty value means something: a target without a nexus


@dataclass(frozen=True)
class ScenarioRun:
    """One combination of a scenario's matrix. `digest` is the SHA-256 of the file, and of those
    beside it that it names."""

    scenario: Scenario
    values: dict[str, Value]
    id: str
    path: Path
    digest: str


@dataclass(frozen=True)
class Loaded:
    """A file: its runs when it is right, else its problems. Name and tags are known as far as they can be read."""

    path: Path
    name: str | None
    tags: list[str]
    runs: list[ScenarioRun] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    place: tuple[int, int] = (1, 1)  # of the name

    def required_runs(self) -> list[ScenarioRun]:
        """The runs. Raises Problems (a UsageError that lists them all) when the file is not right."""
        if self.problems:
            raise Problems(self.problems)
        return self.runs


def load(path: Path) -> Loaded:
    """Read, expand and check one file. Never raises for what is in it: see `.problems`."""
    document = examine(path)
    if document.root is None:
        return Loaded(path, None, [], problems=document.problems)
    return _Loading(path, document).result()


class _Loading:
    """One file on its way."""

    def __init__(self, path: Path, document: Document) -> None:
        self.path, self.document, self.root = path, document, document.value
        self.found: dict[Fault, list[dict[str, Value]]] = {}
        self.matrix, self.whole_matrix = _readable_matrix(self.root.get("matrix", {}))

    def result(self) -> Loaded:
        empty = list(_empty(self.root))
        slips = list(matrix.slips(self.root))
        general = matrix.check(self.root, self.matrix)
        self.tried = list(itertools.islice(matrix.combinations(self.matrix), RUN_LIMIT))
        scenarios = [(values, self._run(values)) for values in self.tried]
        problems = [*self.document.problems, *self._problems(empty, slips, general)]
        lists = Lists(self.path.parent)
        if not problems:
            scenarios = [(values, lists.attached(s)) for values, s in scenarios if s is not None]
            problems = lists.problems
        name, tags = self.root.get("scenario"), self.root.get("tags")
        name = name if isinstance(name, str) else None
        return Loaded(self.path, name, [t for t in tags if isinstance(t, str)] if isinstance(tags, list) else [],
                      [] if problems else self._runs(scenarios, lists.raw), sorted(set(problems), key=_order),
                      self.document.place(("scenario",)))

    def _runs(self, scenarios: Iterable[tuple[dict[str, Value], Scenario | None]], beside: bytes) -> list[ScenarioRun]:
        digest = hashlib.sha256(self.document.raw + beside).hexdigest()
        return [ScenarioRun(s, values, matrix.run_id(s.scenario, values), self.path, digest)
                for values, s in scenarios if s is not None]

    def _run(self, values: dict[str, Value]) -> Scenario | None:
        """The scenario of one combination; what is wrong with it goes to `found`."""
        root = matrix.substituted(self.root, values)
        scenario, error = _validated(root)
        if error is not None and (texts := self._texts(root, error)):
            matrix.in_text(root, texts)
            scenario, error = _validated(root)
        if error is not None:
            self._note((f for f in faults_of(error, root, Scenario, FORMS) if not self._unfilled(root, f)), values)
        if scenario is not None and "targets" not in scenario.model_fields_set:
            targets = default_targets(list(scenario.backstores))
            scenario = scenario.model_copy(update={"targets": targets})
        self._note(_cross_checked(of_scenario(scenario) if scenario is not None else of_document(root)), values)
        return scenario

    def _texts(self, root: dict[Key, Any], error: ValidationError) -> list[KeyPath]:
        """Places that must be text and got a number or boolean of the matrix: it is meant as text there."""
        wrong = (path_of(d["loc"], root)[0] for d in error.errors(include_url=False) if d["type"] == "string_type")
        return [path for path in wrong
                if isinstance(at(root, path), int | float) and isinstance(at(self.root, path), str)]

    def _unfilled(self, root: dict[Key, Any], fault: Fault) -> bool:
        """A {NAME} stands there because the matrix itself is wrong, which is told already."""
        if self.whole_matrix:
            return False
        try:
            value = at(root, fault.path)
        except (KeyError, IndexError, TypeError):
            return False
        return isinstance(value, str) and "{" in value

    def _note(self, faults: Iterable[Fault], values: dict[str, Value]) -> None:
        for fault in faults:
            self.found.setdefault(fault, []).append(values)

    def _problems(self, empty: list[Fault], slips: list[Fault], general: list[Fault]) -> list[Problem]:
        """Every fault once; one that only some combinations have says which is the first."""
        places = {fault.path for fault in empty}
        around = {path[:-1] for path in places}
        places |= {fault.path for fault in slips}
        problems = [self._problem(fault, "") for fault in (*empty, *slips, *general)]
        for fault, runs in self.found.items():
            if fault.path not in places and not (fault.rule and fault.path in around):
                few = len(runs) < len(self.tried)
                problems.append(self._problem(fault, f" (with {matrix.run_id('', runs[0])[1:-1]})" if few else ""))
        return problems

    def _problem(self, fault: Fault, when: str) -> Problem:
        return self.document.problem(fault.path, fault.message + when, fault.suggestion, key=fault.key)


def _validated(root: dict[Key, Any]) -> tuple[Scenario | None, ValidationError | None]:
    try:
        return Scenario.model_validate(root, context=WRITTEN), None
    except ValidationError as error:
        return None, error


def _order(problem: Problem) -> tuple[int, int, str]:
    return problem.line, problem.column, problem.message


def _cross_checked(parts: Parts) -> Iterable[Fault]:
    for module in (check_objects, check_references, check_order, check_messages, check_worth):
        yield from module.check(parts)


def _readable_matrix(given: Any) -> tuple[dict[str, list[Value]], bool]:
    """The entries of the matrix that can be expanded, and whether those are all."""
    if not isinstance(given, dict):
        return {}, False
    right = {name: values for name, values in given.items() if isinstance(name, str) and isinstance(values, list)
             and values and all(isinstance(v, str | int | float | bool) for v in values)}
    return right, len(right) == len(given)


def _empty(part: Any, path: KeyPath = ()) -> Iterable[Fault]:
    """Keys and list entries without a value: it would be guessed what they mean."""
    entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, inner in entries:
        if inner is None and key != _MAY_BE_NULL:
            yield Fault((*path, key), f"the key {key!r} has no value" if isinstance(part, dict)
                        else "the key of this list entry has no value", key=isinstance(part, dict))
        yield from _empty(inner, (*path, key))
