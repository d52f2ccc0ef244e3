"""Progress of a session: a live line for each guest on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.report.result import Outcome
from lab.run.session import Progress

_STYLE = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.ERROR: "bold magenta", Outcome.SKIP: "yellow",
          Outcome.XFAIL: "yellow", Outcome.XPASS: "bold yellow"}


class Screen:
    """Draws `total` runs. Everything goes to stderr; stdout keeps what was asked for."""

    def __init__(self, total: int, width: int) -> None:
        self._console = Console(file=sys.stderr, highlight=False)
        self._total, self._done = total, 0
        self._running: dict[str, float] = {}
        self._live = Live(console=self._console, refresh_per_second=4, transient=True,
                          get_renderable=self._draw) if self._console.is_terminal else None
        if self._live is None:
            print(f"lab: {total} runs, {width} side by side", file=sys.stderr, flush=True)

    def show(self, progress: Progress, total: int | None = None) -> None:
        """Take in that a run began or ended; `total` where it has changed."""
        self._total = total or self._total
        name = f"{progress.plan.kernel.name} {progress.plan.case}"
        if progress.result is None:
            self._running[name] = time.monotonic()
            return
        self._running.pop(name, None)
        self._done += 1
        result = progress.result
        word = Text(f"{result.outcome.value:5}", style=_STYLE[result.outcome])
        line = Text.assemble(f"[{self._done:>{len(str(self._total))}}/{self._total}] ", word, f" {name}",
                             f"  {result.seconds:.1f} s" if result.seconds else "",
                             f"  {result.summary}" if result.summary else "")
        if self._live is None:
            print(line.plain, file=sys.stderr, flush=True)
        else:
            self._live.console.print(line, no_wrap=True, overflow="ellipsis")

    def _draw(self) -> Table:
        grid = Table.grid(padding=(0, 1))
        for name, began in list(self._running.items()):
            grid.add_row(Text("...", style="dim"), Text(name, overflow="ellipsis", no_wrap=True),
                         Text(f"{time.monotonic() - began:.0f} s", style="dim"))
        grid.add_row("", Text(f"{self._done} of {self._total} done", style="dim"), "")
        return grid

    def __enter__(self) -> Screen:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
