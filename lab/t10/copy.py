"""EXTENDED COPY (LID1) and RECEIVE COPY RESULTS, SPC-4 6.4 and 6.17 to 6.20: parameter lists and answers.

Whatever a target has to check can be said wrongly: types, identifiers, lengths, the number of descriptors.
"""

from __future__ import annotations

import struct
from typing import Any

from lab.t10.cdbs import Built, Call

_HEADER_BYTES = 16


def extended_copy(call: Call) -> Built:
    """A block to block segment (type 02h) between identification descriptors (type E4h), unless told otherwise."""
    cscds = b"".join(_cscd(call, number) for number in range(call.get("cscds", 2)))
    segments = _segment(call) * call.get("segments", 1)
    header = struct.pack(">BBH4xII", call.get("list_id"), call.get("list_id_usage") << 3,
                         call.get("cscd_list_length", len(cscds)), call.get("segment_list_length", len(segments)),
                         call.get("inline_length"))
    data = header + cscds + segments
    length = call.get("parameter_list_length", len(data))
    data = data[:length].ljust(length, b"\0")
    cdb = struct.pack(">BB8xIxx", 0x83, call.get("service_action"), length)
    return Built(cdb, data or None, send=length)


def _cscd(call: Call, number: int) -> bytes:
    """An identification CSCD descriptor, SPC-4 6.4.5.3; the first names the source, all others the destination."""
    naa = call.get("source_naa" if number == 0 else "destination_naa").to_bytes(16, "big")
    return struct.pack(">BBHBBxB16s4xB", call.get("cscd_type", 0xe4), 0, 0, call.get("code_set", 1),
                       call.get("association") << 4 | call.get("designator_type", 3),
                       call.get("designator_length", 16), naa, 0) + call.block_size.to_bytes(3, "big")


def _segment(call: Call) -> bytes:
    """Block to block, SPC-4 6.4.6.3."""
    return struct.pack(">BBHHHxxHQQ", call.get("segment_type", 0x02), call.get("dc", 1) << 1,
                       call.get("segment_length", 0x18), call.get("source_id"), call.get("destination_id", 1),
                       call.count, call.lba, call.get("destination_lba"))


def receive_copy_results(call: Call) -> Built:
    allocation = call.get("allocation", 0x400)
    return Built(struct.pack(">BBB7xIxx", 0x84, call.get("action"), call.get("list_id"), allocation),
                 receive=allocation)


def operating_parameters(data: bytes) -> dict[str, Any]:
    """Fields of SPC-4 6.18 (RECEIVE COPY OPERATING PARAMETERS); IndexError where the answer is cut off."""
    if len(data) < 44 or len(data) < 44 + data[43]:
        raise IndexError(len(data))
    fields = struct.unpack(">IB3xHHIIIIIxxHBBBB3xB", data[:44])
    names = ("available", "snlid", "max_cscds", "max_segments", "max_list_length", "max_segment_length",
             "max_inline_length", "held_data_limit", "max_stream_transfer", "total_concurrent", "max_concurrent",
             "segment_granularity", "inline_granularity", "held_granularity", "listed")
    answer = dict(zip(names, fields, strict=True))
    listed = answer.pop("listed")
    return {**answer, "snlid": answer["snlid"] & 1, "descriptors": [f"0x{code:02x}" for code in data[44:44 + listed]]}
