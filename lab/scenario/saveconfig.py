"""targetcli's saveconfig.json as the `backstores` and `targets` of a scenario.

The file is what rtslib-fb's RTSRoot.dump() writes. What a scenario cannot say is named, one sentence each: a guest has
neither the host's devices and files nor its other fabrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.errors import UsageError

SIZE_LIMIT = 64 << 20  # a guest has half a gigabyte of memory, in which its disks lie
_WWN = re.compile(r"^(naa|fc|iqn)\.[^\s/]+$")
# What the kernel sets by itself (DA_* in include/target/target_core_base.h); saveconfig.json lists every attribute.
_DEFAULTS = {
    "emulate_model_alias": 0, "emulate_dpo": 1, "emulate_fua_write": 1, "emulate_fua_read": 1, "emulate_write_cache": 0,
    "emulate_ua_intlck_ctrl": 0, "emulate_tas": 1, "emulate_tpu": 0, "emulate_tpws": 0, "emulate_caw": 1,
    "emulate_3pc": 1, "emulate_pr": 1, "emulate_rsoc": 1, "emulate_rest_reord": 0, "enforce_pr_isids": 1,
    "force_pr_aptpl": 0, "is_nonrot": 0, "pi_prot_type": 0, "unmap_zeroes_data": 0, "block_size": 512,
    "alua_support": 1, "pgr_support": 1, "max_unmap_block_desc_count": 1, "max_unmap_lba_count": 0,
    "unmap_granularity": 0, "unmap_granularity_alignment": 0,
}
# Of the device below or of the backend: another device has others.
_OF_THE_DEVICE = {"max_unmap_block_desc_count", "max_unmap_lba_count", "unmap_granularity", "max_write_same_len",
                  "unmap_granularity_alignment", "optimal_sectors", "queue_depth", "hw_block_size", "hw_max_sectors",
                  "hw_queue_depth", "hw_pi_prot_type", "submit_type", "complete_type", "pi_prot_format",
                  "pi_prot_verify"}
_TYPES = {"ramdisk": "ramdisk", "fileio": "fileio", "block": "iblock", "pscsi": "pscsi", "user": "tcmu"}


@dataclass
class Imported:
    """Parts of a scenario as plain values, and a sentence for each thing that they do not have."""

    backstores: dict[str, dict[str, Any]] = field(default_factory=dict)
    targets: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # "/backstores/block/x" -> its name in the scenario


def imported(saved: Any) -> Imported:
    """What a scenario can have of a configuration. UsageError when this is no saveconfig.json."""
    if not isinstance(saved, dict) or not isinstance(saved.get("storage_objects"), list):
        raise UsageError("this is no configuration of targetcli: it has no list storage_objects")
    found = Imported()
    for stored in _dicts(saved, "storage_objects"):
        _backstore(found, stored)
    for target in _dicts(saved, "targets"):
        for tpg in _dicts(target, "tpgs"):
            _target(found, target, tpg)
    if not found.backstores:
        raise UsageError("this configuration has no backstore that a scenario could have")
    return found


def _backstore(found: Imported, stored: dict[str, Any]) -> None:
    plugin, given = str(stored.get("plugin")), str(stored.get("name"))
    if plugin not in _TYPES:
        found.left_out.append(f"backstore {given}: there is no type for {plugin!r}")
        return
    name = _name(given, found.backstores)
    place = f"backstore {name}"
    if name != given:
        found.left_out.append(f"{place}: was called {given!r}")
    made: dict[str, Any] = {"type": _TYPES[plugin]}
    size = stored.get("size")
    if isinstance(size, int) and size > 0:
        made["size"] = min(size, SIZE_LIMIT) // 4096 * 4096 or 4096
        if made["size"] != size:
            found.left_out.append(f"{place}: has {size} bytes; {made['size']} fit a guest")
    made |= _flags(stored, plugin)
    if plugin in ("block", "pscsi"):
        made["on"] = {"type": "loop" if plugin == "block" else "scsi_debug"}
    found.left_out += [f"{place}: {text}" for text in _stands_for(stored, plugin)]
    if stored.get("wwn") and plugin != "pscsi":
        made["serial"] = str(stored["wwn"])
    if attributes := dict(_attributes(found, place, stored, plugin)):
        made["attributes"] = attributes
    groups = [str(g.get("name")) for g in _dicts(stored, "alua_tpgs") if g.get("name") != "default_tg_pt_gp"]
    found.left_out += [f"{place}: the ALUA group {group}; configfs steps can make it" for group in groups]
    found.backstores[name] = made
    found.names[f"/backstores/{plugin}/{given}"] = name


def _flags(stored: dict[str, Any], plugin: str) -> dict[str, bool]:
    flags = {"ramdisk": {"nullio": "nullio"}, "fileio": {"write_back": "buffered", "aio": "asynchronous"},
             "block": {"readonly": "readonly"}}.get(plugin, {})
    return {ours: True for theirs, ours in flags.items() if stored.get(theirs) is True}


def _stands_for(stored: dict[str, Any], plugin: str) -> Iterator[str]:
    """What of the host's a guest has something else for."""
    device = stored.get("dev")
    if plugin == "fileio":
        yield f"a new file of the guest stands for {device}"
    elif plugin == "block":
        yield f"a loop device stands for {device}, whose size and limits the file does not tell"
    elif plugin == "pscsi":
        yield f"a scsi_debug disk stands for {device}"
    elif plugin == "user":
        yield f"the lab's handler stands for {stored.get('config')}"
        if stored.get("control") or stored.get("hw_max_sectors"):
            yield "its control string and hw_max_sectors"


