"""Titles and fingerprints stay the same when everything changes that changes from run to run and kernel to kernel."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.console.finding import Effect
from lab.console.scan import Scanner

LOGS = Path(__file__).parent / "console_logs"
NAMES = sorted(path.stem for path in LOGS.glob("*.log"))


def identities(text: str) -> list[tuple[str, str, str]]:
    scanner = Scanner()
    found = scanner.feed(text.encode()) + scanner.close()
    return [(f.kind, f.title, f.fingerprint) for f in sorted(found, key=lambda f: f.line) if f.effect is Effect.FAIL]


def rewritten(text: str, seed: int) -> str:
    """Addresses, offsets, CPUs, PIDs, source lines, times, taint, registers, build ids and spans of another run."""
    rng = random.Random(seed)
    shift = rng.randrange(1, 5000) / 16

    def digits(match: re.Match[str]) -> str:
        return str(rng.randrange(1, 9999))

    def address(match: re.Match[str]) -> str:
        return match[1] + "".join(rng.choice("0123456789abcdef") for _ in match[2])

    for pattern, replacement in (
        (r"^\[ *(\d+\.\d+)\]", lambda m: f"[{float(m[1]) + shift:12.6f}]"),
        (r"\b(ff|dead|(?<=<))([0-9a-f]{6,14})\b", address),  # kernel addresses and poison keep what they are
        (r"(?<=\+)0x[0-9a-f]+/0x[0-9a-f]+", lambda m: f"0x{rng.randrange(1, 999):x}/0x{rng.randrange(999, 9999):x}"),
        (r"(?<=PID: )\d+", digits), (r"(?<=CPU: )\d+", lambda m: str(rng.randrange(64))), (r"(?<=CPU#)\d+", digits),
        (r"(?<=\.c:)\d+", digits), (r"(?<=\.h:)\d+", digits), (r"(?<=blocked for more than )\d+", digits),
        (r"(?<=stuck for )\d+", digits), (r"(?<=t=)\d+(?= jiffies)", digits), (r"(?<=task )([\w/-]+):\d+", r"other:1"),
        (r"(?<=Tainted: )[A-Z ]+?(?=\s{2,}\d)", lambda m: "G    B D W  OE"), (r"(?<=cpu=)\d+", digits),
        (r"(?<= \[)([a-z_]+)(?=\]$)", r"\1 0123456789abcdef0123456789abcdef01234567"),
        (r"(?<=Kernel Offset: )0x[0-9a-f]+", lambda m: f"0x{rng.randrange(1 << 30):x}"),
        (r"(?<=#)\d+(?=\])", digits), (r"(?<=pid[= ])\d+", digits),
    ):
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_another_run_of_the_same_fault(name: str, seed: int) -> None:
    text = (LOGS / f"{name}.log").read_text()
    other = rewritten(text, seed)
    assert other != text
    assert identities(other) == identities(text)


def test_rewriting_changes_what_it_says() -> None:
    text = (LOGS / "vm-slub-debug.log").read_text() + (LOGS / "vm-warn.log").read_text()
    other = rewritten(text, 1)
    address = re.compile(r"\bff[0-9a-f]{14}\b")
    assert not set(address.findall(text)) & set(address.findall(other))
    assert not set(re.findall(r"\+0x\w+/0x\w+", text)) & set(re.findall(r"\+0x\w+/0x\w+", other))
    assert "labcrash 0123456789abcdef" in other
