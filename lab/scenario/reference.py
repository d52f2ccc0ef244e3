"""The reference of the scenario language as Markdown, generated from the types: docs/scenarios/reference.md.

`python -m lab.scenario.reference docs/scenarios/reference.md` writes it; a test fails when the committed one is old.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.problems import listed
from lab.scenario.base import FORMS, HEX, LUN, MODULE, NAME
from lab.scenario.check_worth import ASSERTING
from lab.scenario.objects import CONFIG, WWN
from lab.scenario.schema import bare_schema
from lab.scenario.steps import COMMON, WORDS
from lab.t10.commands import COMMANDS, Command
from lab.t10.fields import Field

_UNITS = {"size": "size", "duration": "duration", "blocks": "blocks"}
_SHORT = {NAME: "name", LUN: "LUN", HEX: "hex bytes", MODULE: "module name", CONFIG: "kernel option",
          WWN: "name that begins with `naa.`, `fc.` or `iqn.`"}
_INTRODUCTION = f"""# Scenario reference

Generated from the types that check scenario files: do not edit. `lab check FILE` says everything that is wrong with
a file; `lab schema` prints the JSON Schema for editors.

A file is one experiment, in YAML. Only `true` and `false` are booleans; `on`, `yes` and `010` are text. Unknown and
duplicate keys, empty values and tags are refused. Anchors and aliases may be used, merge keys (`<<`) may not.

## Values

- **size**: `64M`, `512K`, `1G` (powers of 1024) or a number of bytes.
- **duration**: `500ms`, `2s`, `1min`; never without its unit.
- **blocks**: `8`, `2048-2055` (both ends belong to it), or a list of those.
- **name**: {FORMS[NAME]}.
- **LUN**: {FORMS[LUN]}. A backstore's name is enough where only one LUN has it.
- **hex bytes**: two small digits for each byte, such as `00ff`; quote them when they are digits only.
- **scalar**: text, a number, `true` or `false`.

## Matrix

`matrix: {{block_size: [512, 4096]}}` makes one run for each combination of values. `"{{block_size}}"` as a
whole value becomes the typed value (text where only text can stand), inside other text it becomes text;
`{{{{block_size}}}}` is the text `{{block_size}}`. Other names in braces are left alone: paths of `configfs` and
arguments of `run` have some of their own. Everything but `scenario`, `tags`, `matrix` and keys can hold them.
A run is called `name[block_size=512]`.

## What must be there

A scenario that cannot fail is refused. It needs at least one step of {listed([f"`{w}`" for w in ASSERTING])},
a `fio` with `verify`, any `expect`, or a kernel message that it requires. What `background` starts must be joined.
"""


def markdown() -> str:
    """The whole page."""
    schema = bare_schema()
    parts = [_INTRODUCTION, "\n".join(_table("Scenario", schema, schema["properties"]))]
    defs: dict[str, Any] = schema["$defs"]
    objects = [name for name in ("Requires", "Backstore", "Under", "Target") if name in defs]
    parts += ["\n".join(_table(name, defs[name], defs[name]["properties"])) for name in objects]
    step = defs["Step"]["properties"]
    parts.append("\n".join(_table("Step", defs["Step"], {name: step[name] for name in COMMON})))
    words = {word: step[word]["$ref"].rpartition("/")[2] for word in WORDS}
    parts += ["\n".join(_table(word, defs[name], defs[name]["properties"], 3)) for word, name in words.items()]
    rest = [name for name in defs if name not in {*objects, *words.values(), "Step"}]
    parts += ["\n".join(_table(name, defs[name], defs[name]["properties"])) for name in rest]
    return "\n\n".join(part.strip() for part in [*parts, _commands()]) + "\n"


def _table(title: str, model: Mapping[str, Any], properties: Mapping[str, Any], level: int = 2) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    yield " ".join(model.get("description", "").split())
    yield "\n| key | value | default | meaning |\n|---|---|---|---|"
    for name, part in properties.items():
        default = "required" if name in model.get("required", ()) else _code(part.get("default", ""))
        meaning = " ".join(part.get("description", "").split())
        yield f"| `{name}` | {_kind(part)} | {default} | {meaning} |".replace("|  |", "| |")


def _code(value: Any) -> str:
    return "" if value == "" else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(part: Mapping[str, Any]) -> str:
    """A schema in words."""
    if "$comment" in part:
        return _UNITS[part["$comment"]]
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in part:
        first, last = part["anyOf"][0], part["anyOf"][-1]
        if last.get("items") == first:
            return f"{_kind(first)}, or a list of those"
        kinds = list(dict.fromkeys(_kind(choice) for choice in part["anyOf"]))
        scalar = ["text", "whole number", "number", "`true` or `false`"]
        return listed(["scalar", *kinds[4:]] if kinds[:4] == scalar else kinds)
    if "enum" in part:
        many = len(part["enum"]) > 30
        return "see [commands](#commands)" if many else ", ".join(f"`{word}`" for word in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    return _plain_kind(part)


def _plain_kind(part: Mapping[str, Any]) -> str:
    kind = part["type"]
    if kind == "array":
        return f"list of {_kind(part['items'])}"
    if kind == "object":
        return f"mapping to {_kind(part['additionalProperties'])}"
    if kind == "string":
        pattern = part.get("pattern", "")
        return _SHORT.get(pattern) or FORMS.get(pattern, "text")
    if kind == "integer":
        return "whole number" + _bounds(part)
    return {"boolean": "`true` or `false`", "number": "number", "null": "`null`"}[kind]


def _bounds(part: Mapping[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is None or high is None:
        return f", at least {low}" if low is not None else ""
    power = high.bit_length()
    return f", {low} to {f'2^{power} - 1' if power > 16 and high == 2**power - 1 else high}"


def _commands() -> str:
    lines = ["## Commands", "", "What `scsi` can send by name, and the `arguments` that each takes.", "",
             "| command | lba | blocks | arguments |", "|---|---|---|---|"]
    lines += [_command(name, command) for name, command in COMMANDS.items()]
    return "\n".join(lines)


def _command(name: str, command: Command) -> str:
    arguments = "; ".join(f"`{n}`{_argument(field)}" for n, field in command.arguments.items())
    lba, blocks = (f"{bits} bits" if bits else "" for bits in (command.lba_bits, command.blocks_bits))
    return f"| `{name}` | {lba} | {blocks} | {arguments} |".replace("|  |", "| |").replace("|  |", "| |")


def _argument(field: Field) -> str:
    if field.each is not None:
        return f" (list of `{field.form}`)"
    if field.names is not None:
        return f" ({'required: ' if field.required else ''}{', '.join(field.names)})"
    return "" if field.maximum == 1 else f" (0 to 0x{field.maximum:x})"


def write(path: Path) -> None:
    """Write the page. OSError when the folder is not there."""
    path.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
