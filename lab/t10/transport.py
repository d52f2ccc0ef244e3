"""TransportIDs: the name of an initiator port in PERSISTENT RESERVE IN and OUT (SPC-4 7.6.4), as text and as bytes.

Written as LIO names initiators in configfs: `naa.` and 16 hex digits (SAS), `fc.` and 8 bytes with colons (Fibre
Channel), `iqn.NAME`, or with an ISID `iqn.NAME,i,0xISID` (iSCSI). `hex.BYTES` is any bytes, for what no port is called.
"""

from __future__ import annotations

import re

FORM = "naa.HEX, fc.xx:..., iqn.NAME, iqn.NAME,i,0xISID or hex.BYTES"
_FC, _ISCSI, _SAS = 0, 5, 6  # PROTOCOL IDENTIFIER, SPC-4 table 477
_LENGTH = 24  # of all but iSCSI's, and the least of iSCSI's


def encode(name: object) -> bytes:
    """The TransportID of an initiator port; ValueError when it is not written as any is."""
    text = str(name)
    if re.fullmatch(r"hex\.([0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text[4:])
    if re.fullmatch(r"naa\.[0-9a-fA-F]{16}", text):
        return (bytes((_SAS, 0, 0, 0)) + bytes.fromhex(text[4:])).ljust(_LENGTH, b"\0")
    if re.fullmatch(r"fc\.([0-9a-fA-F]{2}:){7}[0-9a-fA-F]{2}", text):
        return (bytes((_FC,)) + bytes(7) + bytes.fromhex(text[3:].replace(":", ""))).ljust(_LENGTH, b"\0")
    if text.startswith("iqn.") and text.isascii():
        return _iscsi(text)
    raise ValueError(f"expected a TransportID such as {FORM}, not {text!r}")


def _iscsi(text: str) -> bytes:
    """Ended by a NUL and filled to a multiple of four (SPC-4 7.6.4.6); the format says whether an ISID is there."""
    name = text.encode() + b"\0"
    name = name.ljust(max(_LENGTH - 4, -(-len(name) // 4) * 4), b"\0")
    return bytes(((",i,0x" in text) << 6 | _ISCSI, 0)) + len(name).to_bytes(2, "big") + name


def decode(data: bytes) -> str:
    """The name that a TransportID stands for; what is none comes as `hex.BYTES`. IndexError where it is cut off."""
    if len(data) < _LENGTH:
        raise IndexError(len(data))
    protocol, form = data[0] & 0x0f, data[0] >> 6
    if protocol == _SAS:
        return f"naa.{data[4:12].hex()}"
    if protocol == _FC:
        return "fc." + data[8:16].hex(":")
    if protocol == _ISCSI and form in (0, 1):
        return data[4:].split(b"\0")[0].decode("ascii", "replace")
    return f"hex.{data.hex()}"
