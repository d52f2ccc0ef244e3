"""The JSON Schema and the reference: from the same types, valid in themselves, and current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lab.document import parse
from lab.scenario import reference
from lab.scenario.schema import json_schema
from lab.scenario.steps import WORDS
from tests.unit.scenario_files import DISK, VERIFY
from tests.unit.test_scenario_load import MEDIUM_ERROR

ROOT = Path(__file__).parents[2]


def complaints(text: str) -> list[str]:
    """What a JSON Schema validator, as an editor has one, says of a file."""
    value = json.loads(json.dumps(parse(text.encode(), "f").value))  # keys of JSON are text
    return [error.message for error in Draft202012Validator(json_schema()).iter_errors(value)]


def test_the_schema_is_a_schema() -> None:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    json.dumps(schema)


@pytest.mark.parametrize("text", [
    MEDIUM_ERROR,
    DISK + "steps:\n" + VERIFY,
    DISK + "targets: [{nexus: null, luns: {0: disk}}]\nsteps:\n" + VERIFY,
    DISK + "matrix: {t: [1]}\nsteps:\n  - verify: {lun: disk, transfer: '{t}', blocks: ['{t}', 5-6], via: '{t}'}\n",
])
def test_right_files_are_valid(text: str) -> None:
    assert complaints(text) == []


@pytest.mark.parametrize(("step", "words"), [
    ("verify: {lun: disk, transfer: 0}", "not valid"),
    ("verify: {lun: disk, transfer: x}", "not valid"),
    ("verify: {lun: disk, transfer: null}", "not valid"),
    ("verify: {lun: disk, dpeth: 1}", "'dpeth' was unexpected"),
    ("verify: {}", "'lun' is a required property"),
    ("{verify: {lun: disk}, sleep: {time: 1s}}", "valid under each of"),
    ("{name: x}", "not valid under any"),
    ("sleep: {time: 5}", "not valid"),
    ("scsi: {lun: disk, command: raed10}", "not valid"),
])
def test_wrong_files_are_not(step: str, words: str) -> None:
    found = complaints(DISK + f"steps:\n  - {step}\n")
    assert found and words in found[0], found


def test_names_are_checked_by_the_schema() -> None:
    assert complaints(DISK.replace("disk:", "Disk:") + "steps:\n" + VERIFY)


def test_defaults_are_valid_and_written_as_a_person_would() -> None:
    schema = json_schema()
    assert schema["$defs"]["Step"]["properties"]["timeout"]["default"] == "60s"
    assert schema["$defs"]["Backstore"]["properties"]["size"]["default"] == "16M"
    for model in (schema, *schema["$defs"].values()):
        for name, part in model["properties"].items():
            if "default" in part:
                full: dict[str, Any] = {**part, "$defs": schema["$defs"]}
                assert Draft202012Validator(full).is_valid(part["default"]), name


def test_every_key_says_what_it_means() -> None:
    schema = json_schema()
    for title, model in (("Scenario", schema), *schema["$defs"].items()):
        assert model.get("description"), title
        for name, part in model["properties"].items():
            assert "description" in part or name in WORDS, (title, name)


def test_the_committed_reference_is_current() -> None:
    page = ROOT / "docs" / "scenarios" / "reference.md"
    assert page.read_text(encoding="utf-8") == reference.markdown(), (
        "run: python -m lab.scenario.reference docs/scenarios/reference.md")


def test_the_reference_names_every_word() -> None:
    page = reference.markdown()
    assert all(f"\n### {word}\n" in page for word in WORDS)
    assert max(line.count("|") for line in page.splitlines() if line.startswith("| `")) == 5
