"""How long runs took in earlier sessions, so that the longest can begin first."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.kernels.store import Store
from lab.report.result import Outcome, Result
from lab.run.plan import RunPlan

FORMAT = 1
_LIMIT = 5000  # entries; those that were not seen for the longest time go first
_SHARE = 0.5  # of the newest duration in what is remembered


class Durations:
    """Seconds of a run by its id, the accelerator and the slow-down (a kernel with checkers is slower)."""

    def __init__(self, path: Path | None, seconds: dict[str, float]) -> None:
        self._path, self._seconds = path, seconds
        self._seen: dict[str, float] = {}
        self._median = statistics.median(seconds.values()) if seconds else None

    @staticmethod
    def load(path: Path | None) -> Durations:
        """What is known; a file that is not there, or is damaged, is one that knows nothing."""
        return Durations(path, _read(path) if path is not None else {})

    def estimate(self, plan: RunPlan) -> float:
        """Seconds; of a run that never ran the median of the others, and where nothing is known what its steps may
        take, which says at least which is longer."""
        known = self._seconds.get(_key(plan))
        if known is not None:
            return known
        return self._median if self._median is not None else sum(step.timeout for step in plan.scenario.steps)

    def note(self, plan: RunPlan, result: Result) -> None:
        """Remember a run that a guest took to its end."""
        if result.origin and result.outcome is not Outcome.ERROR:
            key = _key(plan)
            before = self._seen.get(key, self._seconds.get(key, result.seconds))
            self._seen[key] = round((1 - _SHARE) * before + _SHARE * result.seconds, 3)

    def save(self) -> None:
        """Beside what other labs wrote meanwhile; a store that cannot be written to costs only the order of runs."""
        if self._path is None or not self._seen:
            return
        now = {**{k: v for k, v in _read(self._path).items() if k not in self._seen}, **self._seen}
        kept = dict(list(now.items())[-_LIMIT:])
        try:
            Store(self._path.parent).write_text(self._path, json.dumps({"format": FORMAT, "seconds": kept}, indent=0))
        except LabError:
            return


def _key(plan: RunPlan) -> str:
    return f"{plan.id} {plan.environment.accelerator} {plan.environment.slowdown:g}"


def _read(path: Path) -> dict[str, float]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found = data.get("seconds") if isinstance(data, dict) and data.get("format") == FORMAT else None
    return dict(_sound(found.items())) if isinstance(found, dict) else {}


def _sound(items: Iterable[tuple[str, object]]) -> Iterable[tuple[str, float]]:
    """Durations that can be ones: JSON also has true, NaN and 1e999."""
    return ((k, float(v)) for k, v in items
            if isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v < 1e6)
