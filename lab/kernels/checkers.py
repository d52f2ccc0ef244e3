"""What a kernel's own checkers cost: such a guest is slower and larger, and no deadline may take that for a hang."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from lab.kernels import config as kconfig

# Option -> how many times slower a guest becomes, rather too much than too little.
_SLOWER = {
    "KASAN_GENERIC": 1.6, "KASAN_SW_TAGS": 1.5, "KASAN_HW_TAGS": 1.1, "KMSAN": 3.0, "KCSAN": 3.0, "PROVE_LOCKING": 1.4,
    "LOCK_STAT": 1.1, "DEBUG_KMEMLEAK": 1.2, "DEBUG_OBJECTS": 1.1, "DEBUG_PAGEALLOC_ENABLE_DEFAULT": 1.3,
    "SLUB_DEBUG_ON": 1.2, "UBSAN": 1.05, "GCOV_KERNEL": 1.1, "KCOV_INSTRUMENT_ALL": 1.2, "DEBUG_PREEMPT": 1.05,
}
# They keep shadow, metadata or freed memory beside what the kernel uses.
_LARGER = {"KASAN_GENERIC": 2.0, "KASAN_SW_TAGS": 1.5, "KMSAN": 4.0, "DEBUG_KMEMLEAK": 1.5, "PROVE_LOCKING": 1.25}
_MOST_SLOWER, _MOST_LARGER = 4.0, 4.0


@dataclass(frozen=True)
class Cost:
    """`slowdown` and `memory` are factors against a kernel without checkers; `checkers` their options."""

    slowdown: float = 1.0
    memory: float = 1.0
    checkers: tuple[str, ...] = ()


def cost_of(config: Path | None) -> Cost:
    """What the checkers in a configuration cost together; nothing where the configuration is not known."""
    if config is None:
        return Cost()
    options = kconfig.options_of(config)
    on = tuple(option for option in _SLOWER if options.get(option) == "y")
    slower = math.prod(_SLOWER[option] for option in on)
    larger = math.prod(factor for option, factor in _LARGER.items() if options.get(option) == "y")
    return Cost(min(slower, _MOST_SLOWER), min(larger, _MOST_LARGER), on)