def _attributes(found: Imported, place: str, stored: dict[str, Any], plugin: str) -> Iterator[tuple[str, int | str]]:
    """Those that are not the kernel's own defaults."""
    given, limits = stored.get("attributes"), []
    for name, value in given.items() if isinstance(given, dict) else ():
        buffered = name == "emulate_write_cache" and stored.get("write_back") is True
        if value == (1 if buffered else _DEFAULTS.get(name)):
            continue
        if name in _OF_THE_DEVICE:
            limits.append(f"{name}={value}")
        elif plugin == "pscsi":
            found.left_out.append(f"{place}: the attribute {name}={value}, which a passed-through disk does not take")
        elif isinstance(value, int | str) and not isinstance(value, bool):
            yield name, value
    if limits:
        found.left_out.append(f"{place}: what is the device's or the kernel's own: {', '.join(limits)}")


def _target(found: Imported, target: dict[str, Any], tpg: dict[str, Any]) -> None:
    fabric, given, tag = str(target.get("fabric")), str(target.get("wwn")), tpg.get("tag")
    place = f"target {given} (tpg{tag})"
    made: dict[str, Any] = {"name": f"t{len(found.targets) + 1}", "wwn": given}
    if not _WWN.match(given) or len(given) > 223:
        made["wwn"] = f"naa.60014050000000{len(found.targets) + 1:02x}"
        found.left_out.append(f"{place}: tcm_loop knows no such name; it is {made['wwn']}")
    made["tpgt"] = tag if isinstance(tag, int) and 0 <= tag <= 31 else 1
    if made["tpgt"] != tag:
        found.left_out.append(f"{place}: tcm_loop's tags end at 31; it is 1")
    if fabric != "loopback":
        portals = [f"{p.get('ip_address')}:{p.get('port')}" for p in _dicts(tpg, "portals")]
        found.left_out.append(f"{place}: it is of the fabric {fabric}; tcm_loop stands for it"
                              + (f", without portals ({', '.join(portals)})" if portals else ""))
    made["nexus"] = _nexus(found, place, made["wwn"], tpg)
    made["luns"] = {}
    for lun in _dicts(tpg, "luns"):
        name = found.names.get(str(lun.get("storage_object")))
        if name is None:
            found.left_out.append(f"{place}: LUN {lun.get('index')} of {lun.get('storage_object')}")
            continue
        made["luns"][int(lun.get("index", 0))] = name
        if lun.get("alua_tg_pt_gp_name") not in (None, "default_tg_pt_gp"):
            found.left_out.append(f"{place}: LUN {lun.get('index')} is in the ALUA group {lun['alua_tg_pt_gp_name']}")
    found.left_out += [f"{place}: {text}" for text in _of_tpg(tpg, fabric)]
    found.targets.append(made)


def _nexus(found: Imported, place: str, wwn: str, tpg: dict[str, Any]) -> str:
    """The initiator of the first ACL that fits, else one of the target's own kind."""
    kind, names = wwn.partition(".")[0], [str(a.get("node_wwn")) for a in _dicts(tpg, "node_acls")]
    fitting = [n for n in names if _WWN.match(n) and n.startswith(f"{kind}.") and len(n) <= 223]
    others = [n for n in names if n not in fitting[:1]]
    if others:
        found.left_out.append(f"{place}: a target has one nexus; no initiator {', '.join(others)}")
    own = {"naa": f"naa.60014059{len(found.targets) + 1:08x}", "fc": f"fc.60014059{len(found.targets) + 1:08x}"}
    return fitting[0] if fitting else own.get(kind, f"iqn.2026-01.lab:initiator-{len(found.targets) + 1}")


def _of_tpg(tpg: dict[str, Any], fabric: str) -> Iterator[str]:
    """Rules for initiators and keys of the fabric. No secret is repeated."""
    for acl in _dicts(tpg, "node_acls"):
        for lun in _dicts(acl, "mapped_luns"):
            if lun.get("write_protect"):
                yield (f"{acl.get('node_wwn')} may not write to LUN {lun.get('index')}; for that see "
                       "scenarios/scsi/read-only.yaml")
            if lun.get("index") != lun.get("tpg_lun"):
                yield f"{acl.get('node_wwn')} sees LUN {lun.get('tpg_lun')} as LUN {lun.get('index')}"
        if acl.get("attributes") or any(str(key).startswith("chap_") for key in acl):
            yield f"the attributes and CHAP secrets of {acl.get('node_wwn')}"
    if fabric != "loopback" and (tpg.get("attributes") or tpg.get("parameters")):
        yield f"attributes and parameters that are {fabric}'s own"
    if any(str(key).startswith("chap_") for key in tpg):
        yield "its CHAP secrets"
    if tpg.get("enable") is False:
        yield "it is switched off, and in a scenario it is on"


def _name(given: str, taken: dict[str, Any]) -> str:
    """A name of the language that is like a given one, and not taken."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", given.lower()).strip("-_")
    plain = (plain if plain[:1].isalpha() else f"disk-{plain}".rstrip("-"))[:56]
    number = 2
    name = plain
    while name in taken or name == "target":
        name, number = f"{plain}-{number}", number + 1
    return name


def _dicts(holder: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = holder.get(key)
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
