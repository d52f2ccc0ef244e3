"""Matrix expansion: every combination of values, put in place of {NAME} before anything is validated.

Only names of the matrix are replaced, so that {target} or {disk} in a path reach the guest as they are.
A value that is nothing but {NAME} becomes the typed value; `{{NAME}}` is the text {NAME}.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lab.document import Key, KeyPath
from lab.explain import Fault, at, describe_plain
from lab.problems import nearest

RUN_LIMIT = 512
_FIXED = ("scenario", "matrix", "tags")  # what a file is called does not depend on its values
_PLACE = re.compile(r"\{\{([a-z][a-z0-9_-]*)\}\}|\{([a-z][a-z0-9_-]*)\}")
# Where braces may be meant, or are looked at by check_references.
_FREE = {"argv", "stdin", "value", "match", "text", "equals", "kernel_message",
         "configfs", "read", "write", "mkdir", "rmdir", "link", "to", "unlink",
         "file", "directory"}

Value = str | int | float | bool


def combinations(matrix: dict[str, list[Value]]) -> Iterator[dict[str, Value]]:
    """Every combination, the last name turning fastest; one empty combination without a matrix."""
    for values in itertools.product(*matrix.values()):
        yield dict(zip(matrix, values, strict=True))


def substituted(root: dict[Key, Any], values: dict[str, Value]) -> dict[Key, Any]:
    """The document with every {NAME} of the matrix replaced; shares what did not change."""
    if not values:
        return root
    return {key: part if key in _FIXED else _substitute(part, values) for key, part in root.items()}


def _substitute(part: Any, values: dict[str, Value]) -> Any:
    if isinstance(part, dict):
        return {key: _substitute(inner, values) for key, inner in part.items()}
    if isinstance(part, list):
        return [_substitute(inner, values) for inner in part]
    if not isinstance(part, str) or "{" not in part:
        return part
    whole = _PLACE.fullmatch(part)
    if whole is not None and whole[2] in values:
        return values[whole[2]]
    return _PLACE.sub(lambda m: _replacement(m, values), part)


def _replacement(match: re.Match[str], values: dict[str, Value]) -> str:
    if match[1] in values:
        return f"{{{match[1]}}}"
    return describe_plain(values[match[2]]) if match[2] in values else match[0]


def run_id(name: str, values: dict[str, Value]) -> str:
    """`name[block_size=512,queue_depth=1]`, or the bare name without a matrix."""
    inner = ",".join(f"{key}={describe_plain(value)}" for key, value in values.items())
    return f"{name}[{inner}]" if inner else name


def in_text(root: dict[Key, Any], paths: Iterable[KeyPath]) -> None:
    """Turn the values at these places, which must be text and were put there whole, into text."""
    for path in paths:
        at(root, path[:-1])[path[-1]] = describe_plain(at(root, path))


def check(root: dict[Key, Any], matrix: dict[str, list[Value]]) -> list[Fault]:
    """Names that nothing uses or that mean something else too, values that stand twice, too many runs."""
    faults = [Fault(("matrix", name), f"nothing uses the matrix name {name!r}; write {{{name}}} where it belongs",
                    key=True) for name in matrix if name not in _used(root)]
    faults += _twice(matrix)
    taken = _objects(root)
    faults += [Fault(("matrix", name), f"{{{name}}} would also stand for a backstore or target called {name!r}",
                     key=True) for name in matrix if name in taken]
    runs = math.prod(len(values) for values in matrix.values())
    if runs > RUN_LIMIT:
        faults.append(Fault(("matrix",), f"the matrix makes {runs} runs; at most {RUN_LIMIT} are allowed", key=True))
    return faults


def _twice(matrix: dict[str, list[Value]]) -> Iterator[Fault]:
    for name, values in matrix.items():
        seen: set[str] = set()
        for index, value in enumerate(values):
            text = describe_plain(value)
            if text in seen:
                yield Fault(("matrix", name, index), f"the value {text} stands twice in {name}")
            seen.add(text)


def _objects(root: dict[Key, Any]) -> set[str]:
    """Names that {NAME} may stand for in paths and arguments, read without validation."""
    backstores, targets = root.get("backstores"), root.get("targets")
    names = {str(name) for name in backstores} if isinstance(backstores, dict) else set()
    if isinstance(targets, list):
        names |= {str(t["name"]) for t in targets if isinstance(t, dict) and "name" in t}
    return names | {"target"}


def _texts(part: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(part, dict):
        for key, inner in part.items():
            if path or key not in _FIXED:
                yield from _texts(inner, (*path, key))
    elif isinstance(part, list):
        for index, inner in enumerate(part):
            yield from _texts(inner, (*path, index))
    elif isinstance(part, str) and "{" in part:
        yield path, part


def _used(root: dict[Key, Any]) -> set[str]:
    return {m[2] for _, text in _texts(root) for m in _PLACE.finditer(text) if m[2]}


def slips(root: dict[Key, Any]) -> Iterator[Fault]:
    """{blok_size} where the matrix has block_size: it would reach the guest as text."""
    matrix, taken = root.get("matrix", {}), _objects(root)
    if not isinstance(matrix, dict):
        return
    for path, text in _texts(root):
        for match in _PLACE.finditer(text):
            if match[2] and match[2] not in matrix and match[2] not in taken:
                near = nearest(match[2], matrix)
                if near is not None or (match[0] == text and not _FREE.intersection(path[-2:])):
                    yield Fault(path, f"the matrix has no name {match[2]!r}", near and f"{{{near}}}")
