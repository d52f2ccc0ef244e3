"""The checks between the values of a scenario. Every one is shown to fire, and not to fire on its right twin."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.scenario.types import Scenario
from tests.unit.scenario_files import DISK, DM, HEAD, VERIFY, loaded, steps, told

TWO = """targets:
  - {name: left, wwn: naa.1, luns: {0: disk}}
  - {name: right, wwn: naa.2, luns: {0: disk, 3: spare}}
"""
PAIR = HEAD + "backstores: {disk: {type: ramdisk, size: 1M}, spare: {type: ramdisk, size: 1M}}\n" + TWO


def backstore(text: str) -> str:
    return HEAD + f"backstores: {{disk: {{{text}}}}}\nsteps:\n" + VERIFY


@pytest.mark.parametrize(("text", "problem"), [
    ("type: ramdisk, nullio: true", None),
    ("type: fileio, nullio: true", "3:35: nullio belongs to ramdisk, and this is fileio"),
    ("type: fileio, buffered: true, asynchronous: false, filesystem: ext4", None),
    ("type: ramdisk, buffered: false", "3:36: buffered belongs to fileio, and this is ramdisk"),
    ("type: iblock, asynchronous: true, on: {type: brd}", "3:35: asynchronous belongs to fileio"),
    ("type: ramdisk, filesystem: ext4", "filesystem belongs to fileio"),
    ("type: iblock, readonly: true, on: {type: loop}", None),
    ("type: fileio, readonly: true", "readonly belongs to iblock"),
    ("type: ramdisk, on: {type: loop}", "on belongs to iblock, fileio and pscsi, and this is ramdisk"),
    ("type: fileio, buffered: true, on: {type: dm, over: brd}", None),
    ("type: fileio, filesystem: tmpfs, on: {type: brd}", "the file is the device that on describes"),
    ("type: iblock, on: {type: scsi_debug, parameters: {dif: 1, dix: true}}", None),
    ("type: iblock, on: {type: dm, over: null_blk, parameters: {irqmode: 2}}", None),
    ("type: iblock, on: {type: loop, parameters: {dif: 1}}",
     "parameters belong to scsi_debug and null_blk, and this is loop"),
    ("type: iblock", "3:14: iblock needs on, the device under it, such as on: {type: loop}"),
    ("type: pscsi", "3:14: pscsi needs on, the device under it, such as on: {type: scsi_debug}"),
    ("type: pscsi, hba_mode: true, on: {type: scsi_debug, block_size: 4096}", None),
    ("type: pscsi, on: {type: brd}", "pscsi passes commands to a SCSI device, and brd is none"),
    ("type: pscsi, serial: x, on: {type: scsi_debug}",
     "serial belongs to ramdisk, fileio, iblock and tcmu, and this is pscsi"),
    ("type: iblock, hba_mode: true, on: {type: loop}", "hba_mode belongs to pscsi, and this is iblock"),
    ("type: tcmu, control: {hw_block_size: 4096}", None),
    ("type: tcmu, size: 6656, control: {hw_block_size: 4096}", "not a multiple of the block size of 4096"),
    ("type: ramdisk, control: {hw_block_size: 4096}", "control belongs to tcmu, and this is ramdisk"),
    ("type: iblock, on: {type: dm}", "3:35: dm needs over"),
    ("type: iblock, on: {type: dm, over: scsi_debug, block_size: 4096}", None),
    ("type: iblock, on: {type: loop, over: brd}", "over belongs to dm, and this is loop"),
    ("type: iblock, on: {type: brd, block_size: 4096}",
     "block_size belongs to loop, scsi_debug or null_blk, and this is brd"),
    ("type: iblock, on: {type: dm, over: ramdisk, block_size: 4096}", "and this is brd"),
    ("type: fileio, size: 1000", "3:41: the size of 1000 bytes is not a multiple of the block size of 512"),
    ("type: fileio, size: 512", None),
    ("type: fileio, size: 6656, attributes: {block_size: 4096}", "not a multiple of the block size of 4096"),
    ("type: fileio, size: 6656, attributes: {block_size: \"4096\"}",
     "not a multiple of the block size of 4096"),
    ("type: iblock, size: 6656, on: {type: loop, block_size: 4096}",
     "not a multiple of the block size of 4096"),
    ("type: ramdisk, size: 512", "ramdisk counts its size in units of 4096 bytes"),
    ("type: iblock, size: 512K, on: {type: dm, over: scsi_debug}",
     "scsi_debug counts its size in units of 1048576 bytes"),
])
def test_options_and_sizes_of_a_backstore(tmp_path: Path, text: str, problem: str | None) -> None:
    found = told(tmp_path, backstore(text))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


def test_devices_of_one_module_have_one_layout(tmp_path: Path) -> None:
    text = HEAD + ("backstores:\n  disk: {type: iblock, size: 4M, on: {type: brd}}\n"
                   "  other: {type: iblock, size: 8M, on: {type: dm, over: ramdisk}}\nsteps:\n") + VERIFY
    assert told(tmp_path, text) == [
        "5:3: all brd devices of a scenario have one size, block size and parameters, and 'other' differs from 'disk'"]
    assert told(tmp_path, text.replace("8M", "4M")) == []
    assert told(tmp_path, text.replace("brd", "loop").replace("ramdisk", "loop")) == []


@pytest.mark.parametrize(("change", "problem"), [
    (("", ""), None),
    (("name: right", "name: left"), "6:12: two targets are called 'left'"),
    (("naa.2", "naa.1"), "6:24: wwn naa.1 with tpgt 1 is already taken"),
    (("naa.2", "naa.1, tpgt: 2"), None),
    (("3: spare", "3: spar"),
     "6:50: LUN 3 names the backstore 'spar', which is not there; did you mean 'spare'?"),
    (("naa.2,", "naa.2, scsi_timeout: 1500ms,"), "a whole number of seconds"),
    (("naa.2,", "naa.2, scsi_timeout: 2s,"), None),
    (("3: spare", "0: spare"), "6:47: the key 0 stands here twice"),
])
def test_targets(tmp_path: Path, change: tuple[str, str], problem: str | None) -> None:
    found = told(tmp_path, (PAIR + "steps:\n  - verify: {lun: left/0}\n").replace(*change) if change[0] else
                 PAIR + "steps:\n  - verify: {lun: left/0}\n")
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


@pytest.mark.parametrize(("step", "problem"), [
    ("verify: {lun: spare}", None),
    ("verify: {lun: right/3}", None),
    ("verify: {lun: disk}", "8:19: 'disk' is behind 2 LUNs; write left/0 or right/0"),
    ("verify: {lun: spar}", "8:19: no LUN is called 'spar'; there are disk and spare; did you mean 'spare'?"),
    ("verify: {lun: rigth/3}",
     "no target is called 'rigth'; there are left and right; did you mean 'right'?"),
    ("scsi: {lun: left/0, command: extended_copy, lba: 0, source: right/0, destination: spaer}",
     "no LUN is called 'spaer'; there are disk and spare; did you mean 'spare'?"),
    ("scsi: {lun: left/0, command: extended_copy, lba: 0, source: right/0, destination: left/0}", None),
    ("scsi: {lun: left/0, command: read10, lba: 0, source: right/0}",
     "source and destination belong to the command extended_copy"),
    ("verify: {lun: left/3}", "target 'left' has no LUN 3; there is left/0"),
    ("verify: {lun: target/0}", "no target is called 'target'"),
    ("verify: {lun: /0}", "expected a backstore's name or TARGET/NUMBER"),
    ("target: {action: offline}", "no target is called 'target'"),
    ("target: {action: offline, target: lfet}", "8:39: no target is called 'lfet'; did you mean 'left'?"),
    ("lun: {action: add, target: left, number: 1, backstore: spar}",
     "8:60: no backstore is called 'spar'; did you mean 'spare'?"),
    ("run: {argv: [dd, \"of={spare}\", \"{sg:left/0}\"]}", None),
    ("run: {argv: [dd, \"of={spaer}\"]}",
     "8:22: no LUN is called 'spaer'; there are disk and spare; did you mean 'spare'?"),
    ("run: {argv: [awk, \"{print}\"]}", None),
    ("run: {argv: [x, \"{sg:nothing}\"]}", "no LUN is called 'nothing'"),
    ("run: {argv: [x, \"{disk}\"]}", "'disk' is behind 2 LUNs"),
    ("configfs: {read: \"{left}/address\"}", None),
    ("configfs: {read: \"{spare}/info\"}", None),
    ("configfs: {read: \"{target}/address\"}", "8:22: {target} stands for no target or backstore"),
    ("configfs: {link: \"{left}/a\", to: \"{spar}\"}",
     "{spar} stands for no target or backstore; did you mean 'spare'?"),
    ("wait_for: {configfs: \"{rihgt}\", exists: true}",
     "{rihgt} stands for no target or backstore; did you mean 'right'?"),
    ("walk: {directory: \"{spar}\", files: {x: y}}", "{spar} stands for no target or backstore"),
    ("attribute: {file: [x, \"{spar}\"], takes: [y]}", "{spar} stands for no target or backstore"),
    ("background: {name: b, step: {verify: {lun: spar}}}", "8:48: no LUN is called 'spar'"),
])
def test_references(tmp_path: Path, step: str, problem: str | None) -> None:
    join = "  - join: {name: b}\n" if step.startswith("background") else ""
    found = told(tmp_path, PAIR + f"steps:\n  - {step}\n{join}  - verify: {{lun: left/0}}\n")
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


def test_target_stands_for_the_only_one(tmp_path: Path) -> None:
    text = DISK + "targets: [{name: box, luns: {0: disk}}]\nsteps:\n  - target: {action: offline}\n"
    assert told(tmp_path, text + "  - verify: {lun: target/0}\n  - configfs: {read: '{target}/x'}\n") == []


def test_a_lun_that_a_step_adds_can_be_named(tmp_path: Path) -> None:
    text = DISK + "targets: [{luns: {}}]\nsteps:\n  - lun: {action: add, number: 7, backstore: disk}\n" + VERIFY
    assert told(tmp_path, text) == []
    assert told(tmp_path, text.replace("\n" + VERIFY, "\n    expect: {errno: EINVAL}\n" + VERIFY)) == [
        "8:19: the backstore 'disk' is behind no LUN of any target"]


@pytest.mark.parametrize(("step", "problem"), [
    ("write: {lun: disk, blocks: 0-2047}", None),
    ("write: {lun: disk, blocks: 0-2048}",
     "5:32: block 2048 is beyond the end of 'disk', whose last block is 2047"),
    ("verify: {lun: disk, allow_changed: [1, 4000]}", "block 4000 is beyond the end"),
    ("verify: {lun: disk, zero: 4000}", "block 4000 is beyond the end"),
    ("scsi: {lun: disk, command: read10, lba: 4000, blocks: 1}", None),
    ("{write: {lun: disk, blocks: 4000}, expect: {ok: false}}", None),
])
def test_blocks_beyond_the_end(tmp_path: Path, step: str, problem: str | None) -> None:
    found = told(tmp_path, steps(step))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


def faults(*lines: str, objects: str = DM) -> str:
    return objects + "steps:\n" + "".join(f"  - {line}\n" for line in lines) + VERIFY


@pytest.mark.parametrize(("text", "problems"), [
    (faults("inject: {fault: dm-error, on: disk, sectors: 8-15}", "clear: {fault: dm-error, on: disk}"), []),
    (faults("inject: {fault: dm-error, on: disk, sectors: 2048}"), ["5:50: sector 2048 is beyond the end"]),
    (faults("inject: {fault: dm-suspend, on: disk, sectors: 1}"), ["5:5: sectors belongs to dm-error"]),
    (faults("inject: {fault: dm-error, on: dsk}"),
     ["5:35: no backstore is called 'dsk'; did you mean 'disk'?"]),
    (faults("inject: {fault: dm-error, on: disk}", objects=DISK),
     ["5:35: dm-error needs a device-mapper device"]),
    (faults("clear: {fault: dm-error, on: disk}"),
     ["5:5: dm-error on 'disk' is cleared, but not injected before"]),
    (faults("inject: {fault: dm-suspend, on: disk}", "clear: {fault: dm-error, on: disk}"),
     ["6:5: dm-error on 'disk' is cleared, but not injected before"]),
    (faults("inject: {fualt: dm-error, on: disk}", "clear: {fault: dm-error, on: disk}"),
     ["5:5: the key 'fault' is missing here", "5:14: unknown key 'fualt'; did you mean 'fault'?"]),
])
def test_faults(tmp_path: Path, text: str, problems: list[str]) -> None:
    found = told(tmp_path, text)
    assert len(found) == len(problems), found
    assert all(line.startswith(problem) for line, problem in zip(found, problems, strict=True)), found


TCMU = HEAD + "backstores: {disk: {type: tcmu, size: 1M}}\n"


@pytest.mark.parametrize(("rule", "problem"), [
    ("command: read10, lba: 8-15, times: 2, sense: 3/11/00, information: 9", None),
    ("opcode: 40, status: BUSY", None),
    ("delay: 1s", None),
    ("command: read10, drop: true", None),
    ("command: raed10, drop: true", "unknown SCSI command 'raed10'; did you mean 'read10'?"),
    ("command: persistent_reserve_in, drop: true", "persistent_reserve_in needs action"),
    ("command: read10, opcode: 40, drop: true", "a rule has either command or opcode"),
    ("command: read10", "tcmu needs what happens to a command"),
    ("sense: 3/11/00, status: BUSY", "a command ends in one way, not in sense and status"),
    ("sense: MEDIUM_ERROR", "sense data to send need key/ASC/ASCQ"),
    ("status: BUSY, information: 4", "information is part of sense data"),
    ("drop: true, delay: 1s", "what is dropped is never answered"),
    ("command: read10, lba: 2048, drop: true", "block 2048 is beyond the end of 'disk'"),
])
def test_rules_of_a_handler(tmp_path: Path, rule: str, problem: str | None) -> None:
    found = told(tmp_path, faults(f"inject: {{fault: tcmu, on: disk, {rule}}}", objects=TCMU))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


def test_a_saved_fault_is_read_back(tmp_path: Path) -> None:
    [run] = loaded(tmp_path, faults("inject: {fault: tcmu-dead, on: disk}", objects=TCMU)).runs
    assert Scenario.model_validate(run.scenario.model_dump()) == run.scenario


@pytest.mark.parametrize(("line", "problem"), [
    ("inject: {fault: tcmu-dead, on: disk}", "tcmu-dead needs the handler of a tcmu backstore, and 'disk' lies"),
    ("wait_for: {tcmu: disk, match: x}", "only a backstore of type tcmu has a handler, and 'disk' is ramdisk"),
    ("wait_for: {tcmu: disk, equals: x}", "tcmu needs match"),
    ("wait_for: {tcmu: dsk, match: x}", "no backstore is called 'dsk'; did you mean 'disk'?"),
])
def test_what_needs_a_handler(tmp_path: Path, line: str, problem: str) -> None:
    [found] = told(tmp_path, faults(line, objects=DISK))
    assert problem in found
    assert told(tmp_path, faults("inject: {fault: dm-error, on: disk, drop: true}"))[0].endswith(
        "drop belongs to tcmu, and this is dm-error")


START = "background: {name: io, step: {write: {lun: disk}}}"
JOIN = "join: {name: io}"


@pytest.mark.parametrize(("lines", "problems"), [
    ([START, JOIN], []),
    ([START], ["5:5: the background step 'io' is never joined"]),
    ([JOIN], ["5:18: the background step 'io' is not started before this"]),
    ([JOIN, START],
     ["5:18: the background step 'io' is not started before this", "6:5: the background step 'io' is never"]),
    ([START, JOIN, JOIN], ["7:18: the background step 'io' was joined already"]),
    ([START, "join: {name: oi}", JOIN], ["6:18: the background step 'oi' is not started before this"]),
    ([START, JOIN, START, JOIN], ["7:24: another background step is called 'io'"]),
    ([f"background: {{name: a, step: {{{START}}}}}", "join: {name: a}"],
     ["5:34: background cannot run in the background"]),
    ([START, "background: {name: a, step: {join: {name: io}}}", "join: {name: a}", JOIN],
     ["6:34: join cannot run in the background"]),
    (["background: {name: a, step: {walk: {directory: x, files: {y: z}}}}", "join: {name: a}"],
     ["5:34: walk cannot run in the background"]),
    (["background: {name: a, step: {attribute: {file: x, takes: [y]}}}", "join: {name: a}"],
     ["5:34: attribute cannot run in the background"]),
    ([f"{{{START}, expect: {{ok: true}}}}", JOIN],
     ["5:58: what a background step must do is expected inside its step"]),
])
def test_backgrounds(tmp_path: Path, lines: list[str], problems: list[str]) -> None:
    found = told(tmp_path, steps(*lines))
    assert len(found) == len(problems), found
    assert all(line.startswith(problem) for line, problem in zip(found, problems, strict=True)), found


ADD, REMOVE = "lun: {action: add, number: 0, backstore: disk}", "lun: {action: remove, number: 0}"


@pytest.mark.parametrize(("lines", "problems"), [
    ([REMOVE, ADD, REMOVE, ADD], []),
    ([ADD], ["5:32: LUN 0 of 'target' is already there at this step"]),
    ([REMOVE, REMOVE], ["6:35: LUN 0 of 'target' is not there at this step"]),
    ([f"{{{ADD}, expect: {{errno: EEXIST}}}}"], []),
    ([f"{{{ADD}, expect: {{ok: true}}}}"], ["5:33: LUN 0 of 'target' is already there"]),
    (["target: {action: remove}", "target: {action: add}", REMOVE, ADD], []),
    (["target: {action: remove}", REMOVE], ["6:35: LUN 0 of 'target' is not there"]),
])
def test_luns_that_come_and_go(tmp_path: Path, lines: list[str], problems: list[str]) -> None:
    found = told(tmp_path, steps(*lines))
    assert len(found) == len(problems), found
    assert all(line.startswith(problem) for line, problem in zip(found, problems, strict=True)), found


@pytest.mark.parametrize(("step", "can_fail"), [
    ("write: {lun: disk}", False),
    ("sleep: {time: 1s}", False),
    ("fio: {lun: disk, options: {rw: write}}", False),
    ("fio: {lun: disk, options: {rw: write, verify: 0}}", False),
    ("fio: {lun: disk, options: {rw: write, verify: crc32c}}", True),
    ("verify: {lun: disk}", True),
    ("scsi: {lun: disk, command: test_unit_ready}", True),
    ("run: {argv: [x]}", True),
    ("wait_for: {configfs: x, exists: true}", True),
    ("configfs: {mkdir: x}", False),
    ("{configfs: {mkdir: x}, expect: {errno: EINVAL}}", True),
])
def test_a_scenario_that_cannot_fail_is_refused(tmp_path: Path, step: str, can_fail: bool) -> None:
    text = DISK + f"steps:\n  - write: {{lun: disk}}\n  - {step}\n"
    found = told(tmp_path, text)
    assert len(found) == (not can_fail)
    assert can_fail or found[0].startswith("4:1: nothing here can fail, so")
    inner = step if step[0] == "{" else f"{{{step}}}"
    beside = DISK + f"steps:\n  - background: {{name: b, step: {inner}}}\n  - join: {{name: b}}\n"
    assert len(told(tmp_path, beside)) == (not can_fail)


def test_a_required_file_of_a_backstore_that_is_not_there(tmp_path: Path) -> None:
    text = DISK + "steps:\n" + VERIFY + "requires:\n  configfs: [core, \"{disk}/info\", \"{dsk}/info\"]\n"
    found, = told(tmp_path, text)
    assert "{dsk} stands for no target or backstore; did you mean 'disk'?" in found


def test_a_required_kernel_message_can_fail(tmp_path: Path) -> None:
    text = DISK + "steps:\n  - write: {lun: disk}\nexpect: {kernel: {require: [{match: x, reason: y}]}}\n"
    assert told(tmp_path, text) == []


@pytest.mark.parametrize(("kernel", "can_fail"), [
    ("{allow: [{match: x, reason: y}]}", False), ("{require: [{match: x, reason: y}]}", True)])
def test_what_only_lets_messages_pass_cannot_fail(tmp_path: Path, kernel: str, can_fail: bool) -> None:
    found = told(tmp_path, DISK + f"steps:\n  - {{write: {{lun: disk}}, expect: {{kernel: {kernel}}}}}\n")
    assert len(found) == (not can_fail)


@pytest.mark.parametrize(("match", "problem"), [
    ("task hung in", None), ("tcm_loop|iblock", None), ("^WARNING in", None), ("^$", None), ("[0-9]{3}", None),
    (".*", "fits any message"), (".", "fits any message"), ("x*", "fits any message"), ("^", "fits any message"),
    ("(?s).+", "fits any message"), ("[^x]", "fits any message"), ("a|", "fits any message"),
    ("", "needs at least 1 character"), ("(", "not a regular expression"),
])
def test_an_expression_that_fits_anything_is_refused(tmp_path: Path, match: str, problem: str | None) -> None:
    message = f"[{{match: '{match}', reason: y}}]"
    whole = told(tmp_path, steps("write: {lun: disk}").replace(
        "steps:", f"expect: {{kernel: {{require: {message}}}}}\nsteps:"))
    one = told(tmp_path, steps(f"{{write: {{lun: disk}}, expect: {{kernel: {{allow: {message}}}}}}}"))
    assert len(whole) == len(one) == (problem is not None), (whole, one)
    if problem is not None:
        assert whole[0].startswith("4:37: ") and problem in whole[0]
        assert one[0].startswith("5:60: ") and problem in one[0]


_MESSAGE = "{match: x, reason: y}"
_WAIT = "join: {name: b}"


@pytest.mark.parametrize(("step", "join", "problem"), [
    ("expect: {kernel: {allow: [M]}}", _WAIT, None),
    ("expect: {kernel: {allow: [M, M]}}", _WAIT, "'x' stands in this list twice"),
    ("expect: {kernel: {require: [M]}}", _WAIT, "is required at its join or for the whole scenario"),
    ("expect: {kernel: {}}", _WAIT, "an empty kernel lets nothing pass"),
    ("expect: {kernel: {allow: []}}", _WAIT, "an empty kernel lets nothing pass"),
    ("expect: {kernel: {allow: [{match: x, reason: ' '}]}}", _WAIT, "the reason is empty"),
    ("expect: {any_of: [{ok: true}, {kernel: {allow: [M]}}]}", _WAIT, "put kernel beside any_of"),
    ("timeout: 9s", "{join: {name: b}, expect: {kernel: {allow: [M], require: [M]}}}", None),
    ("timeout: 9s", "{join: {name: b}, expect: {kernel: {alow: [M]}}}", "unknown key 'alow'; did you mean 'allow'?"),
])
def test_messages_of_steps_in_the_background_and_of_joins(tmp_path: Path, step: str, join: str, problem: str | None,
                                                          ) -> None:
    background = f"background: {{name: b, step: {{write: {{lun: disk}}, {step}}}}}"
    found = told(tmp_path, steps(background.replace("M", _MESSAGE), join.replace("M", _MESSAGE)))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


@pytest.mark.parametrize(("step", "problem"), [
    ("{fio: {lun: disk, options: {rw: read}}, expect: {sense: MEDIUM_ERROR}}",
     "5:54: a fio step has no sense to look at"),
    ("{write: {lun: disk}, expect: {exit: 1}}", "a write step has no exit to look at"),
    ("{write: {lun: disk}, expect: {any_of: [{errno: EIO}, {text: x}]}}",
     "a write step has no text to look at"),
    ("{write: {lun: disk}, expect: {fields: {a: 1}}}", "a write step has no fields to look at"),
    ("{write: {lun: disk, via: sg}, expect: {sense: MEDIUM_ERROR}}", None),
    ("{run: {argv: [x]}, expect: {exit: 1, match: y}}", None),
    ("{run: {argv: [x]}, expect: {exit: 0}}", None),
    ("scsi: {lun: disk, command: write10, lba: 0, blocks: 1, data: {fill: 0}}", None),
    ("scsi: {lun: disk, command: write10, lba: 0, blocks: 1, data: {ledger: false}}", "exactly one of hex, fill"),
    ("{sleep: {time: 2min}, timeout: 1min}",
     "5:20: the sleep must be shorter than the step's timeout of 60s"),
    ("{sleep: {time: 2min}, timeout: 3min}", None),
    ("{write: {lun: disk}, timeout: 2s, expect: {took: {at_least: 3s}}}",
     "at_least must be shorter than the step's timeout"),
    ("{write: {lun: disk}, expect: {took: {at_least: 3s, at_most: 2s}}}", "at_least is longer than at_most"),
    ("fio: {lun: disk, options: {rw: read, runtime: 90}}", "fio's runtime of 90s must be shorter"),
    ("scsi: {lun: disk, command: read10, lba: 0, blocks: 1, write: {fill: 1}}",
     "write belongs to the command compare_and_write"),
    ("scsi: {lun: disk, command: write10, lba: 0, blocks: 1, data: {fill: 1, ledger: true}}",
     "exactly one of hex, fill"),
])
def test_what_cannot_be_seen_or_be_in_time(tmp_path: Path, step: str, problem: str | None) -> None:
    found = told(tmp_path, steps(step))
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


def test_cross_checks_go_on_beside_broken_parts(tmp_path: Path) -> None:
    text = steps("write: {lun: disk, depth: abc}", "write: {lun: dsk}", "verify: {lun: disk, blocks: 9999, via: x}")
    assert [line.split(":")[0] for line in told(tmp_path, text)] == ["5", "6", "7", "7"]


def test_a_broken_part_is_not_said_to_be_missing(tmp_path: Path) -> None:
    text = DISK.replace("ramdisk", "ramdsk") + "steps:\n  - inejct: {fault: dm-error, on: disk}\n"
    text += "  - clear: {fault: dm-error, on: disk}\n" + VERIFY
    assert [line.split(":")[0] for line in told(tmp_path, text)] == ["3", "5"]


FAULTY = HEAD + """backstores:
  dm: {type: iblock, size: 1M, on: {type: dm, over: scsi_debug}}
  nullb: {type: iblock, size: 1M, on: {type: null_blk}}
  file: {type: fileio, size: 1M}
  ext4: {type: fileio, size: 1M, filesystem: ext4}
