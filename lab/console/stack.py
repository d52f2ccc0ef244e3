"""Every `symbol+0xoff/0xsize [module]` of a report as a value, and which kernel wrote the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_FRAME = re.compile(
    r"(?<![\w.$])(?P<symbol>[A-Za-z_$][\w.$]{0,511})\+0x(?P<offset>[0-9a-f]{1,8})/0x(?P<size>[0-9a-f]{1,8})"
    r"(?: \[(?P<module>[\w-]{1,64})(?: (?P<build>[0-9a-f]{8,64}))?\])?")
# The instruction itself, not the one after a call: a register, or the place of a WARNING.
_EXACT = re.compile(r"(?:RIP: [0-9a-f]{4}:|EIP: |pc : |PC is at |NIP |epc : |era : |WARNING: .{0,80} at \S+:\d+ )"
                    r"(?:\[<?[0-9a-f]+>?\] ?){0,2}$")
# dump_stack_print_info (lib/dump_stack.c) and check_hung_task (kernel/hung_task.c).
_RUNS = re.compile(r"(?:CPU: |Tainted: |Not tainted ).{0,200}?(?P<release>\d+\.\d+\S*) #\d+"
                   r"(?: +(?P<package>Debian \S+))?(?: +(?P<build>[0-9a-f]{40}))?\s*$")
_BOOTED = re.compile(r"Linux version (?P<release>\S+) .*?(?P<version>#\d+ .*)$")


@dataclass(frozen=True)
class Frame:
    """A frame of a report. `at` is where in the function to look: for a caller the call, not where it returns to."""

    line: int  # which line of the report, from 0
    text: str
    symbol: str
    module: str  # with _ for -; "" for the kernel itself
    build_id: str  # of the module, hex; "" where the kernel does not print it (CONFIG_STACKTRACE_BUILD_ID)
    size: int
    at: int


@dataclass(frozen=True)
class Writer:
    """The kernel that wrote a report; "" for what is not known."""

    release: str = ""  # uname -r
    version: str = ""  # uname -v
    package: str = ""  # "Debian 6.1.192-2"
    build_id: str = ""  # hex


def frames_in(block: Sequence[str]) -> Iterator[Frame]:
    """Every frame of a report in its order, registers and doubtful ones (`? symbol`) too."""
    exact = {(match["symbol"], match["offset"]) for line in block for match in _FRAME.finditer(line)
             if _EXACT.search(line[:match.start()])}
    for number, line in enumerate(block):
        for match in _FRAME.finditer(line):
            offset = int(match["offset"], 16)
            # A return address is that of the instruction after the call, which may belong to another line; arm64
            # begins a stack with the pc once more. The kernel itself looks names up like that (%pB).
            returns = offset > 0 and (match["symbol"], match["offset"]) not in exact
            yield Frame(number, match[0], match["symbol"], (match["module"] or "").replace("-", "_"),
                        match["build"] or "", int(match["size"], 16), offset - returns)


def writer_of(lines: Iterable[str], known: Writer) -> Writer:
    """What is known already, and for the rest what the lines say."""
    for line in lines:
        if match := _RUNS.search(line) or _BOOTED.search(line):
            said = {name: value or "" for name, value in match.groupdict().items()}
            known = Writer(known.release or said["release"], known.version or said.get("version", "").strip(),
                           known.package or said.get("package", ""), known.build_id or said.get("build", ""))
    return known
