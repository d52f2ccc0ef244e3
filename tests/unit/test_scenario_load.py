"""lab.scenario.load: a file to its runs, or to everything that is wrong with it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.document import parse
from lab.explain import at
from lab.problems import Problems
from lab.scenario.load import load
from lab.scenario.types import Scenario
from tests.unit.scenario_files import DISK, HEAD, VERIFY, loaded, steps, told

MEDIUM_ERROR = """\
scenario: iblock-medium-error
summary: A write to a failing sector reports MEDIUM ERROR, and every other sector keeps its data.
tags: [fault, iblock, smoke]
matrix:                                # every combination is a run of its own
  block_size: [512, 4096]
  queue_depth: [1, 32]
requires: {modules: [dm_mod]}          # else SKIP, with all reasons

backstores:
  disk:
    type: iblock
    size: 64M
    on: {type: dm, over: ramdisk}
    attributes: {block_size: "{block_size}", emulate_tpu: 1}
targets:
  - wwn: naa.6001405000000001
    nexus: naa.6001405000000002
    luns: {0: disk}

steps:
  - write: {lun: disk, pattern: ledger, depth: "{queue_depth}"}
  - inject: {fault: dm-error, on: disk, sectors: 2048-2055}
  - scsi: {lun: disk, command: write10, lba: 2048, blocks: 8, data: {fill: 1}}
    expect: {sense: MEDIUM_ERROR}
  - clear: {fault: dm-error, on: disk}
  - verify: {lun: disk, allow_changed: 2048-2055}

expect:
  kernel:
    allow: [{match: "I/O error, dev dm-", reason: the fault that this scenario injects}]
