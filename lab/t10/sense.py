"""Sense data of SPC-4 4.5: names, decoding of both formats, and the patterns that a scenario compares with."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

SENSE_KEYS = {  # SPC-4 table 45
    0x0: "NO SENSE", 0x1: "RECOVERED ERROR", 0x2: "NOT READY", 0x3: "MEDIUM ERROR", 0x4: "HARDWARE ERROR",
    0x5: "ILLEGAL REQUEST", 0x6: "UNIT ATTENTION", 0x7: "DATA PROTECT", 0x8: "BLANK CHECK",
    0x9: "VENDOR SPECIFIC", 0xa: "COPY ABORTED", 0xb: "ABORTED COMMAND", 0xd: "VOLUME OVERFLOW",
    0xe: "MISCOMPARE", 0xf: "COMPLETED",
}
# SPC-4 annex F. Those that LIO sends (sense_detail_table in drivers/target/target_core_transport.c, the unit
# attentions of target_core_ua.h, ALUA's of target_core_alua.h), and what sits under pscsi or tcmu often sends.
ADDITIONAL_SENSE = {
    (0x00, 0x00): "NO ADDITIONAL SENSE INFORMATION",
    (0x03, 0x00): "PERIPHERAL DEVICE WRITE FAULT",
    (0x04, 0x00): "LOGICAL UNIT NOT READY, CAUSE NOT REPORTABLE",
    (0x04, 0x01): "LOGICAL UNIT IS IN PROCESS OF BECOMING READY",
    (0x04, 0x02): "LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED",
    (0x04, 0x03): "LOGICAL UNIT NOT READY, MANUAL INTERVENTION REQUIRED",
    (0x04, 0x0a): "LOGICAL UNIT NOT ACCESSIBLE, ASYMMETRIC ACCESS STATE TRANSITION",
    (0x04, 0x0b): "LOGICAL UNIT NOT ACCESSIBLE, TARGET PORT IN STANDBY STATE",
    (0x04, 0x0c): "LOGICAL UNIT NOT ACCESSIBLE, TARGET PORT IN UNAVAILABLE STATE",
    (0x04, 0x12): "LOGICAL UNIT NOT READY, OFFLINE",
    (0x08, 0x00): "LOGICAL UNIT COMMUNICATION FAILURE",
    (0x0c, 0x00): "WRITE ERROR",
    (0x0c, 0x0c): "WRITE ERROR - UNEXPECTED UNSOLICITED DATA",
    (0x0c, 0x0d): "WRITE ERROR - NOT ENOUGH UNSOLICITED DATA",
    (0x0d, 0x02): "COPY TARGET DEVICE NOT REACHABLE",
    (0x0e, 0x03): "INVALID FIELD IN COMMAND INFORMATION UNIT",
    (0x10, 0x00): "ID CRC OR ECC ERROR",
    (0x10, 0x01): "LOGICAL BLOCK GUARD CHECK FAILED",
    (0x10, 0x02): "LOGICAL BLOCK APPLICATION TAG CHECK FAILED",
    (0x10, 0x03): "LOGICAL BLOCK REFERENCE TAG CHECK FAILED",
    (0x11, 0x00): "UNRECOVERED READ ERROR",
    (0x11, 0x13): "READ ERROR - FAILED RETRANSMISSION REQUEST",
    (0x1a, 0x00): "PARAMETER LIST LENGTH ERROR",
    (0x1d, 0x00): "MISCOMPARE DURING VERIFY OPERATION",
    (0x20, 0x00): "INVALID COMMAND OPERATION CODE",
    (0x21, 0x00): "LOGICAL BLOCK ADDRESS OUT OF RANGE",
    (0x24, 0x00): "INVALID FIELD IN CDB",
    (0x25, 0x00): "LOGICAL UNIT NOT SUPPORTED",
    (0x26, 0x00): "INVALID FIELD IN PARAMETER LIST",
    (0x26, 0x02): "PARAMETER VALUE INVALID",
    (0x26, 0x04): "INVALID RELEASE OF PERSISTENT RESERVATION",
    (0x26, 0x06): "TOO MANY TARGET DESCRIPTORS",
    (0x26, 0x07): "UNSUPPORTED TARGET DESCRIPTOR TYPE CODE",
    (0x26, 0x08): "TOO MANY SEGMENT DESCRIPTORS",
    (0x26, 0x09): "UNSUPPORTED SEGMENT DESCRIPTOR TYPE CODE",
    (0x27, 0x00): "WRITE PROTECTED",
    (0x27, 0x07): "SPACE ALLOCATION FAILED WRITE PROTECT",
    (0x29, 0x00): "POWER ON, RESET, OR BUS DEVICE RESET OCCURRED",
    (0x29, 0x01): "POWER ON OCCURRED",
    (0x29, 0x02): "SCSI BUS RESET OCCURRED",
    (0x29, 0x03): "BUS DEVICE RESET FUNCTION OCCURRED",
    (0x29, 0x04): "DEVICE INTERNAL RESET",
    (0x29, 0x07): "I_T NEXUS LOSS OCCURRED",
    (0x2a, 0x00): "PARAMETERS CHANGED",
    (0x2a, 0x01): "MODE PARAMETERS CHANGED",
    (0x2a, 0x03): "RESERVATIONS PREEMPTED",
    (0x2a, 0x04): "RESERVATIONS RELEASED",
    (0x2a, 0x05): "REGISTRATIONS PREEMPTED",
    (0x2a, 0x06): "ASYMMETRIC ACCESS STATE CHANGED",
    (0x2a, 0x07): "IMPLICIT ASYMMETRIC ACCESS STATE TRANSITION FAILED",
    (0x2a, 0x09): "CAPACITY DATA HAS CHANGED",
    (0x2c, 0x00): "COMMAND SEQUENCE ERROR",
    (0x2c, 0x09): "PREVIOUS RESERVATION CONFLICT STATUS",
    (0x2f, 0x00): "COMMANDS CLEARED BY ANOTHER INITIATOR",
    (0x38, 0x07): "THIN PROVISIONING SOFT THRESHOLD REACHED",
    (0x3a, 0x00): "MEDIUM NOT PRESENT",
    (0x3f, 0x03): "INQUIRY DATA HAS CHANGED",
    (0x3f, 0x0e): "REPORTED LUNS DATA HAS CHANGED",
    (0x44, 0x00): "INTERNAL TARGET FAILURE",
    (0x47, 0x05): "PROTOCOL SERVICE CRC ERROR",
    (0x4b, 0x00): "DATA PHASE ERROR",
    (0x55, 0x03): "INSUFFICIENT RESOURCES",
    (0x55, 0x04): "INSUFFICIENT REGISTRATION RESOURCES",
}


@dataclass(frozen=True)
class Sense:
    """Decoded sense data. `information` is None where the VALID bit (or the descriptor) is missing.

    `form` is `fixed` or `descriptor`.
    """

    key: int
    asc: int
    ascq: int
    information: int | None
    deferred: bool
    text: str
    form: str = "fixed"


@dataclass(frozen=True)
class SensePattern:
    """A sense key, an ASC/ASCQ, or both; None means any."""

    key: int | None
    asc: int | None = None
    ascq: int | None = None
    text: str = ""

    def matches(self, sense: Sense | None) -> bool:
        """Whether decoded sense data is what the pattern asks for; no sense data matches nothing."""
        if sense is None:
            return False
        wanted = ((self.key, sense.key), (self.asc, sense.asc), (self.ascq, sense.ascq))
        return all(want is None or want == got for want, got in wanted)


def decode(data: bytes) -> Sense | None:
    """Sense data in fixed (SPC-4 4.5.3) or descriptor format (4.5.2); None when it is neither."""
    if len(data) < 4 or data[0] & 0x7c != 0x70 or data[0] & 0x7f > 0x73:
        return None
    deferred = bool(data[0] & 0x01)
    if data[0] & 0x02:
        key, asc, ascq = data[1] & 0x0f, data[2], data[3]
        information = _descriptor_information(data)
    else:
        padded = data.ljust(18, b"\0")
        # An ADDITIONAL SENSE LENGTH below 6 leaves ASC and ASCQ out.
        coded = padded[7] >= 6
        key, asc, ascq = padded[2] & 0x0f, padded[12] if coded else 0, padded[13] if coded else 0
        information = int.from_bytes(padded[3:7], "big") if data[0] & 0x80 else None
    form = "descriptor" if data[0] & 0x02 else "fixed"
    return Sense(key, asc, ascq, information, deferred, _text(key, asc, ascq), form)


def fixed(key: int, asc: int, ascq: int, information: int | None = None) -> bytes:
    """18 bytes of sense data in fixed format, as a device sends them; `information` sets the VALID bit."""
    valid = 0x00 if information is None else 0x80
    return bytes((valid | 0x70, 0, key)) + (information or 0).to_bytes(4, "big") + bytes((10, 0, 0, 0, 0, asc, ascq,
                                                                                          0, 0, 0, 0))


def _descriptor_information(data: bytes) -> int | None:
    """The INFORMATION of the information sense data descriptor (type 00h, SPC-4 4.5.2.2)."""
    at, end = 8, min(len(data), 8 + (data[7] if len(data) > 7 else 0))
    while at + 2 <= end:
        if data[at] == 0x00 and at + 12 <= end and data[at + 2] & 0x80:
            return int.from_bytes(data[at + 4:at + 12], "big")
        at += 2 + data[at + 1]
    return None


def _text(key: int, asc: int, ascq: int) -> str:
    name = ADDITIONAL_SENSE.get((asc, ascq))
    return SENSE_KEYS.get(key, f"SENSE KEY {key:X}h") + (f", {name}" if name else "")


def describe(sense: Sense) -> str:
    """`ILLEGAL REQUEST, LOGICAL BLOCK ADDRESS OUT OF RANGE (5/21/00)`."""
    extra = "" if sense.information is None else f", information 0x{sense.information:x}"
    return f"{sense.text} ({sense.key:x}/{sense.asc:02x}/{sense.ascq:02x}{extra})" + (" deferred" * sense.deferred)


def parse_sense(text: str) -> SensePattern:
    """A pattern from `MEDIUM_ERROR`, `5/21/00`, or `ILLEGAL_REQUEST 21/00`.

    Raises ValueError with one sentence that names the nearest right sense key.
    """
    if numbers := re.fullmatch(r"(?:0x)?([0-9a-fA-F])/(?:0x)?([0-9a-fA-F]{1,2})/(?:0x)?([0-9a-fA-F]{1,2})",
                               text.strip()):
        return SensePattern(int(numbers[1], 16), int(numbers[2], 16), int(numbers[3], 16), text)
    parts = re.fullmatch(r"([A-Za-z_ -]+?)(?:\s+([0-9a-fA-F]{2})/([0-9a-fA-F]{2}))?", text.strip())
    if parts is None:
        raise ValueError(f"expected a sense key such as MEDIUM_ERROR, 5/21/00 or ILLEGAL_REQUEST 21/00, not {text!r}")
    asc, ascq = (None if code is None else int(code, 16) for code in parts.groups()[1:])
    return SensePattern(_key_of_name(parts[1]), asc, ascq, text)


def _key_of_name(name: str) -> int:
    names = {spelled.replace(" ", "_"): key for key, spelled in SENSE_KEYS.items()}
    asked = re.sub(r"[ -]+", "_", name.upper())
    if asked in names:
        return names[asked]
    near = difflib.get_close_matches(asked, names, n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]}?" if near else f"; one of: {', '.join(names)}"
    raise ValueError(f"unknown sense key {name!r}{hint}")
