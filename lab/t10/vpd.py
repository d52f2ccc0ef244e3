"""Vital product data pages (SPC-4 7.8, SBC-4 6.6) as flat fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Fields = dict[str, Any]
_TYPES = {0: "vendor_specific", 1: "t10_vendor_id", 2: "eui64", 3: "naa", 4: "relative_target_port",
          5: "target_port_group", 6: "logical_unit_group", 7: "md5", 8: "scsi_name", 9: "protocol_specific"}


@dataclass(frozen=True)
class VpdPage:
    """A page as it was received. Reading beyond its end raises IndexError."""

    page: int
    data: bytes

    def number(self, at: int, size: int) -> int:
        return int.from_bytes(self.piece(at, size), "big")

    def piece(self, at: int, size: int) -> bytes:
        if at + size > len(self.data):
            raise IndexError(at)
        return self.data[at:at + size]

    @property
    def body(self) -> bytes:
        """What the PAGE LENGTH says is there, cut where the answer ends."""
        if self.number(1, 1) != self.page:
            raise ValueError(f"the answer is VPD page 0x{self.data[1]:02x}, not 0x{self.page:02x}")
        return self.data[4:4 + self.number(2, 2)]


def _supported(page: VpdPage) -> Fields:
    return {"pages": [f"0x{code:02x}" for code in page.body]}


def _serial(page: VpdPage) -> Fields:
    return {"serial": page.body.decode("ascii", "replace").strip(" \0")}


def _identification(page: VpdPage) -> Fields:
    """Designators by type (SPC-4 7.8.6); for one that comes more than once, the logical unit's own wins.

    `designators` lists them all as `association/type: value`.
    """
    body, at = page.body, 0
    fields: Fields = {"designators": []}
    while at + 4 <= len(body):
        length = body[at + 3]
        if at + 4 + length > len(body):
            raise IndexError(at)
        association = ("lun", "port", "target", "reserved")[body[at + 1] >> 4 & 3]
        kind = _TYPES.get(body[at + 1] & 0x0f, f"type {body[at + 1] & 0x0f}")
        value = _designator(kind, body[at] & 0x0f, body[at + 4:at + 4 + length])
        fields["designators"].append(f"{association}/{kind}: {value}")
        name = {("port", "naa"): "target_port", ("target", "naa"): "target_device",
                ("port", "scsi_name"): "target_port_name", ("target", "scsi_name"): "target_device_name",
                }.get((association, kind), kind)
        fields.setdefault(name, value)
        at += 4 + length
    return fields


def _designator(kind: str, code_set: int, value: bytes) -> str | int:
    if kind in ("relative_target_port", "target_port_group", "logical_unit_group"):
        return int.from_bytes(value[2:4], "big")
    if code_set in (2, 3):
        return value.decode("utf-8", "replace").rstrip(" \0")
    return value.hex()


def _block_limits(page: VpdPage) -> Fields:
    fields = {
        "wsnz": page.number(4, 1) & 1, "max_compare_and_write_length": page.number(5, 1),
        "optimal_transfer_length_granularity": page.number(6, 2), "max_transfer_length": page.number(8, 4),
        "optimal_transfer_length": page.number(12, 4),
    }
    if len(page.body) <= 0x10:  # without thin provisioning LIO sends SBC-2's page, which ends here
        return fields
    return fields | {
        "max_unmap_lba_count": page.number(20, 4), "max_unmap_descriptor_count": page.number(24, 4),
        "optimal_unmap_granularity": page.number(28, 4), "ugavalid": page.number(32, 1) >> 7,
        "unmap_granularity_alignment": page.number(32, 4) & 0x7fffffff, "max_write_same_length": page.number(36, 8),
    }


def _characteristics(page: VpdPage) -> Fields:
    return {"rotation_rate": page.number(4, 2), "form_factor": page.number(7, 1) & 0x0f}


def _provisioning(page: VpdPage) -> Fields:
    flags = page.number(5, 1)
    return {"threshold_exponent": page.number(4, 1), "lbpu": flags >> 7, "lbpws": flags >> 6 & 1,
            "lbpws10": flags >> 5 & 1, "lbprz": flags >> 2 & 7, "anc_sup": flags >> 1 & 1, "dp": flags & 1,
            "provisioning_type": page.number(6, 1) & 7}


def _extended(page: VpdPage) -> Fields:
    flags, more = page.number(4, 1), page.number(6, 1)
    return {"grd_chk": flags >> 2 & 1, "app_chk": flags >> 1 & 1, "ref_chk": flags & 1, "spt": flags >> 3 & 7,
            "v_sup": more & 1, "simpsup": page.number(5, 1) & 1, "headsup": page.number(5, 1) >> 1 & 1,
            "ordsup": page.number(5, 1) >> 2 & 1, "r_sup": page.number(8, 1) >> 4 & 1}


def _referrals(page: VpdPage) -> Fields:
    return {"segment_size": page.number(8, 4), "segment_multiplier": page.number(12, 4)}


PAGES: dict[int, Callable[[VpdPage], Fields]] = {
    0x00: _supported, 0x80: _serial, 0x83: _identification, 0x86: _extended, 0xb0: _block_limits,
    0xb1: _characteristics, 0xb2: _provisioning, 0xb3: _referrals,
}