steps:
"""


@pytest.mark.parametrize(("inject", "problem"), [
    ("fault: dm-flakey, on: dm, mode: corrupt_reads, byte: 3, up: 1s, down: 2s", None),
    ("fault: dm-flakey, on: nullb", "dm-flakey needs a device-mapper device, and 'nullb' lies on none"),
    ("fault: dm-flakey, on: dm, byte: 3", "byte belongs to the modes corrupt_reads and corrupt_writes"),
    ("fault: dm-flakey, on: dm, up: 1s", "up and down come together"),
    ("fault: dm-flakey, on: dm, up: 1s, down: 500ms", "dm-flakey counts up and down in whole seconds"),
    ("fault: dm-delay, on: dm", "dm-delay needs delay"),
    ("fault: dm-delay, on: dm, delay: 1s, mode: error", "mode belongs to dm-flakey, and this is dm-delay"),
    ("fault: scsi-debug, on: dm, parameters: {opts: 2}", None),
    ("fault: scsi-debug, on: nullb, parameters: {opts: 2}", "needs a scsi_debug disk, and 'nullb' lies on none"),
    ("fault: scsi-debug-error, on: dm, rule: 2 -1 0x28 0x0 0x0 0x2 0x3 0x11 0x0", None),
    ("fault: scsi-debug-error, on: dm, rule: fail all", "expected a line such as 2 -1 0x28"),
    ("fault: null-blk-badblocks, on: nullb, sectors: 3-5", None),
    ("fault: null-blk-badblocks, on: nullb", "null-blk-badblocks needs sectors"),
    ("fault: null-blk-badblocks, on: nullb, sectors: 2048", "sector 2048 is beyond the end of 'nullb'"),
    ("fault: disk-offline, on: dm", None),
    ("fault: disk-delete, on: file", "disk-delete needs a scsi_debug disk"),
    ("fault: enospc, on: ext4", None),
    ("fault: enospc, on: file", "enospc needs a file on ext4, and 'file' lies on none"),
    ("fault: truncate, on: file, keep: 4096", None),
    ("fault: truncate, on: nullb, keep: 4096", "truncate needs a file, and 'nullb' lies on none"),
    ("fault: memory-pressure, leave: 32M", None),
    ("fault: memory-pressure, on: file, leave: 32M", "memory-pressure has no backstore; leave out on"),
    ("fault: dm-error", "dm-error needs on, a backstore"),
    ("fault: cpu-stall, time: 2s", None),
    ("fault: cpu-stall, time: 20s", "a stall of more than 10s may be taken for a lockup"),
    ("fault: failslab, cache: tcm_loop_cmd_cache, parameters: {probability: 100, times: -1}", None),
    ("fault: failslab", "failslab needs parameters"),
    ("fault: fail_make_request, on: dm, cache: x, parameters: {times: 1}", "cache belongs to failslab"),
])
def test_a_fault_has_its_own_keys_and_its_place(tmp_path: Path, inject: str, problem: str | None) -> None:
    found = told(tmp_path, FAULTY + f"  - inject: {{{inject}}}\n  - verify: {{lun: file}}\n")
    assert len(found) == (problem is not None), found
    assert problem is None or problem in found[0], found


def test_a_fault_of_the_machine_is_injected_before_it_is_cleared(tmp_path: Path) -> None:
    steps_ = "  - inject: {fault: cpu-stall, time: 1s}\n  - clear: {fault: cpu-stall}\n  - verify: {lun: file}\n"
    assert told(tmp_path, FAULTY + steps_) == []
    found = told(tmp_path, FAULTY + "".join(steps_.splitlines(keepends=True)[1:]))
    assert "cpu-stall is cleared, but not injected before" in found[0]
GROUP = "parallel: {steps: [{write: {lun: disk}}, {S}]}"


@pytest.mark.parametrize(("line", "problem"), [
    (GROUP.replace("S", "verify: {lun: dsk}"), "no LUN is called 'dsk'"),
    (GROUP.replace("S", START), "background cannot stand inside parallel; what runs side by side there is"),
    (GROUP.replace("S", "repeat: {times: 2, steps: [{" + JOIN + "}]}"), "join cannot stand inside repeat"),
    (GROUP.replace("S", "write: {lun: disk}, expect: {kernel: {allow: [{match: abcd, reason: x}]}}"),
     "what the kernel says is expected of the whole parallel step"),
    (GROUP.replace("S", "read: {lun: disk}") + "\n    expect: {ok: true}",
     "a parallel step has no ok: each step inside"),
    (GROUP.replace("S", "read: {lun: disk, zero: 0}"), "unknown key 'zero'"),
    ("parallel: {steps: [{write: {lun: disk}}]}", "at least 2"),
    ("repeat: {times: 0, steps: [{write: {lun: disk}}]}", "at least 1"),
    ("repeat: {times: 9, fails_below: 'a b', steps: [{write: {lun: disk}}]}",
     "the name of a function of the kernel"),
    ("repeat: {times: 9, fails_below: a_b, steps: [{write: {lun: disk}}]}", None),
    (GROUP.replace("S", "read: {lun: disk}") + "\n    expect: {took: {at_most: 5s}}", None),
    ("repeat: {times: 3, steps: [{" + GROUP.replace("S", "read: {lun: disk}") + "}]}", None),
])
def test_steps_inside_steps(tmp_path: Path, line: str, problem: str | None) -> None:
    text = steps(line)
    if problem is None:
        assert not loaded(tmp_path, text).problems
    else:
        assert any(problem in found for found in told(tmp_path, text))


@pytest.mark.parametrize(("lines", "problem"), [
    (["account: {lun: disk, action: begin}"], "the account of 'disk' never ends"),
    (["account: {lun: disk, action: end}"], "the account of 'disk' ends, but is not begun"),
    (["account: {lun: disk, action: begin}", "account: {lun: disk, action: end}"], None),
    (["backstore: {action: remove, backstore: dsk}"], "no backstore is called 'dsk'"),
    (["scsi: {lun: disk, command: read10, abort_after: 0s}"], "abort_after is at least 1ms"),
])
def test_accounts_backstores_and_aborts(tmp_path: Path, lines: list[str], problem: str | None) -> None:
    text = steps(*lines)
    if problem is None:
        assert not loaded(tmp_path, text).problems
    else:
        assert any(problem in found for found in told(tmp_path, text))
