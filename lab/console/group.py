"""Lines to reports: which line opens one, which belongs to an open one, which closes it.

With CONFIG_PRINTK_CALLER each caller (`T123`, `C1`) has its own open report, so reports of two CPUs that interleave
are pulled apart; without it all lines share one.
"""

from __future__ import annotations

import re

from lab.console.block import Block, Fate, one_line
from lab.console.finding import Finding
from lab.console.late import Timeline
from lab.console.line import Line
from lab.console.lost_rules import LOST_RULES
from lab.console.rule import End, Rule
from lab.console.rules import CUT_HERE

MAX_OPEN = 64
MAX_IDLE_LINES = 2000
"""Lines of others after which a report without its end is given up."""
IDLE_CHECK_LINES = 256

# One fault prints several lines that would each open a report. Left: what is open; right: what joins it.
_JOINS: dict[str, frozenset[str]] = {
    "list-corruption": frozenset({"list-corruption", "WARN", "BUG", "oops"}),
    "refcount": frozenset({"refcount", "WARN", "BUG", "oops"}),
    "usercopy": frozenset({"usercopy", "WARN", "BUG", "oops"}),
    "ODEBUG": frozenset({"ODEBUG", "WARN"}),
    "lockdep": frozenset({"lockdep", "WARN"}),
    "ref-tracker": frozenset({"WARN", "ref-tracker"}),
    "slab": frozenset({"WARN"}),
    "UBSAN": frozenset({"WARN"}),
    "state": frozenset({"WARN"}),
    "BUG": frozenset({"oops"}),
    "oops": frozenset({"oops"}),
    "hard-lockup": frozenset({"WARN"}),
    "KASAN": frozenset({"slab"}),
    "rcu-stall": frozenset({"rcu-stall"}),
    "kmemleak": frozenset({"kmemleak"}),
    "panic": frozenset({"panic"}),
}
_STALLS = frozenset({"rcu-stall", "soft-lockup", "hard-lockup", "hung-task", "workqueue-lockup"})


class Grouper:
    """The open reports of a log."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._open: dict[str | None, Block] = {}
        self._aliases: dict[str, Block] = {}

    @property
    def busy(self) -> bool:
        """A report is open, so every line matters."""
        return bool(self._open)

    def take(self, line: Line, fired: tuple[Rule, re.Match[str]] | None) -> list[Finding]:
        """One line of the kernel and the rule that it fires; the reports that it closes, and itself if one line."""
        done = self._give_up(line)
        if fired and fired[0].end is End.LINE:
            return [*done, one_line(fired[0], fired[1], line, self._timeline)]
        block = self._block_for(line)
        if fired is None or (block and fired[0] in LOST_RULES and not block.too_late(line)):
            return done if block is None else [*done, *self._offer(block, line)]
        rule, match = fired
        if block and (_same_report(block, rule, line) or _between(block, rule, line)):
            _join(block, rule, match, line)
            return done
        new = Block(rule, match, line, self._timeline)
        if block and rule.kind == "panic" and block.lacks_stack and not block.too_late(line):
            new.owed = block
        elif block:
            block.displaced()
            done += self._close(block)
        self._open[line.caller] = new
        return done

    def follow(self, line: Line, fired: tuple[Rule, re.Match[str]] | None) -> list[Finding]:
        """A line of which only open reports may take something; the lab's own sysrq ends them all."""
        if line.text.startswith("sysrq: "):
            return self.close()
        block = self._block_for(line)
        if block is None:
            return self.idle(line.number)
        if fired is not None and fired[0].end is End.LINE:
            return []
        if fired is None or (fired[0] in LOST_RULES and not block.too_late(line)):
            return self._offer(block, line)
        if _same_report(block, fired[0], line):
            _join(block, *fired, line)
            return []
        block.displaced()
        return self._close(block)

    def close(self) -> list[Finding]:
        """All that is still open, in the order of the log."""
        blocks = sorted(self._open.values(), key=lambda block: block.first.number)
        return [finding for block in blocks for finding in self._close(block)]

    def pending(self) -> list[Finding]:
        """What is open now, as far as it was seen."""
        blocks = sorted(self._open.values(), key=lambda block: block.first.number)
        return [finding for block in blocks for finding in _findings(block)]

    def idle(self, number: int) -> list[Finding]:
        """Gives up reports that got no line for long; `number` is the current line."""
        stale = [block for block in self._open.values() if number - block.last.number > MAX_IDLE_LINES]
        return [finding for block in stale for finding in self._close(block)]

    def _give_up(self, line: Line) -> list[Finding]:
        done = self.idle(line.number) if line.number % IDLE_CHECK_LINES == 0 else []
        if len(self._open) >= MAX_OPEN and line.caller not in self._open:
            done += self._close(min(self._open.values(), key=lambda block: block.last.number))
        return done

    def _block_for(self, line: Line) -> Block | None:
        """The open report of this caller; a CPU that shows its stack for a stall joins the stall's report."""
        if line.caller is None:
            return self._open.get(None)
        if line.caller not in self._open and line.text.startswith("NMI backtrace for cpu"):
            stalls = [block for block in self._open.values() if block.rule.kind in _STALLS]
            if stalls:
                self._aliases[line.caller] = stalls[-1]
        return self._open.get(line.caller) or self._aliases.get(line.caller)

    def _offer(self, block: Block, line: Line) -> list[Finding]:
        fate = block.offer(line)
        return [] if fate is Fate.TAKEN else self._close(block)

    def _close(self, block: Block) -> list[Finding]:
        self._open = {caller: other for caller, other in self._open.items() if other is not block}
        self._aliases = {caller: other for caller, other in self._aliases.items() if other is not block}
        return _findings(block)


def _findings(block: Block) -> list[Finding]:
    """What a block came to; before it the report that it cut short."""
    if block.owed:
        block.owed.displaced()
        return [block.owed.finding(), block.finding()]
    return [block.finding()]


def _same_report(block: Block, rule: Rule, line: Line) -> bool:
    """The rule's line is part of the open report, not of a new one: it comes before the report's stack."""
    if block.too_late(line):
        return False
    if block.provisional:
        return rule.kind != "panic"
    if block.stack_seen and not (block.rule.kind == "rcu-stall" == rule.kind):
        return False
    return rule.kind in _JOINS.get(block.rule.kind, ())


def _between(block: Block, rule: Rule, line: Line) -> bool:
    """Another CPU's cut-here line, in a log without caller ids: the stack that comes next is the open report's.

    What the cut-here line is about opens a report by a line of its own.
    """
    return rule is CUT_HERE and line.caller is None and block.rule.end is End.MARK and not block.too_late(line)


def _join(block: Block, rule: Rule, match: re.Match[str], line: Line) -> None:
    if block.provisional:
        block.refine(rule, match, line)
    else:
        block.join(line)
