"""YAML files as values with their places. The one user of yaml.

The reading is YAML 1.2's core schema and stricter: only `true` and `false` are booleans, so `on:` is the word "on";
a number with a leading zero (010), 12:30 and .inf are text, because readers differ on what they mean.
"""

from __future__ import annotations

import math
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.problems import Problem, Problems

SIZE_LIMIT = 1 << 20  # bytes of a file
VALUE_LIMIT = 50_000  # values once every alias is written out: what bounds "billion laughs"
DEPTH_LIMIT = 40

Key = str | int
KeyPath = tuple[Key, ...]

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml's parser is ten times as fast
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True,
          "false": False, "False": False, "FALSE": False}
_NUMBER = re.compile(
    r"(?P<int>[-+]?(?:0|[1-9][0-9]{0,39}))|(?P<hex>0x[0-9a-fA-F]{1,32})|(?P<oct>0o[0-7]{1,40})"
    r"|(?P<float>[-+]?(?:(?:0|[1-9][0-9]{0,39})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)")
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


@dataclass(slots=True)
class Node:
    """A value and where it stands; `content` is a scalar, or a list or dict of nodes."""

    line: int
    column: int
    content: Any
    weight: int = 1
    keys: dict[Key, tuple[int, int]] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value alone, made of new lists and dicts."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content


@dataclass(frozen=True)
class Document:
    """A YAML file: its values with their places, and what is wrong with it as YAML."""

    file: str
    raw: bytes
    root: Node | None
    problems: list[Problem]

    @property
    def value(self) -> dict[Key, Any]:
        """The mapping that the file is; empty when it could not be read."""
        return self.root.plain() if self.root is not None else {}

    def place(self, path: KeyPath, *, key: bool = False) -> tuple[int, int]:
        """Line and column of the value at `path` (as far as the path leads), or of its key."""
        node, spot = self.root, (1, 1)
        for index, part in enumerate(path):
            inner = node.content if node is not None else None
            if isinstance(inner, list) and isinstance(part, int) and part < len(inner):
                node = inner[part]
            elif isinstance(inner, dict) and part in inner and node is not None:
                if key and index == len(path) - 1:
                    return node.keys[part]
                spot, node = node.keys[part], inner[part]
            else:
                return spot
            # A mapping is found by the key that holds it: its own first line says nothing of what is missing.
            held_by_key = isinstance(part, str) and isinstance(node.content, dict | list)
            spot = spot if held_by_key else (node.line, node.column)
        return spot

    def problem(self, path: KeyPath, message: str, suggestion: str | None = None, *, key: bool = False) -> Problem:
        """A problem at the value (or key) at `path`."""
        return Problem(self.file, *self.place(path, key=key), message, suggestion)


def read(path: Path) -> Document:
    """The document in a file. Raises Problems (a UsageError) with everything that is wrong with it as YAML."""
    document = examine(path)
    if document.problems:
        raise Problems(document.problems)
    return document


