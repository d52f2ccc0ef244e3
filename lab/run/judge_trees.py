"""Holds what `attribute` and `walk` saw against what the scenario says of each file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from lab.report.result import Check
from lab.scenario.steps import Step
from lab.scenario.tree_steps import Attribute, Walk

Kind = TypeVar("Kind", list[Any], dict[str, Any])

_SHOWN = 200  # characters of a text in a report
_LISTED = 8  # files that are wrong, one by one


def judge_trees(step: Step, observed: dict[str, Any]) -> list[Check]:
    """The checks of these two words, at least one; none for any other word."""
    checks: list[Check] = []
    if step.attribute is not None:
        checks = list(_attribute(step.attribute, _seen(observed, "writes", list)))
    elif step.walk is not None:
        checks = list(_walk(step.walk, _seen(observed, "found", dict), _seen(observed, "empty", list)))
    if checks and observed.get("ok") is not True:
        why = observed.get("problem") or observed.get("errno") or "failure without a reason"
        return [Check("result", "success", str(why)[:_SHOWN], False)]
    wrong = [c for c in checks if not c.ok]
    more = [Check("the other files", "as said", f"{len(wrong) - _LISTED} more that are not", False)]
    return wrong[:_LISTED] + (more if len(wrong) > _LISTED else []) \
        or [Check("files", "as said", f"{len(checks)} as said", True)][:len(checks)]


def _seen(observed: dict[str, Any], key: str, kind: type[Kind]) -> Kind:
    value = observed.get(key)
    return value if isinstance(value, kind) else kind()


def _attribute(word: Attribute, writes: list[dict[str, Any]]) -> Iterator[Check]:
    """One check for each write; a file whose writes are not all there is a failure too."""
    values = word.takes + word.refuses
    for name in word.files:
        of_file = [w for w in writes if w.get("file") == name]
        if word.optional and [w.get("missing") for w in of_file] == [True]:
            yield Check(name, "may be missing", "missing", True)
            continue
        done = [w.get("value") for w in of_file]
        if done != values:
            yield Check(f"writes to {name}", str(len(values)), f"{len(done)}", False)
            continue
        for index, write in enumerate(of_file):
            yield _taken(word, write) if index < len(word.takes) else _refused(word, write)


def _taken(word: Attribute, write: dict[str, Any]) -> Check:
    wanted = (write["value"] if word.reads is None else word.reads).strip()
    got = write["errno"] or f"taken, then {write['after']!r}"
    return Check(_of(write), f"taken, then {wanted!r}", got[:_SHOWN],
                 write["errno"] is None and str(write["after"]).strip() == wanted)


def _refused(word: Attribute, write: dict[str, Any]) -> Check:
    got, kept = write["errno"] or "taken", write["before"] == write["after"]
    change = "" if kept else f", and the text changed from {write['before']!r} to {write['after']!r}"
    return Check(_of(write), " or ".join(word.errnos), (got + change)[:_SHOWN], write["errno"] in word.errnos and kept)


def _of(write: dict[str, Any]) -> str:
    return f"{write['value']!r} to {write['file']}"[:_SHOWN]


def _walk(word: Walk, found: dict[str, str], empty: list[str]) -> Iterator[Check]:
    """One check for each file that is there or should be, and for each empty directory."""
    known = {**word.files, **word.optional}
    for name in sorted(word.files.keys() - found.keys()):
        yield Check(name, "to be there", "missing", False)
    for name, text in sorted(found.items()):
        wanted = known.get(name)
        if wanted is None:
            yield Check(name, "nothing", f"a file that says {text!r}"[:_SHOWN], False)
        else:
            yield Check(name, repr(wanted), repr(text)[:_SHOWN], _says(wanted, text))
    for name in sorted({*word.empty} - {*empty}):
        yield Check(f"the directory {name}", "empty", "missing, or not empty", False)
    for name in sorted({*empty} - {*word.empty}):
        yield Check(f"the directory {name}", "nothing", "an empty directory", False)


def _says(wanted: str, text: str) -> bool:
    """All of the text, and no NUL: these files are text (configfs.rst)."""
    return "\0" not in text and re.fullmatch(wanted, text) is not None
