"""Arguments of SCSI commands: what a field can hold, and how a scenario's value becomes a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

RESERVATION_TYPES = {  # SPC-4 table 62
    "write_exclusive": 1, "exclusive_access": 3, "write_exclusive_registrants_only": 5,
    "exclusive_access_registrants_only": 6, "write_exclusive_all_registrants": 7,
    "exclusive_access_all_registrants": 8,
}
ACCESS_STATES = {  # SPC-4 table 247
    "active_optimized": 0x0, "active_nonoptimized": 0x1, "standby": 0x2, "unavailable": 0x3,
    "lba_dependent": 0x4, "offline": 0xe, "transitioning": 0xf,
}


@dataclass(frozen=True)
class Field:
    """One argument: a number up to `maximum`, or one of `names` (a name's number is then allowed as well).

    Or, with `each`, a list: each makes of what is written one item, or raises ValueError; `form` is how one is written.
    """

    maximum: int = 1
    names: Mapping[str, int] | None = None
    required: bool = False
    each: Callable[[Any], Any] | None = None
    form: str = ""

    def number(self, value: Any) -> int:
        """The number to put into the CDB; ValueError says what was expected."""
        if self.names is not None and isinstance(value, str) and value in self.names:
            return self.names[value]
        number = parse_number(value)
        if number is None or not 0 <= number <= self.maximum:
            raise ValueError(f"expected {self._expected()}, not {value!r}")
        return number

    def items(self, value: Any) -> tuple[Any, ...]:
        """The items of a list, or of the one thing that stands for a list of one; ValueError as `each` raises it."""
        assert self.each is not None
        return tuple(self.each(item) for item in (value if isinstance(value, list) else [value]))

    def _expected(self) -> str:
        if self.names is not None:
            return f"one of {', '.join(self.names)}"
        return "true or false" if self.maximum == 1 else f"a number from 0 to 0x{self.maximum:x}"


FLAG = Field(1)


def parse_number(value: Any) -> int | None:
    """An integer from an int, a bool, `12` or `0x83`; None when it is none of those."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return None
    return None


def parse_descriptor(text: Any) -> tuple[int, int]:
    """(LBA, count) of an UNMAP descriptor written as `lba+count`; ValueError otherwise."""
    lba, plus, count = str(text).partition("+")
    numbers = parse_number(lba), parse_number(count)
    if not plus or numbers[0] is None or numbers[1] is None:
        raise ValueError(f'expected an UNMAP descriptor such as "2048+8", not {text!r}')
    if not (0 <= numbers[0] < 1 << 64 and 0 <= numbers[1] < 1 << 32):
        raise ValueError(f"the UNMAP descriptor {text!r} does not fit: the LBA has 64 bits, the count 32")
    return numbers[0], numbers[1]