"""


def test_the_scenario_of_the_design(tmp_path: Path) -> None:
    found = loaded(tmp_path, MEDIUM_ERROR)
    assert found.problems == []
    assert [run.id for run in found.runs] == [
        f"iblock-medium-error[block_size={b},queue_depth={q}]" for b in (512, 4096) for q in (1, 32)]
    run = found.runs[-1]
    assert run.values == {"block_size": 4096, "queue_depth": 32}
    assert run.digest == hashlib.sha256(MEDIUM_ERROR.encode()).hexdigest()
    assert run.path == found.path
    scenario = run.scenario
    assert scenario.backstores["disk"].attributes == {"block_size": 4096, "emulate_tpu": 1}
    assert scenario.backstores["disk"].size == 64 << 20
    assert scenario.steps[0].write is not None and scenario.steps[0].write.depth == 32
    assert scenario.steps[1].inject is not None and scenario.steps[1].inject.sectors == [(2048, 2055)]
    assert [step.word for step in scenario.steps] == ["write", "inject", "scsi", "clear", "verify"]
    assert scenario.steps[0].timeout == 60.0


def test_a_saved_plan_is_read_back_as_it_was(tmp_path: Path) -> None:
    text = MEDIUM_ERROR.replace("    luns:", "    scsi_timeout: 2s\n    luns:").replace(
        "{sense: MEDIUM_ERROR}", "{sense: MEDIUM_ERROR, took: {at_least: 500ms}}\n    timeout: 1.5min")
    scenario = loaded(tmp_path, text).runs[0].scenario
    saved = json.dumps(scenario.model_dump(mode="json"))
    assert Scenario.model_validate_json(saved) == scenario
    assert Scenario.model_validate(json.loads(saved), strict=False) == scenario
    assert scenario.steps[2].timeout == 90.0


def test_targets_that_are_left_out_are_made(tmp_path: Path) -> None:
    text = HEAD + "backstores: {b: {type: ramdisk}, a: {type: fileio}}\nsteps:\n  - verify: {lun: a}\n"
    scenario = loaded(tmp_path, text).runs[0].scenario
    assert [(t.name, t.luns) for t in scenario.targets] == [("target", {0: "b", 1: "a"})]
    assert "targets" in scenario.model_dump(exclude_unset=True)


def test_an_empty_list_of_targets_stays_empty(tmp_path: Path) -> None:
    text = DISK + "targets: []\nsteps:\n  - configfs: {read: core/x}\n    expect: {errno: ENOENT}\n"
    assert loaded(tmp_path, text).runs[0].scenario.targets == []


@pytest.mark.parametrize("raw", [b"", b"\0\1\2", b"x" * (2 << 20), b"a: [", b"a:\n\tb: 1", b"- a", b"a: 1\n---\nb: 1"])
def test_a_file_that_is_no_yaml_mapping_has_one_problem(tmp_path: Path, raw: bytes) -> None:
    found = loaded(tmp_path, raw)
    assert len(found.problems) == 1
    assert found.runs == [] and found.name is None


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert [p.message for p in load(tmp_path / "none.yaml").problems] == [
        "cannot read this file: No such file or directory"]


def test_forty_faults_are_forty_problems(tmp_path: Path) -> None:
    kinds = ["writ: {lun: disk}", "write: {lun: dsk}", "write: {lun: disk, depth: abc}", "write: {lun: disk, dept: 1}",
             "sleep: {time: 3}", "verify: {lun: disk, via: blok}", "scsi: {lun: disk, command: raed10}",
             "write: {}"]
    text = steps(*(kinds[i % len(kinds)] for i in range(40)))
    found = loaded(tmp_path, text)
    assert len(found.problems) == 40
    assert [p.line for p in found.problems] == list(range(5, 45))
    with pytest.raises(Problems) as caught:
        found.required_runs()
    assert len(str(caught.value).splitlines()) == 40


@pytest.mark.parametrize(("step", "problem"), [
    ("wirte: {lun: disk}", "5:5: unknown key 'wirte'; did you mean 'write'?"),
    ("write: {lun: disk, dpeth: 3}", "5:24: unknown key 'dpeth'; did you mean 'depth'?"),
    ("write: {lun: disk, depth: abc}", "5:31: expected a whole number, not the text 'abc'"),
    ("write: {lun: disk, depth: true}", "5:31: expected a whole number, not true"),
    ("write: {lun: disk, depth: 1.5}", "5:31: expected a whole number, not the number 1.5"),
    ("write: {lun: disk, depth: [1]}", "5:24: expected a whole number, not a list"),
    ("write: {lun: disk, depth: 0}", "5:31: must be at least 1, not 0"),
    ("write: {lun: disk, depth: 999}", "5:31: must be at most 128, not 999"),
    ("write: {lun: disk, depth: }", "5:24: the key 'depth' has no value"),
    ("write: {lun: disk, via: blok}",
     "5:29: expected one of block or sg, not the text 'blok'; did you mean 'block'?"),
    ("write: {lun: disk, blocks: 9-1}", "5:32: the blocks 9-1 end before they begin"),
    ("write: {lun: 3}", "5:18: expected text, not the number 3; put it in quotes to make it text: \"3\""),
    ("write: {depth: 3}", "5:5: the key 'lun' is missing here"),
    ("write: disk", "5:12: expected a mapping, not the text 'disk'"),
    ("write:", "5:5: the key 'write' has no value"),
    ("nothing", "5:5: expected a mapping, not the text 'nothing'"),
    ("reset: {lun: disk, level: devcie}",
     "5:31: expected one of device, target, bus or host, not the text 'devcie'; did you mean 'device'?"),
    ("sleep: {time: 2}", "5:19: expected a duration with its unit, such as 500ms, 2s or 1min, not 2"),
    ("{sleep: {time: 2s}, timeout: 11min}", "5:34: a timeout must be longer than 0s and at most 10min"),
    ("{sleep: {time: 2s}, timeout: 0s}", "5:34: a timeout must be longer than 0s and at most 10min"),
    ("{sleep: {time: 2s}, write: {lun: disk}}", "a step has exactly one word of"),
    ("{name: x}", "a step has exactly one word of"),
    ("scsi: {lun: disk, command: raed10, lba: 0, blocks: 1}",
     "5:32: unknown SCSI command 'raed10'; did you mean 'read10'?"),
    ("scsi: {lun: disk, command: read10}", "5:5: read10 needs lba"),
    ("scsi: {lun: disk}", "5:5: scsi needs either command or cdb"),
    ("scsi: {lun: disk, cdb: \"00\"}", "expected 6 to 252 bytes in hex"),
    ("scsi: {lun: disk, command: test_unit_ready, keep_attention: yes}",
     "5:65: expected true or false, not the text 'yes'; did you mean 'true'?"),
    ("{verify: {lun: disk}, expect: {sense: MEDIUM_EROR}}",
     "unknown sense key 'MEDIUM_EROR'; did you mean MEDIUM_ERROR"),
    ("{verify: {lun: disk}, expect: {errno: EOI}}", "5:43: 'EOI' is not known here; did you mean 'EIO'?"),
    ("{verify: {lun: disk}, expect: {errno: [EIO, EINVL]}}",
     "5:49: 'EINVL' is not known here; did you mean 'EINVAL'?"),
    ("{verify: {lun: disk}, expect: {errno: 5}}", "or a list, not the number 5"),
    ("{verify: {lun: disk}, expect: {host_status: DID_ABROT}}",
     "5:49: unknown host status 'DID_ABROT'; did you mean 'DID_ABORT'?"),
    ("{verify: {lun: disk}, expect: {}}", "5:27: an empty expect asserts nothing"),
    ("{run: {argv: [x]}, expect: {match: \"(\"}}", "not a regular expression: missing )"),
    ("configfs: {write: x, value: 1}", "expected text, not the number 1; put it in quotes"),
    ("configfs: {write: x}", "write needs either value or value_hex"),
    ("configfs: {read: x, mkdir: y}", "not read and mkdir together"),
    ("configfs: {link: x}", "link needs to"),
    ("configfs: {read: \"a\\0b\"}", "a NUL character"),
    ("attribute: {file: x}", "attribute needs values: takes, refuses or both"),
    ("attribute: {file: x, takes: [1]}", "expected text, not the number 1; put it in quotes"),
    ("attribute: {file: x, refuses: [\"\"]}", "configfs does not pass an empty write on"),
    ("attribute: {file: x, refuses: [y], reads: z}", "reads is what the file says after takes"),
    ("attribute: {file: x, refuses: [y], errno: EINVL}", "'EINVL' is not known here; did you mean 'EINVAL'?"),
    ("walk: {directory: x, files: {y: \"(\"}}", "not a regular expression"),
    ("walk: {directory: x, files: {y: a}, optional: {y: b}}", "y is in files and in optional"),
    ("sysfs: {read: state}", "'state' is below a LUN's device: give lun"),
    ("sysfs: {read: /etc/passwd}", "an absolute path must be below /sys or /proc"),
    ("wait_for: {in_flight: 1}", "in_flight needs a lun"),
    ("wait_for: {configfs: x}", "exactly one of equals, exists, match"),
    ("wait_for: {}", "exactly one of sysfs, configfs, kernel_message, in_flight"),
    ("module: {action: unload, name: x, parameters: {a: 1}}", "parameters belong to load"),
    ("fio: {lun: disk, options: {filename: /dev/sda}}", "filename cannot be set"),
    ("fio: {lun: disk, options: {rw: {a: b}}}",
     "5:32: expected text, a whole number, a number or true or false, not a mapping"),
    ("{verify: {lun: disk}, expect: {any_of: [{errno: EIO}, {sens: ABORTED_COMMAND}]}}",
     "5:60: unknown key 'sens'; did you mean 'sense'?"),
    ("lun: {action: add, number: 1}", "add needs backstore"),
    ("background: {name: b, step: {wirte: {}}}", "5:34: unknown key 'wirte'; did you mean 'write'?"),
])
def test_one_fault_is_one_sentence_with_its_place(tmp_path: Path, step: str, problem: str) -> None:
    found = told(tmp_path, steps(step))
    assert len(found) == 1, found
    assert problem in found[0]


@pytest.mark.parametrize(("change", "problem"), [
    (("scenario: a", "scenario: A b"),
     "1:11: expected a name of small letters, digits and -, not the text 'A b'"),
    (("summary: what must be true here", "summary: x"), "2:10: needs at least 10 characters"),
    (("scenario: a\n", ""), "1:1: the key 'scenario' is missing here"),
    (("size: 1M", "size: 1Q"), "3:42: expected a size such as 64M, 512K or 1G, not '1Q'"),
    (("size: 1M", "size: 99T"), "3:42: a size must be at most 16T, not '99T'"),
    (("size: 1M", "sise: 1M"), "3:36: unknown key 'sise'; did you mean 'size'?"),
    (("ramdisk", "ramdsk"),
     "expected one of ramdisk, fileio, iblock, pscsi or tcmu, not the text 'ramdsk'; did you mean 'ramdisk'?"),
    (("disk:", "Disk:"), "3:14: the key 'Disk': expected a name of small letters"),
    (("steps:", "targets: [{luns: {x: disk}}]\nsteps:"),
     "4:19: the key 'x': expected a whole number, not the text 'x'"),
    (("steps:", "targets: [{luns: {70000: disk}}]\nsteps:"), "4:19: the key 70000: must be at most 65535"),
    (("steps:", "targets: [{nexus: eui.1, luns: {0: disk}}]\nsteps:"),
     "4:19: expected a name that begins with naa., fc. or iqn."),
    (("steps:", "steps: []\nx:"), "4:1: needs at least 1 entry"),
    (("steps:", "requires: {config: [TCM_LOOP]}\nsteps:"),
     "4:21: expected a kernel option such as CONFIG_TCM_FC"),
    (("steps:", "tags:\nsteps:"), "4:1: the key 'tags' has no value"),
    (("steps:", "expect: {kernel: {allow: [{match: x}]}}\nsteps:"), "4:27: the key 'reason' is missing here"),
    (("steps:", "expect: {kernal: {}}\nsteps:"), "4:10: unknown key 'kernal'; did you mean 'kernel'?"),
    (("steps:", "summary: again and again\nsteps:"),
     "4:1: the key 'summary' stands here twice, first in line 2"),
])
def test_faults_of_the_objects(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    found = told(tmp_path, (DISK + "steps:\n" + VERIFY).replace(*change, 1))
    assert any(problem in line for line in found), found


def test_null_is_a_value_of_nexus_only(tmp_path: Path) -> None:
    text = DISK + "targets: [{nexus: null, luns: {0: disk}}]\nsteps:\n" + VERIFY
    assert loaded(tmp_path, text).runs[0].scenario.targets[0].nexus is None
    assert told(tmp_path, text.replace("nexus", "tpgt")) == ["4:12: the key 'tpgt' has no value"]


WORDS = ["scenario", "summary", "steps", "targets", "luns", "backstores", "matrix", "write", "verify", "lun",
         "disk", "expect", "type", "ramdisk", "iblock", "on", "dm", "over", "{disk}", "{n}", "inject", "background",
         "join", "name", "step"]
TOP = ["scenario", "summary", "tags", "steps", "targets", "backstores", "matrix", "expect", "requires"]
_keys = st.sampled_from(WORDS) | st.integers(0, 2)
_value = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=12)
# Neither deadline nor health check: on a busy machine all of it is slow.
_checked = settings(max_examples=150, deadline=None,
                    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@_checked
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(TOP, _value)))
def test_whatever_is_there_it_is_told_with_a_place(tmp_path: Path, value: dict[str, object]) -> None:
    found = loaded(tmp_path, json.dumps(value))
    assert found.problems and not found.runs  # nothing this random is a scenario
    assert all(p.line >= 1 and p.column >= 1 and "\n" not in str(p) for p in found.problems)


_PLACES: list[tuple[str | int, ...]] = [
    (), ("backstores",), ("backstores", "disk"), ("backstores", "disk", "on"), ("targets",), ("targets", 0),
    ("matrix",), ("targets", 0, "luns"), ("steps",), *[("steps", i) for i in range(5)], ("steps", 0, "write"),
    ("steps", 2, "scsi"), ("steps", 2, "expect"), ("expect", "kernel"), ("expect", "kernel", "allow", 0)]


@_checked
@given(st.lists(st.tuples(st.sampled_from(_PLACES), st.integers(0, 5), _value), min_size=1, max_size=4))
def test_a_right_file_with_changes_never_breaks_the_checks(
        tmp_path: Path, changes: list[tuple[tuple[str | int, ...], int, object]]) -> None:
    root = parse(MEDIUM_ERROR.encode(), "f").value
    for path, index, value in changes:
        try:
            holder = at(root, path)
        except (KeyError, IndexError, TypeError):  # an earlier change took it away
            continue
        if isinstance(holder, dict) and holder:
            holder[list(holder)[index % len(holder)]] = value
        elif isinstance(holder, list) and holder:
            holder[index % len(holder)] = value
    found = loaded(tmp_path, json.dumps(root))
    assert bool(found.problems) != bool(found.runs)
