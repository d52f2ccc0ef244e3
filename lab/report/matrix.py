"""A session as a matrix: kernels across, scenario runs down, in each cell what the repeats came to."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.report.result import Outcome, Result, worst

FORMAT = 1


@dataclass(frozen=True)
class Cell:
    """The repeats of one run on one kernel, at least one."""

    results: tuple[Result, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of them."""
        return worst(r.outcome for r in self.results)

    @property
    def counts(self) -> dict[Outcome, int]:
        """How often each outcome was seen."""
        return dict(Counter(r.outcome for r in self.results))

    @property
    def fingerprints(self) -> dict[str, int]:
        """Of first causes, and how often each was seen."""
        return dict(Counter(r.cause.fingerprint for r in self.results if r.cause is not None))

    @property
    def mixed(self) -> bool:
        """Whether it came out differently from repeat to repeat: it is flaky."""
        return len(self.counts) > 1


@dataclass(frozen=True)
class Matrix:
    """Kernel names and run ids in the order in which they were asked for; `cells` by (run id, kernel name). A cell is
    missing where a session has no such run."""

    kernels: tuple[str, ...]
    runs: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]

    @staticmethod
    def of(by_kernel: Mapping[str, Sequence[Result]]) -> Matrix:
        """From the results of each kernel."""
        grouped: dict[tuple[str, str], list[Result]] = {}
        for kernel, results in by_kernel.items():
            for result in results:
                grouped.setdefault((result.id, kernel), []).append(result)
        runs = dict.fromkeys(run for run, _ in grouped)
        return Matrix(tuple(by_kernel), tuple(runs), {at: Cell(tuple(found)) for at, found in grouped.items()})

    @property
    def results(self) -> list[Result]:
        """All of them, kernel by kernel."""
        return [r for kernel in self.kernels for run in self.runs if (run, kernel) in self.cells
                for r in self.cells[run, kernel].results]

    def of_kernel(self, kernel: str) -> list[Result]:
        """The results of one kernel."""
        return [r for run in self.runs if (run, kernel) in self.cells for r in self.cells[run, kernel].results]

    def as_json(self) -> dict[str, Any]:
        """docs/running.md, "matrix.json"."""
        return {"format": FORMAT, "kernels": [self._kernel(name) for name in self.kernels], "runs": list(self.runs),
                "cells": [_cell(run, kernel, cell) for (run, kernel), cell in self.cells.items()]}

    def write(self, path: Path) -> None:
        """Under a temporary name, then renamed. OSError when the disk is full."""
        temporary = path.with_suffix(f".{os.getpid()}")
        try:
            temporary.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _kernel(self, name: str) -> dict[str, str]:
        properties = self.of_kernel(name)[0].properties
        return {"name": name, **{key: properties.get(f"kernel.{key}", "")
                                 for key in ("release", "version", "spec", "hash")}}


def _cell(run: str, kernel: str, cell: Cell) -> dict[str, Any]:
    return {"run": run, "kernel": kernel, "outcome": cell.outcome.value,
            "outcomes": {outcome.value: n for outcome, n in cell.counts.items()}, "fingerprints": cell.fingerprints,
            "seconds": round(sum(r.seconds for r in cell.results), 3)}
