"""What a step is called in reports, when the scenario gives it no name."""

from __future__ import annotations

from lab.scenario.steps import Step

_LONGEST = 70
_QUIET = {"via", "transfer", "pattern", "keep_attention", "value_repeat", "timeout", "expected", "deviations", "copies",
          "jobs"}


def step_title(index: int, step: Step) -> str:
    """`write lun=disk depth=4`: the step's name, or its word with what it is done to. One line."""
    if step.name:
        return step.name
    if step.background is not None:
        return f"background {step.background.name}: {step_title(index, step.background.step)}"[:_LONGEST]
    if step.inner:
        inside = ", ".join(step_title(index, inner) for _, inner in step.inner)
        times = f" {step.repeat.times} times" if step.repeat is not None else ""
        return f"{step.word}{times}: {inside}"[:_LONGEST].strip()
    word = step.word
    given = getattr(step, word).model_dump(exclude_defaults=True)
    words = [f"{name}={_short(value)}" for name, value in given.items() if name not in _QUIET]
    return " ".join([word, *words])[:_LONGEST].strip()


def _short(value: object) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list | tuple):  # block ranges
        return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in value)
    return str(value).replace("\n", " ")
