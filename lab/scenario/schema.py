"""The JSON Schema (Draft 2020-12) of scenario files, for editors, from the same types that check them."""

from __future__ import annotations

from typing import Any

from lab.scenario.steps import WORDS
from lab.scenario.types import Scenario

_FIXED = ("scenario", "matrix", "tags")  # where a matrix value cannot stand
_PLACE = {"type": "string", "pattern": r"^\{[a-z][a-z0-9_-]*\}$", "description": "a value of the matrix"}
# Of text a part may be a place: a wwn is "{prefix}.1".
_PLACE_IN_TEXT = {"type": "string", "pattern": r"\{[a-z][a-z0-9_-]*\}", "description": "text with values of the matrix"}
_ABOUT = ("description", "default", "$comment")


def json_schema() -> dict[str, Any]:
    """The schema. Where any typed value may stand, a `{NAME}` of the matrix may too."""
    schema = bare_schema()
    for model in (schema, *schema["$defs"].values()):
        properties = model.get("properties", {})
        for name, part in properties.items():
            if model is not schema or name not in _FIXED:
                properties[name] = _with_place(part)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def bare_schema() -> dict[str, Any]:
    """The schema of a scenario without matrix values, in which no value may be null but where that means something."""
    schema = Scenario.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        for name, part in model.get("properties", {}).items():
            model["properties"][name] = _tidy(part, keep_null=name == "nexus")
    # The default that stands in the type is made from the other keys of the file.
    schema["properties"]["targets"].pop("default", None)
    schema["$defs"]["Step"]["oneOf"] = [{"required": [word]} for word in WORDS]
    return schema


def _tidy(part: dict[str, Any], *, keep_null: bool) -> dict[str, Any]:
    """Without titles that repeat the key, without `or null`, and with the default as a person writes it."""
    part = {key: value for key, value in part.items() if key != "title"}
    if part.get("default", 0) is None:
        del part["default"]
    if "anyOf" in part and not keep_null:
        choices = [choice for choice in part["anyOf"] if choice != {"type": "null"}]
        part = {**{k: v for k, v in part.items() if k != "anyOf"},
                **(choices[0] if len(choices) == 1 else {"anyOf": choices})}
    if "patternProperties" in part:  # which would let any other name pass unseen
        ((pattern, inner),) = part.pop("patternProperties").items()
        part["additionalProperties"] = inner
        part["propertyNames"] = {**part.get("propertyNames", {}), "pattern": pattern}
    if "default" in part:
        part["default"] = _written(part["default"], part.get("$comment"))
    return part


def _written(value: Any, unit: str | None) -> Any:
    if unit == "duration":
        return f"{value:g}s"
    if unit == "size":
        for letter, factor in (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)):
            if value % factor == 0:
                return f"{value // factor}{letter}"
    return value


def _with_place(part: dict[str, Any]) -> dict[str, Any]:
    """Also a place of the matrix, at every depth, except where any text fits anyway."""
    part = dict(part)
    for key in ("items", "additionalProperties"):
        if isinstance(part.get(key), dict):
            part[key] = _with_place(part[key])
    if "$ref" in part or part.get("type") in ("object", "array"):
        return part
    if part.get("type") == "string" and not {"pattern", "enum", "const"} & set(part):
        return part
    about = {key: part.pop(key) for key in _ABOUT if key in part}
    choices = part["anyOf"] if set(part) == {"anyOf"} else [part]
    place = _PLACE_IN_TEXT if any(choice.get("type") == "string" for choice in choices) else _PLACE
    return {**about, "anyOf": [*(_with_items(c) for c in choices), place]}


def _with_items(choice: dict[str, Any]) -> dict[str, Any]:
    return _with_place(choice) if choice.get("type") in ("array", "object") else choice
