"""The shell twin of a scenario: a script that does the same work with the usual tools, for one boot by virtme-ng.

mkdir and ln in configfs, losetup, modprobe and dmsetup for the objects; dd, sg_dd and cmp for the ledger; sg_raw, fio,
sg_reset and dmsetup for the steps. Where a tool can do less than the lab, the twin does less, never more: what is left
out is in `Twin.left_out`.

Usage: python bench/shell_twin.py SCENARIO... prints the scripts.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab.scenario import luns as lun_names  # noqa: E402
from lab.scenario.expect import Expect  # noqa: E402
from lab.scenario.io_steps import PatternData, Scsi  # noqa: E402
from lab.scenario.objects import Backstore, Target  # noqa: E402
from lab.scenario.steps import Step  # noqa: E402
from lab.scenario.types import Scenario  # noqa: E402
from lab.t10.cdbs import Built  # noqa: E402
from lab.t10.commands import build  # noqa: E402
from lab.t10.sense import parse_sense  # noqa: E402

PRELUDE = Path(__file__).with_name("twin.sh")
_PLUGIN = {"ramdisk": "rd_mcp", "fileio": "fileio", "iblock": "iblock"}
_KEYS = {2: "Not Ready", 3: "Medium Error", 4: "Hardware Error", 5: "Illegal Request", 6: "Unit Attention",
         7: "Data Protect", 0xb: "Aborted Command", 0xe: "Miscompare"}  # as sg_raw prints them
_STATUS = {"RESERVATION_CONFLICT": "Reservation conflict", "BUSY": "busy"}
_WRITES = ("write6", "write10", "write12", "write16", "write_and_verify10", "write_and_verify16")
_READ, _LEDGER, _ZEROS = (PatternData.model_validate(x) for x in ({"read": True}, {"ledger": True}, {"fill": 0}))
_WAIT_S = 90
_SLOW = 5  # waits are stretched in the emulated guest, as the lab's deadlines are


@dataclass(frozen=True)
class Twin:
    """A script for sh, and what of the scenario it does not do, in sentences."""

    script: str
    left_out: list[str]


def twin(scenario: Scenario) -> Twin:
    """The twin of one run."""
    return _Writer(scenario).twin()


def q(value: object) -> str:
    """Quoted for the shell."""
    return shlex.quote(str(value))


def octal(data: bytes) -> str:
    """For printf."""
    return "'" + "".join(f"\\{byte:03o}" for byte in data) + "'"


@dataclass
class _Writer:
    scenario: Scenario
    lines: list[str] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)
    forgotten: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # blocks whose data the twin cannot tell
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: dict[str, Step] = field(default_factory=dict)
    files: int = 0

    def twin(self) -> Twin:
        self.lines = [PRELUDE.read_text(), f"# {self.scenario.scenario}", "begin"]
        self._devices()
        for number, (name, backstore) in enumerate(self.scenario.backstores.items()):
            self._backstore(number, name, backstore)
        for target in self.scenario.targets:
            self._target(target)
        for number, step in enumerate(self.scenario.steps, 1):
            self.lines.append(f"# step {number}: {step.word}")
            self._step(step)
        self.lines.append("end")
        return Twin("\n".join(self.lines) + "\n", list(self.left_out))

    # -- objects -------------------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        number = list(self.scenario.backstores).index(name)
        return f"{_PLUGIN[self.scenario.backstores[name].type]}_{number}/{name}"

    def _devices(self) -> None:
        """brd, scsi_debug and null_blk, loaded once with as many devices as the scenario has."""
        kinds: dict[str, list[Backstore]] = {}
        for backstore in self.scenario.backstores.values():
            if backstore.on is not None:
                kinds.setdefault(backstore.on.bottom, []).append(backstore)
        for kind, used in kinds.items():
            size = used[0].size
            sector = used[0].on.block_size if used[0].on else 512
            words = {"brd": f"rd_nr={len(used)} rd_size={size // 1024}", "null_blk": "nr_devices=0",
                     "scsi_debug": f"dev_size_mb={size >> 20} sector_size={sector} add_host={len(used)} "
                                   "per_host_store=1 delay=0 lbpu=1 lbpws=1"}.get(kind)
            if words is not None:
                self.lines += [f"must modprobe {kind} {words}", f"touch $W/unload.{kind}"]

    def _backstore(self, number: int, name: str, backstore: Backstore) -> None:
        self.forgotten[name] = []
        self.lines.append(f"truncate -s {backstore.size} $W/img/{name}")
        if backstore.type == "ramdisk":
            control = f"rd_pages={-(-backstore.size // 4096)}" + (",rd_nullio=1" if backstore.nullio else "")
        elif backstore.type == "fileio":
            control = self._file(name, backstore)
        else:
            self._under(name, backstore)
            control = f"udev_path=$(readlink -f $W/dev/{name})" + (",readonly=1" if backstore.readonly else "")
        serial = backstore.serial or hashlib.sha256(name.encode()).hexdigest()[:32]
        attributes = " ".join(q(f"{key}={value}") for key, value in backstore.attributes.items())
        self.lines.append(f'must backstore {self._path(name)} "{control}" {q(serial)} {attributes}'.rstrip())

    def _file(self, name: str, backstore: Backstore) -> str:
        folder = "$W/file"
        if backstore.filesystem == "ext4":
            folder = f"$W/mnt.{name}"
            self.lines += [f"truncate -s {backstore.size * 9 // 8 + (8 << 20)} $W/file/{name}.ext4",
                           f"must mke2fs -q -F -t ext4 -O ^has_journal $W/file/{name}.ext4", f"mkdir {folder}",
                           f"must mount -o loop $W/file/{name}.ext4 {folder}", f"echo {folder} >>$W/mounts"]
        self.lines.append(f"truncate -s {backstore.size} {folder}/{name}.img")
        flags = (",fd_buffered_io=1" if backstore.buffered else "") + \
            (",fd_async_io=1" if backstore.asynchronous else "")
        return f"fd_dev_name={folder}/{name}.img,fd_dev_size={backstore.size}{flags}"

    def _under(self, name: str, backstore: Backstore) -> None:
        under = backstore.on
        assert under is not None
        before = [b for n, b in self.scenario.backstores.items() if b.on is not None and b.on.bottom == under.bottom
                  and list(self.scenario.backstores).index(n) < list(self.scenario.backstores).index(name)]
        self.lines.append({
            "loop": f"must loop_device {name} {backstore.size} {under.block_size}",
            "brd": f"ln -s /dev/ram{len(before)} $W/base/{name}",
            "scsi_debug": f"must debug_device {name} {len(before) + 1}",
            "null_blk": f"must null_device {name} {backstore.size >> 20} {under.block_size}"}[under.bottom])
        self.lines.append(f"must mapped {name} {backstore.size // 512}" if under.type == "dm"
                          else f'ln -s "$(readlink $W/base/{name})" $W/dev/{name}')

    @staticmethod
    def _tpg(target: Target) -> str:
        return f"loopback/{target.wwn}/tpgt_{target.tpgt}"

    def _target(self, target: Target) -> None:
        self.lines.append(f"must target {q(self._tpg(target))} {q(target.nexus or '')}")
        for number, backstore in target.luns.items():
            self.lines.append("must " + self._link(target, number, backstore))

    def _link(self, target: Target, number: int, backstore: str) -> str:
        timeout = "" if target.scsi_timeout is None else max(1, round(target.scsi_timeout))
        return (f"link {q(self._tpg(target))} {number} {self._path(backstore)} {target.name}.{number} "
                f"{q(timeout)}")

    def _named(self, name: str) -> Target:
        found = lun_names.target_called(name, self.scenario.targets)
        assert found is not None, name  # the scenario was checked
        return found

    def _lun(self, reference: str) -> tuple[str, str]:
        """(key of the links below $W, backstore)."""
        known = lun_names.luns(self.scenario.targets, self.scenario.steps)
        found = lun_names.resolve(reference, known, self.scenario.targets, self.scenario.backstores)
        return f"{found.target}.{found.number}", found.backstore

    def _expanded(self, path: str) -> str:
        def place(match: re.Match[str]) -> str:
            name = match[1]
            return f"core/{self._path(name)}" if name in self.scenario.backstores else self._tpg(self._named(name))
        return "$T/" + q(re.sub(r"\{([a-z][a-z0-9_-]*)\}", place, path).lstrip("/"))

    # -- steps ---------------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        if step.background is not None:
            inner = self._joined(step.background.name, step.background.step)
            self.started[step.background.name] = inner
            commands = self._commands(inner)
            index = list(self.started).index(step.background.name)
            self.lines.append("( " + " && ".join(commands) + f" ) & bg{index}=$!")
        elif step.join is not None:
            inner = self.started[step.join.name]
            index = list(self.started).index(step.join.name)
            self.lines.append(f"{_demand(inner.expect, inner)} wait $bg{index}")
        else:
            commands = self._commands(step)
            self.lines += [f"must {c}" for c in commands[:-1]] + [f"{_demand(step.expect, step)} {commands[-1]}"]

    def _joined(self, name: str, step: Step) -> Step:
        """A background step with the expectation that counts: that of its join, where it has one."""
        at_join = next((s.expect for s in self.scenario.steps if s.join is not None and s.join.name == name), None)
        return step.model_copy(update={"expect": at_join}) if at_join is not None else step

    def _commands(self, step: Step) -> list[str]:
        """Shell commands; the last one's status is the step's."""
        writers: dict[str, Callable[[Any, Step], list[str]]] = {
            "write": self._write, "verify": self._verify, "fio": self._fio, "scsi": self._scsi,
            "inject": self._fault, "clear": self._fault, "reset": self._reset, "lun": self._lun_step,
            "target": self._target_step, "configfs": self._configfs, "sysfs": self._sysfs, "module": self._module,
            "run": self._run, "wait_for": self._wait_for, "sleep": lambda s, _: [f"sleep {s.time:g}"],
            "sysrq": lambda s, _: [f"put /proc/sysrq-trigger {s.key}"]}
        return writers[step.word](getattr(step, step.word), step)

    def _blocks(self, backstore: str, given: list[tuple[int, int]] | None) -> list[tuple[int, int]]:
        spec = self.scenario.backstores[backstore]
        return given or [(0, spec.size // spec.block_size - 1)]

    def _write(self, given: Any, step: Step) -> list[str]:
        key, backstore = self._lun(given.lun)
        ranges = self._blocks(backstore, given.blocks)
        fails = _demand(step.expect, step) != "must"
        self.forgotten[backstore] = [*_without(self.forgotten[backstore], ranges), *(ranges if fails else [])]
        size = self.scenario.backstores[backstore].block_size
        return [f"write_blocks {key} {backstore} {size} {a} {b - a + 1} {given.transfer} {given.via} {given.depth}"
                for a, b in ranges]

    def _verify(self, given: Any, step: Step) -> list[str]:
        """Reads every block, and compares those whose data the twin can tell."""
        key, backstore = self._lun(given.lun)
        size = self.scenario.backstores[backstore].block_size
        commands = []
        for first, last in self._blocks(backstore, given.blocks):
            commands.append(f"read_blocks {key} {size} {first} {last - first + 1} {given.transfer} {given.via}")
            hidden = [*self.forgotten[backstore], *given.allow_changed, *given.zero]
            commands += [f"same {key} {backstore} {size} {first} {a} {b - a + 1}"
                         for a, b in _without([(first, last)], hidden)]
            commands += [f"zero {key} {backstore} {size} {first} {a} {b - a + 1}"
                         for a, b in given.zero if first <= a and b <= last]
        return commands

    def _fio(self, given: Any, step: Step) -> list[str]:
        key, backstore = self._lun(given.lun)
        options = {"name": "twin", "direct": 1, "ioengine": "libaio", **given.options}
        words = " ".join(q(f"--{k}={int(v) if isinstance(v, bool) else v}") for k, v in options.items())
        if options.get("rw", options.get("readwrite", "read")) not in ("read", "randread"):
            self._forget_bytes(backstore, options)
        return [f'fio "--filename=$(readlink -f $W/disk/{key})" {words} >/dev/null']

    def _forget_bytes(self, backstore: str, options: dict[str, Any]) -> None:
        spec = self.scenario.backstores[backstore]
        first, size = _fio_bytes(options.get("offset", 0)), _fio_bytes(options.get("size"))
        if first is None or size is None or {"filesize", "io_size"} & set(options):
            first, size = 0, spec.size
        self.forgotten[backstore].append((first // spec.block_size, (first + size - 1) // spec.block_size))

    def _scsi(self, given: Scsi, step: Step) -> list[str]:
        key, backstore = self._lun(given.lun)
        size = self.scenario.backstores[backstore].block_size
        built = Built(bytes.fromhex(given.cdb or ""), receive=given.receive or 0) if given.command is None else \
            build(given.command, lba=given.lba, blocks=given.blocks, arguments=given.arguments, block_size=size)
        made, file = self._payload(given, built, key, size)
        self._forget_written(given, backstore)
        receive = 0 if file != "-" else built.receive if given.receive is None else given.receive
        cdb = " ".join(f"{byte:02x}" for byte in built.cdb)
        command = f"scsi {key} {q(self._want(step.expect))} {file} {receive} {cdb}"
        if step.expect is not None and step.expect.fill is not None:
            return [*made, command, f"filled {key} {step.expect.fill:03o}"]
        return [*made, command]

    def _want(self, expect: Expect | None) -> str:
        """What of the command's end the twin looks at."""
        if expect is None:
            return "GOOD"
        if expect.fields or expect.data or expect.residual is not None or expect.information is not None:
            self._leave_out("scsi: data, decoded fields and INFORMATION are fetched, but not compared")
        if expect.sense is not None:
            key = parse_sense(expect.sense).key
            return _KEYS.get(key, "FAIL") if key is not None else "FAIL"
        if expect.status is not None:
            return "GOOD" if expect.status in ("GOOD", "CONDITION_MET") else _STATUS.get(expect.status, "FAIL")
        if expect.any_of is not None:
            wanted = {self._want(choice) for choice in expect.any_of}
            return wanted.pop() if len(wanted) == 1 else "ANY"
        failing = expect.ok is False or expect.errno or expect.host_status
        return "FAIL" if failing else "GOOD"

    def _payload(self, given: Scsi, built: Built, key: str, size: int) -> tuple[list[str], str]:
        """Commands that make the data-out file, and its name; `-` without one."""
        if given.command == "compare_and_write":
            half = built.send // 2
            if not half:
                return [], "-"
            first, a = self._data(given.data or _READ, half, given.lba or 0, key, size)
            second, b = self._data(given.write or _LEDGER, half, given.lba or 0, key, size)
            return [*first, *second, f"cat {b} >>{a}"], a
        if given.data is not None:
            return self._data(given.data, built.send, given.lba or 0, key, size)
        if built.data_out is not None:
            name = self._new_file()
            return [f"printf {octal(built.data_out)} >{name}"], name if built.data_out else "-"
        if not built.send:
            return [], "-"
        source = _LEDGER if given.command in _WRITES else _ZEROS
        return self._data(source, built.send, given.lba or 0, key, size)

    def _data(self, source: PatternData, default: int, lba: int, key: str, size: int) -> tuple[list[str], str]:
        length = default if source.length is None else source.length
        if not length:
            return [], "-"
        name = self._new_file()
        if source.hex is not None:
            pattern = bytes.fromhex(source.hex)
            made = [f"repeated {length} {octal(pattern)} >{name}"]
        elif source.fill is not None:
            made = [f"head -c {length} /dev/zero | tr '\\000' '\\{source.fill:03o}' >{name}"]
        elif source.read:
            cdb = build("read16", lba=lba, blocks=-(-length // size), block_size=size)
            made = [f"scsi {key} GOOD - {cdb.receive} {' '.join(f'{b:02x}' for b in cdb.cdb)}",
                    f"head -c {length} $W/answer.{key} >{name}"]
        else:
            made = [f"head -c {length} /dev/urandom >{name}"]
        return [*made, *([f"flip {name} {source.flip}"] if source.flip is not None else [])], name

    def _new_file(self) -> str:
        self.files += 1
        return f"$W/data.{self.files}"

    def _forget_written(self, given: Scsi, backstore: str) -> None:
        """A command's own data are not followed, so its blocks are read later, but not compared."""
        spec = self.scenario.backstores[backstore]
        last = spec.size // spec.block_size - 1
        name = given.command or ""
        if name in _WRITES or name in ("compare_and_write", "unmap") or name.startswith("write_same"):
            if given.lba is None:
                self.forgotten[backstore].append((0, last))
            elif given.lba <= last and given.blocks != 0:
                self.forgotten[backstore].append((given.lba, min(last, given.lba + (given.blocks or 1) - 1)))
        elif given.cdb is not None and given.data is not None:
            self.forgotten[backstore].append((0, last))

    def _fault(self, given: Any, step: Step) -> list[str]:
        faults = self.faults.setdefault(given.on, {})
        if step.word == "inject":
            faults[given.fault] = getattr(given, "sectors", None)
        else:
            faults.pop(given.fault, None)
        if "dm-suspend" in faults:
            return [f"hold {given.on}"]
        sectors = self.scenario.backstores[given.on].size // 512
        bad = (faults["dm-error"] or [(0, sectors - 1)]) if "dm-error" in faults else []
        rows = [(a, f"{a} {b - a + 1} error") for a, b in bad] + \
            [(a, f"{a} {b - a + 1} linear BASE {a}") for a, b in _without([(0, sectors - 1)], bad)]
        text = "\\n".join(row for _, row in sorted(rows))
        return [f"eval \"printf '{text}\\n' | table {given.on}\""]

    def _reset(self, given: Any, step: Step) -> list[str]:
        return [f"sg_reset --no-esc --{given.level} $W/sg/{self._lun(given.lun)[0]} >/dev/null"]

    def _lun_step(self, given: Any, step: Step) -> list[str]:
        target = self._named(given.target)
        if given.action == "remove":
            return [f"unlink_lun {q(self._tpg(target))} {given.number}"]
        return [self._link(target, given.number, given.backstore)]

    def _target_step(self, given: Any, step: Step) -> list[str]:
        target = self._named(given.target)
        path = q(self._tpg(target))
        if given.action == "remove":
            return [f"remove_target {path}"]
        if given.action == "add":
            return [f"target {path} {q(target.nexus or '')}",
                    *(self._link(target, n, b) for n, b in target.luns.items())]
        return [f"put $T/{path}/transport_status {given.action}"]

    def _configfs(self, given: Any, step: Step) -> list[str]:
        for verb, tool in (("mkdir", "mkdir"), ("rmdir", "rmdir"), ("unlink", "rm")):
            if getattr(given, verb) is not None:
                return [f"{tool} {self._expanded(getattr(given, verb))}"]
        if given.link is not None:
            return [f"ln -s {self._expanded(given.to)} {self._expanded(given.link)}"]
        return self._file_step(given, self._expanded(given.read or given.write), step.expect)

    def _sysfs(self, given: Any, step: Step) -> list[str]:
        return self._file_step(given, self._sysfs_path(given.read or given.write, given.lun), step.expect)

    def _sysfs_path(self, path: str, lun: str | None) -> str:
        return q(path) if lun is None else f"$W/sys/{self._lun(lun)[0]}/{q(path)}"

    def _file_step(self, given: Any, path: str, expect: Expect | None) -> list[str]:
        if given.write is not None:
            data = bytes.fromhex(given.value_hex) if given.value_hex is not None else (given.value or "").encode()
            name = self._new_file()
            return [f"repeated {len(data) * given.value_repeat} {octal(data)} >{name}", f"bytes {name} {path}"]
        if expect is not None and expect.text is not None:
            return [f'holds {path} {q(expect.text.strip())}']
        if expect is not None and expect.match is not None:
            return [f"matches {path} {q(expect.match)}"]
        return [f"cat {path} >/dev/null"]

    def _module(self, given: Any, step: Step) -> list[str]:
        words = " ".join(q(f"{k}={int(v) if isinstance(v, bool) else v}") for k, v in given.parameters.items())
        return [f"modprobe {'' if given.action == 'load' else '-r '}{given.name} {words}".strip()]

    def _run(self, given: Any, step: Step) -> list[str]:
        def node(match: re.Match[str]) -> str:
            return f"'\"$(readlink -f $W/{'sg' if match[1] else 'disk'}/{self._lun(match[2])[0]})\"'"
        words = [re.sub(r"\{(sg:)?([a-z][a-z0-9_/-]*)\}", node, "'" + a.replace("'", "'\\''") + "'")
                 for a in given.argv]
        name = self._new_file()
        feed = f"printf {octal(given.stdin.encode())} >{name}"
        return [feed, f"{' '.join(words)} <{name} >/dev/null 2>&1"]

    def _wait_for(self, given: Any, step: Step) -> list[str]:
        wait = f"waiting {min(_WAIT_S, round(step.timeout * _SLOW))}"
        if given.kernel_message is not None:
            return [f"{wait} kernel_said {q(given.kernel_message)}"]
        if given.in_flight is not None:
            return [f"{wait} in_flight {self._lun(given.lun)[0]} {given.in_flight}"]
        path = self._expanded(given.configfs) if given.configfs is not None else \
            self._sysfs_path(given.sysfs, given.lun)
        if given.exists is not None:
            return [f"{wait} {'there' if given.exists else 'gone'} {path}"]
        if given.equals is not None:
            return [f"{wait} holds {path} {q(given.equals.strip())}"]
        return [f"{wait} matches {path} {q(given.match)}"]

    def _leave_out(self, sentence: str) -> None:
        self.left_out[sentence] = None


def _demand(expect: Expect | None, step: Step) -> str:
    """must, must_not or may: how a step's command has to end. `scsi` looks at the end of its command itself."""
    if expect is None or step.scsi is not None:
        return "must"
    if expect.any_of is not None or (expect.facts == ["took"]):
        return "may"
    failing = expect.ok is False or expect.errno is not None or expect.exit not in (None, 0) or \
        expect.sense is not None or expect.host_status is not None
    return "must_not" if failing else "must"


def _without(ranges: Iterable[tuple[int, int]], holes: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Inclusive ranges less other ones."""
    left = list(ranges)
    for first, last in holes:
        left = [piece for a, b in left for piece in ((a, min(b, first - 1)), (max(a, last + 1), b))
                if piece[0] <= piece[1]]
    return left


def _fio_bytes(value: Any) -> int | None:
    match = re.fullmatch(r"(\d+)([kmg]?)(i?b)?", str(value).lower())
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2]] if match else None


def main() -> None:
    from lab.cli.options import selected
    for run in selected(sys.argv[1:]):
        made = twin(run.scenario)
        print(made.script.removeprefix(PRELUDE.read_text()))
        for sentence in made.left_out:
            print(f"# left out: {sentence}")


if __name__ == "__main__":
    main()
