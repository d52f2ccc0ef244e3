"""Saved run directories (tests/golden), and copies of them with a piece taken away or put in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lab.report.result import Result
from lab.run.verdict import verdict
from tests.command import ROOT

GOLDEN = ROOT / "tests/golden"


class Damaged:
    """A copy of a saved run with pieces taken away or put in."""

    def __init__(self, name: str, folder: Path) -> None:
        self.path = Path(shutil.copytree(GOLDEN / name, folder / name))

    @staticmethod
    def saved(name: str) -> Result:
        """The verdict on a saved run as it is."""
        return verdict(GOLDEN / name)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "events.jsonl").read_text().splitlines()]

    def without(self, kind: str, index: int | None = None) -> None:
        left = [e for e in self.events() if e["kind"] != kind or (index is not None and e.get("index") != index)]
        assert len(left) < len(self.events())
        self.rewrite(left)

    def change(self, kind: str, **data: object) -> None:
        self.rewrite([{**e, **data} if e["kind"] == kind else e for e in self.events()])

    def change_step(self, index: int, **observed: object) -> None:
        """What a step observed."""
        events = self.events()
        for event in events:
            if event["kind"] == "step-end" and event["index"] == index:
                event["observed"].update(observed)
        self.rewrite(events)

    def rewrite(self, events: list[dict[str, Any]]) -> None:
        (self.path / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))

    def end(self, **data: object) -> None:
        (self.path / "end.json").write_text(json.dumps(data))

    def console(self, text: str) -> None:
        with (self.path / "console.log").open("a") as file:
            file.write(text)

    def after(self, mark: str, text: str) -> None:
        """Put console lines after a mark, such as `step 1 begin`."""
        log = (self.path / "console.log").read_text()
        line = next(x for x in log.splitlines(keepends=True) if x.rstrip().endswith(f"{self.token} {mark}"))
        (self.path / "console.log").write_text(log.replace(line, line + text))

    def event(self, kind: str, **data: object) -> None:
        """One more event, at the end."""
        self.rewrite([*self.events(), {"t": 99.0, "kind": kind, **data}])

    @property
    def token(self) -> str:
        return str(json.loads((self.path / "plan.json").read_text())["token"])

    def plan(self, change: dict[str, Any]) -> None:
        plan = json.loads((self.path / "plan.json").read_text())
        plan["scenario"].update(change)
        (self.path / "plan.json").write_text(json.dumps(plan))

    def expect(self, index: int, **kernel: list[dict[str, str]]) -> None:
        """Give a step an expectation of the kernel's messages."""
        plan = json.loads((self.path / "plan.json").read_text())
        step = plan["scenario"]["steps"][index]
        step["expect"] = {**(step["expect"] or {}), "kernel": kernel}
        (self.path / "plan.json").write_text(json.dumps(plan))

    def allow(self, match: str) -> None:
        """Let a message pass in the whole run."""
        self.plan({"expect": {"kernel": {"allow": [{"match": match, "reason": "on purpose"}], "require": []}}})

    def judged(self) -> Result:
        return verdict(self.path)
