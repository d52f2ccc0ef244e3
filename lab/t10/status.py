"""Numbers of the ways a command can end: SAM-5 status codes and the Linux host and driver bytes."""

from __future__ import annotations

STATUS = {  # SAM-5 5.3.1
    0x00: "GOOD", 0x02: "CHECK_CONDITION", 0x04: "CONDITION_MET", 0x08: "BUSY", 0x18: "RESERVATION_CONFLICT",
    0x28: "TASK_SET_FULL", 0x30: "ACA_ACTIVE", 0x40: "TASK_ABORTED",
}
HOST_STATUS = {  # include/scsi/scsi_status.h
    0x00: "DID_OK", 0x01: "DID_NO_CONNECT", 0x02: "DID_BUS_BUSY", 0x03: "DID_TIME_OUT", 0x04: "DID_BAD_TARGET",
    0x05: "DID_ABORT", 0x06: "DID_PARITY", 0x07: "DID_ERROR", 0x08: "DID_RESET", 0x09: "DID_BAD_INTR",
    0x0a: "DID_PASSTHROUGH", 0x0b: "DID_SOFT_ERROR", 0x0c: "DID_IMM_RETRY", 0x0d: "DID_REQUEUE",
    0x0e: "DID_TRANSPORT_DISRUPTED", 0x0f: "DID_TRANSPORT_FAILFAST", 0x10: "DID_TARGET_FAILURE",
    0x11: "DID_NEXUS_FAILURE", 0x12: "DID_ALLOC_FAILURE", 0x13: "DID_MEDIUM_ERROR",
    0x14: "DID_TRANSPORT_MARGINAL",
}
DRIVER_STATUS = {  # driver byte of SG_IO; only DRIVER_SENSE is left since 5.14 (include/scsi/sg.h)
    0x00: "DRIVER_OK", 0x01: "DRIVER_BUSY", 0x02: "DRIVER_SOFT", 0x03: "DRIVER_MEDIA", 0x04: "DRIVER_ERROR",
    0x05: "DRIVER_INVALID", 0x06: "DRIVER_TIMEOUT", 0x07: "DRIVER_HARD", 0x08: "DRIVER_SENSE",
}


def status_name(status: int) -> str:
    """`CHECK_CONDITION` of 2; the two lowest reserved bits are ignored, unknown codes come as `STATUS 0x..`."""
    return STATUS.get(status & 0x7e, f"STATUS 0x{status:02x}")


def host_status_name(host_status: int) -> str:
    """`DID_TRANSPORT_DISRUPTED` of 0x0e; unknown bytes come as `HOST 0x..`."""
    return HOST_STATUS.get(host_status, f"HOST 0x{host_status:02x}")


def driver_status_name(driver_status: int) -> str:
    """`DRIVER_SENSE` of 0x08; the suggestion in the high nibble is ignored."""
    return DRIVER_STATUS.get(driver_status & 0x0f, f"DRIVER 0x{driver_status:02x}")