def examine(path: Path) -> Document:
    """As `read`, but what is wrong stands in `.problems`, so that a caller can go on and find more."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return _broken(str(path), "this is not a regular file")
        with path.open("rb") as stream:
            raw = stream.read(SIZE_LIMIT + 1)
    except OSError as error:
        return _broken(str(path), f"cannot read this file: {error.strerror}")
    except ValueError:
        return _broken(str(path), "this is not the name of a file")
    return parse(raw, str(path))


def written(value: dict[str, Any]) -> str:
    """A mapping as YAML that reads back as it is: the innermost lists and mappings on one line."""
    # A mapping of nothing but scalars would be an innermost one itself.
    flow = None if any(isinstance(inner, dict | list) for inner in value.values()) else False
    return yaml.safe_dump(value, default_flow_style=flow, sort_keys=False, width=110, allow_unicode=True)


def parse(raw: bytes, file: str) -> Document:
    """The document in `raw`; `file` is only its name in problems. Never raises."""
    if len(raw) > SIZE_LIMIT:
        return _broken(file, f"the file is larger than {SIZE_LIMIT >> 10} KiB; is it really YAML?", raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[:error.start].decode("utf-8-sig")
        return _broken(file, f"byte 0x{raw[error.start]:02x} is not UTF-8 text", raw, *_line_column(before))
    if (found := _NOT_TEXT.search(text)) is not None:
        return _broken(file, f"character 0x{ord(found[0]):02x} cannot stand in a text file; is this a binary file?",
                       raw, *_line_column(text[:found.start()]))
    reader = _Reader(file, text)
    root = reader.document()
    return Document(file, raw, root, reader.problems)


def _broken(file: str, message: str, raw: bytes = b"", line: int = 0, column: int = 0) -> Document:
    return Document(file, raw[:SIZE_LIMIT], None, [Problem(file, line, column, message)])


def _line_column(before: str) -> tuple[int, int]:
    """Line and column of what comes after `before`."""
    lines = re.split("\r\n|\r|\n", before)
    return len(lines), len(lines[-1]) + 1


class _Stop(Exception):
    """Reading cannot go on; the problem is recorded."""


class _Reader:
    """Walks the parser's events once and builds nodes, with every limit checked on the way."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}

    def document(self) -> Node | None:
        """The file's mapping, or None with the reason in `problems`."""
        try:
            self.events: Iterator[Any] = yaml.parse(self.text, Loader=_LOADER)
            root = self._only_document()
        except _Stop:
            return None
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
            return None
        except yaml.YAMLError as error:
            self._at(1, 1, f"this is not YAML: {' '.join(str(error).split())}")
            return None
        if not isinstance(root.content, dict):
            self._at(root.line, root.column, "the file must be a mapping, lines of `key: value`")
            return None
        return root

    def _only_document(self) -> Node:
        next(self.events)  # stream start
        event = next(self.events)
        if isinstance(event, yaml.StreamEndEvent):
            self._at(1, 1, "the file is empty")
            raise _Stop
        root = self._node(next(self.events), 1)
        next(self.events)  # document end
        event = next(self.events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._fault(event, "a second document begins here; one file is one document")
            raise _Stop
        return root

    def _node(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > DEPTH_LIMIT:
            self._fault(event, f"this is nested more than {DEPTH_LIMIT} levels deep")
            raise _Stop
        if event.tag not in (None, "!"):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._fault(event, f"tags such as {tag} are not allowed; write the plain value")
        mark = event.start_mark
        node = Node(mark.line + 1, mark.column + 1, None)
        if isinstance(event, yaml.ScalarEvent):
            node.content = _scalar(event.value) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            self._sequence(node, depth)
        else:
            self._mapping(node, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            self._fault(event, f"*{event.anchor} names no anchor that is complete before this place")
            return Node(event.start_mark.line + 1, event.start_mark.column + 1, "")
        return node

    def _sequence(self, node: Node, depth: int) -> None:
        node.content = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            child = self._node(event, depth + 1)
            node.content.append(child)
            self._weigh(node, child, event)

    def _mapping(self, node: Node, depth: int) -> None:
        node.content = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            child = self._node(next(self.events), depth + 1)
            self._weigh(node, child, event)
            self._enter(node, key, child, event)

    def _enter(self, node: Node, key: Node, child: Node, event: Any) -> None:
        name, mark = key.content, event.start_mark
        if isinstance(name, bool) or not isinstance(name, str | int):
            self._fault(event, "a key must be text or a whole number; put it in quotes")
        elif name == "<<":
            self._fault(event, "merge keys (<<) are not supported; write the keys out, or use an alias for a value")
        elif name in node.keys:
            self._fault(event, f"the key {name!r} stands here twice, first in line {node.keys[name][0]}")
        else:
            node.keys[name] = (mark.line + 1, mark.column + 1)
            node.content[name] = child

    def _weigh(self, node: Node, child: Node, event: Any) -> None:
        node.weight += child.weight
        if node.weight > VALUE_LIMIT:
            self._fault(event, f"the file holds more than {VALUE_LIMIT} values once its aliases are written out")
            raise _Stop

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        if mark is None:
            self._at(1, 1, f"this is not YAML: {error.problem}")
            return
        if "nesting depth" in (error.problem or ""):  # PyYAML from 6.0.4 on looks ahead and has a limit of its own
            self._at(mark.line + 1, mark.column + 1, f"this is nested more than {DEPTH_LIMIT} levels deep")
            return
        lines = self.text.splitlines()
        line = lines[mark.line] if mark.line < len(lines) else ""
        indent = line[:len(line) - len(line.lstrip())]
        if "\t" in indent or line[mark.column:mark.column + 1] == "\t":
            column = indent.find("\t") if "\t" in indent else mark.column
            self._at(mark.line + 1, column + 1, "a tab stands here; YAML is indented with spaces")
            return
        what = " ".join(filter(None, (error.context, error.problem)))
        if error.context_mark is not None and error.context_mark.line != mark.line:
            what += f" (it began in line {error.context_mark.line + 1})"
        self._at(mark.line + 1, mark.column + 1, f"this is not YAML: {what}")

    def _fault(self, event: Any, message: str) -> None:
        mark = event.start_mark
        self._at(mark.line + 1, mark.column + 1, message)

    def _at(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(self.file, line, column, message))


def _scalar(text: str) -> str | int | float | bool | None:
    """What a plain scalar means in the core schema."""
    if text in _WORDS:
        return _WORDS[text]
    match = _NUMBER.fullmatch(text)
    if match is None or match.lastgroup is None:
        return text
    if match.lastgroup == "float":
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text
    return int(text, {"int": 10, "hex": 16, "oct": 8}[match.lastgroup])
