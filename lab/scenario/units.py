"""Values with units: sizes, durations and block ranges, as they are written in a scenario."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

_SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_DURATIONS = {"ms": 0.001, "s": 1.0, "min": 60.0}
SIZE_LIMIT = 16 << 40  # bytes
_DIGITS = "[0-9]{1,20}"
WRITTEN = object()  # the validation context of a scenario file


def parse_size(value: Any) -> int:
    """Bytes from `64M`, `512K`, `1G` (powers of 1024) or a plain number of bytes; ValueError otherwise."""
    match = re.fullmatch(rf"({_DIGITS})([KMGT]?)", str(value)) if _is_text_or_int(value) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(f"expected a size such as 64M, 512K or 1G, not {_shown(value)}")
    size = int(match[1]) * _SIZES[match[2]]
    if size > SIZE_LIMIT:
        raise ValueError(f"a size must be at most {SIZE_LIMIT >> 40}T, not {_shown(value)}")
    return size


def parse_duration(value: Any) -> float:
    """Seconds from `500ms`, `2s`, `1min`; a number without a unit is refused, because it would be guessed."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|min)", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a duration with its unit, such as 500ms, 2s or 1min, not {_shown(value)}")
    return float(match[1]) * _DURATIONS[match[2]]


def parse_ranges(value: Any) -> list[tuple[int, int]]:
    """Inclusive block ranges [(first, last)] from `8`, `2048-2055`, or a list of those; ValueError otherwise."""
    return [_range(item) for item in (value if isinstance(value, list) else [value])]


def _range(item: Any) -> tuple[int, int]:
    match = re.fullmatch(rf"({_DIGITS})(?:-({_DIGITS}))?", str(item)) if _is_text_or_int(item) else None
    if match is None:
        raise ValueError(f"expected blocks such as 8, 2048-2055 or a list of those, not {_shown(item)}")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise ValueError(f"the blocks {item} end before they begin")
    return first, last


def _is_text_or_int(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def written(info: ValidationInfo) -> bool:
    """Whether a person wrote this, so that units are demanded; a saved plan holds seconds and pairs already."""
    return info.context is WRITTEN


def _duration(value: Any, info: ValidationInfo) -> float:
    if not written(info) and isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    return parse_duration(value)


def _ranges(value: Any, info: ValidationInfo) -> list[tuple[int, int]]:
    if not written(info) and isinstance(value, list):
        return [(int(i[0]), int(i[1])) if isinstance(i, list | tuple) and len(i) == 2 else _range(i) for i in value]
    return parse_ranges(value)


# `$comment` names the unit; the reference and the defaults of the schema are written with it.
_BLOCKS = {"type": ["string", "integer"], "pattern": r"^[0-9]+(-[0-9]+)?$", "minimum": 0}
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema(
    {"type": ["string", "integer"], "pattern": r"^[0-9]+[KMGT]?$", "minimum": 1, "$comment": "size"})]
Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(
    {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|min)$", "$comment": "duration"})]
BlockRanges = Annotated[list[tuple[int, int]], BeforeValidator(_ranges), WithJsonSchema(
    {"anyOf": [_BLOCKS, {"type": "array", "items": _BLOCKS}], "$comment": "blocks"})]
