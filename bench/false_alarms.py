"""How often is a run red although no kernel misbehaved? The shipped library, again and again, on stock kernels.

Usage: python bench/false_alarms.py [--rounds 5] [-k KERNEL]... [--results DIR]. Prints each red run with its reasons
and its folder, to be looked at by a person, and, as its last line, one JSON object. Exit 0 when nothing was red.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_DEADLINE_S = 3600
_QUIET = ("pass", "skip", "xfail")


def main() -> int:
    wanted = _arguments()
    results = wanted.results or Path(tempfile.mkdtemp(prefix="false-alarms-"))
    started, outcomes, red = time.monotonic(), Counter[str](), list[dict[str, Any]]()
    for number in range(1, wanted.rounds + 1):
        found = _round(wanted.kernel or ["debian:6.1", "debian:6.12"], results)
        outcomes.update(r["outcome"] for r in found)
        new = [r for r in found if r["outcome"] not in _QUIET]
        red += new
        seconds = time.monotonic() - started
        print(f"round {number}: {len(found)} runs, {len(new)} red; {seconds:.0f} s so far", flush=True)
        for result in new:
            _show(result)
    print(json.dumps({"runs": sum(outcomes.values()), "outcomes": dict(outcomes), "seconds": time.monotonic() - started,
                      "red": [{"id": r["id"], "kernel": r["properties"]["kernel.name"], "outcome": r["outcome"],
                               "reasons": [x["text"] for x in r["reasons"]]} for r in red]}))
    return 1 if red else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-k", "--kernel", action="append")
    parser.add_argument("--results", type=Path, help="keep the sessions here")
    return parser.parse_args()


def _round(kernels: list[str], results: Path) -> list[dict[str, Any]]:
    """result.json of every run of one session over the whole library."""
    words = [word for kernel in kernels for word in ("-k", kernel)]
    subprocess.run([sys.executable, "-m", "lab", "run", *words, "--results", str(results)], cwd=ROOT,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   timeout=_DEADLINE_S, check=False)
    return [json.loads(file.read_text()) for file in sorted((results / "latest").glob("*/*/result.json"))]


def _show(result: dict[str, Any]) -> None:
    print(f"  {result['outcome']} {result['properties']['kernel.name']} {result['id']}: {result['directory']}")
    for reason in result["reasons"]:
        print(f"    {reason['text']}")


if __name__ == "__main__":
    sys.exit(main())
