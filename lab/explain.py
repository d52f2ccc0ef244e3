"""What pydantic finds wrong in a document, said in plain English, at its place, with the nearest right word."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lab.document import Document, KeyPath
from lab.problems import Problem, listed, nearest

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "string_type": "text", "bool_type": "true or false", "list_type": "a list", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "none_required": "nothing",
}
_BOUNDS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le"),
           "greater_than": ("more than", "gt"), "less_than": ("less than", "lt")}
_MANY = 8  # more words than anybody reads when the nearest is told
_BOOLEAN = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(frozen=True)
class Fault:
    """Something wrong at a path of a document: in the value there, or (`key`) in the key itself."""

    path: KeyPath
    message: str
    suggestion: str | None = None
    key: bool = False
    rule: bool = False  # a rule of the whole mapping there, which an empty key in it may have broken


def validated(document: Document, model: type[Model], forms: Mapping[str, str]) -> tuple[Model | None, list[Problem]]:
    """A document as a model, None when it is not one; and everything that is wrong in it, at its place."""
    if document.root is None:
        return None, document.problems
    try:
        return model.model_validate(document.value), list(document.problems)
    except ValidationError as error:
        faults = faults_of(error, document.value, model, forms)
        return None, [*document.problems,
                      *(document.problem(f.path, f.message, f.suggestion, key=f.key) for f in faults)]


def faults_of(error: ValidationError, value: Any, model: type[BaseModel], forms: Mapping[str, str]) -> list[Fault]:
    """All faults that validating `value` as `model` gave. `forms` says in words what a pattern demands."""
    groups: dict[KeyPath, list[ErrorDetails]] = {}
    faults: list[Fault] = []
    for detail in error.errors(include_url=False):
        path, rest = path_of(detail["loc"], value)
        if detail["type"] == "missing":
            faults.append(Fault(path, f"the key {rest[-1]!r} is missing here"))
        elif detail["type"] == "extra_forbidden":
            known = _fields(model, path[:-1])
            near = nearest(path[-1], known)
            hint = "" if near or not known else f"; the keys here are {listed(sorted(known), 'and')}"
            faults.append(Fault(path, f"unknown key {path[-1]!r}{hint}", near, key=True))
        elif rest and rest[-1] == "[key]":
            message, near = _sentence([detail], path[-1], forms)
            faults.append(Fault(path, f"the key {path[-1]!r}: {message}", near, key=True))
        else:
            groups.setdefault(path, []).append(detail)
    return faults + list(_unions(groups, value, forms))


def _unions(groups: dict[KeyPath, list[ErrorDetails]], value: Any, forms: Mapping[str, str]) -> Iterator[Fault]:
    """One fault per place: the branches of a union all complain, and the one that went deepest knows best."""
    for path, details in groups.items():
        deeper = any(other != path and other[:len(path)] == path for other in groups)
        if deeper and all(d["type"] in _KINDS or d["type"] == "literal_error" for d in details):
            continue
        rule = isinstance(at(value, path), dict) and details[0]["type"] == "value_error"
        yield Fault(path, *_sentence(details, at(value, path), forms), rule=rule)


def at(value: Any, path: KeyPath) -> Any:
    """The part of a plain value that a path leads to; KeyError, IndexError or TypeError when it leads nowhere."""
    for part in path:
        value = value[part]
    return value


def path_of(loc: tuple[int | str, ...], value: Any) -> tuple[KeyPath, tuple[int | str, ...]]:
    """A location as the path that exists in the value, and the rest: union branches, a missing key, `[key]`."""
    path: list[int | str] = []
    for index, part in enumerate(loc):
        inside = part in value if isinstance(value, dict) else (
            isinstance(value, list) and isinstance(part, int) and part < len(value))
        if inside:
            path.append(part)
            value = value[part]
        elif index == len(loc) - 1:
            return tuple(path), (part,)
    return tuple(path), ()


def _sentence(details: list[ErrorDetails], value: Any, forms: Mapping[str, str]) -> tuple[str, str | None]:
    """What was expected, what stands there, and the nearest right word."""
    for detail in details:
        if detail["type"] not in _KINDS and detail["type"] != "literal_error":
            return _particular(detail, value, forms)
    words = [w for d in details if d["type"] == "literal_error" for w in _literals(d)]
    kinds = dict.fromkeys(_KINDS[d["type"]] for d in details if d["type"] in _KINDS)
    near = nearest(value, words) if isinstance(value, str) else None
    if near is not None and len(words) > _MANY:
        return f"{value!r} is not known here", near
    hint = ""
    if "true or false" in kinds and isinstance(value, str):
        near = _BOOLEAN.get(value.casefold())
    elif "text" in kinds and isinstance(value, int | float):
        hint = f'; put it in quotes to make it text: "{describe_plain(value)}"'
    expected = [*(["one of"] if len(words) > 1 else []), listed([*words, *kinds])]
    return f"expected {' '.join(expected)}, not {describe(value)}{hint}", near


def _particular(detail: ErrorDetails, value: Any, forms: Mapping[str, str]) -> tuple[str, str | None]:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"must be {words} {context[name]}, not {describe_plain(value)}", None
    if kind == "string_pattern_mismatch":
        form = forms.get(context["pattern"], f"text of the form {context['pattern']}")
        return f"expected {form}, not {describe(value)}", None
    if kind in ("too_short", "string_too_short"):
        return _length("at least", int(context["min_length"]), kind), None
    if kind in ("too_long", "string_too_long"):
        return _length("at most", int(context["max_length"]), kind), None
    if kind in ("value_error", "assertion_error"):
        said = context["error"]
        return str(said), getattr(said, "suggestion", None)
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, not {describe(value)}", None


def _length(bound: str, count: int, kind: str) -> str:
    unit = ("character" if kind.startswith("string") else "entry") if count == 1 else (
        "characters" if kind.startswith("string") else "entries")
    return f"needs {bound} {count} {unit}"


def _literals(detail: ErrorDetails) -> list[str]:
    """The words of a Literal, from pydantic's `'a', 'b' or 4`."""
    text = detail["ctx"]["expected"].replace(" or ", ", ")
    return [word.strip("'") for word in text.split(", ")]


def describe(value: Any) -> str:
    """A value of a file as a person would call it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return describe_plain(value)
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value if len(value) <= 60 else value[:57] + '...'!r}"
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def describe_plain(value: Any) -> str:
    """A scalar as it is written in YAML."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _fields(model: type[BaseModel], path: KeyPath) -> set[str]:
    """The keys that the type at `path` below `model` knows; empty when the path leads to no type."""
    found: list[Any] = [model]
    for part in path:
        found = [inner for one in found for inner in _inner(one, part)]
    return {name for one in found for name in one.model_fields} if found else set()


def _inner(model: type[BaseModel], part: int | str) -> list[Any]:
    if isinstance(part, int) or part not in model.model_fields:
        return [model]  # an entry of a list or dict: its type was already unfolded
    return list(models_in(model.model_fields[str(part)].annotation))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation, through Optional, Annotated, list and dict."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, BaseModel):
            yield annotation
    elif get_origin(annotation) is not None:
        for argument in get_args(annotation):
            yield from models_in(argument)
