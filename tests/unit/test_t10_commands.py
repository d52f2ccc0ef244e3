"""CDBs byte by byte, after the layouts of SPC-4 and SBC-4, and the sentences of bad arguments."""

import pytest

from lab.t10.commands import COMMANDS, build, check_arguments

CDBS = [
    ("test_unit_ready", {}, "000000000000", 0, 0),
    ("inquiry", {"arguments": {"evpd": True, "page": 0x83, "allocation": 0x1ff}}, "12018301ff00", 0, 0x1ff),
    ("inquiry", {"arguments": {"evpd": 1, "page": "0xb2", "allocation": 64}}, "1201b2004000", 0, 64),
    ("report_luns", {"arguments": {"allocation": 16}}, "a00000000000000000100000", 0, 16),
    ("read_capacity10", {}, "25000000000000000000", 0, 8),
    ("read_capacity16", {}, "9e100000000000000000000000200000", 0, 32),
    ("mode_sense6", {"arguments": {"page": 8}}, "1a000800ff00", 0, 255),
    ("mode_sense10", {"arguments": {"page": 0x0a, "subpage": 1, "dbd": 1, "pc": 2}}, "5a088a01000000040000", 0, 1024),
    ("read6", {"lba": 0x1f2345, "blocks": 256}, "081f23450000", 0, 256 * 512),
    ("write6", {"lba": 1, "blocks": 2}, "0a0000010200", 1024, 0),
    ("read10", {"lba": 0x01020304, "blocks": 0x0506}, "28000102030400050600", 0, 0x0506 * 512),
    ("write10", {"lba": 8, "blocks": 1, "arguments": {"fua": True, "wrprotect": 1}}, "2a280000000800000100", 512, 0),
    ("read12", {"lba": 1, "blocks": 2, "arguments": {"dpo": 1}}, "a81000000001000000020000", 0, 1024),
    ("write12", {"lba": 1, "blocks": 2}, "aa0000000001000000020000", 1024, 0),
    ("read16", {"lba": 1 << 40, "blocks": 1}, "88000000010000000000000000010000", 0, 512),
    ("write16", {"lba": 2**64 - 1, "blocks": 0}, "8a00ffffffffffffffff000000000000", 0, 0),
    ("verify10", {"lba": 1, "blocks": 4, "arguments": {"bytchk": 1}}, "2f020000000100000400", 2048, 0),
    ("verify16", {"lba": 1, "blocks": 4, "arguments": {"bytchk": 3}}, "8f060000000000000001000000040000", 512, 0),
    ("write_same10", {"lba": 1, "blocks": 4, "arguments": {"unmap": True}}, "41080000000100000400", 512, 0),
    ("write_same16", {"lba": 1, "blocks": 4, "arguments": {"unmap": 1, "ndob": 1, "anchor": 1}},
     "93190000000000000001000000040000", 0, 0),
    ("compare_and_write", {"lba": 5, "blocks": 2}, "89000000000000000005000000020000", 2048, 0),
    ("synchronize_cache10", {}, "35000000000000000000", 0, 0),
    ("synchronize_cache16", {"lba": 3, "blocks": 4, "arguments": {"immed": 1}},
     "91020000000000000003000000040000", 0, 0),
    ("reserve6", {}, "160000000000", 0, 0),
    ("release6", {}, "170000000000", 0, 0),
    ("persistent_reserve_in", {"arguments": {"action": "read_reservation", "allocation": 24}},
     "5e010000000000001800", 0, 24),
    ("persistent_reserve_out",
     {"arguments": {"action": "preempt_and_abort", "type": "write_exclusive_all_registrants"}},
     "5f050700000000001800", 24, 0),
    ("report_target_port_groups", {"arguments": {"allocation": 256}}, "a30a00000000000001000000", 0, 256),
    ("set_target_port_groups", {"arguments": {"group": 0, "state": "standby"}}, "a40a00000000000000080000", 8, 0),
    ("report_supported_operation_codes", {"arguments": {"reporting_options": 1, "opcode": 0x93, "allocation": 64}},
     "a30c01930000000000400000", 0, 64),
    ("start_stop_unit", {"arguments": {"start": False}}, "1b0000000000", 0, 0),
]


@pytest.mark.parametrize(("command", "given", "cdb", "send", "receive"), CDBS)
def test_cdb(command: str, given: dict, cdb: str, send: int, receive: int) -> None:
    built = build(command, **given)
    assert (built.cdb.hex(), built.send, built.receive) == (cdb, send, receive)


def test_every_command_has_a_cdb_in_this_file() -> None:
    assert set(COMMANDS) - {c[0] for c in CDBS} \
        == {"request_sense", "write_and_verify10", "write_and_verify16", "unmap"}


def test_the_length_of_a_cdb_is_that_of_its_group() -> None:
    for name, command in COMMANDS.items():
        arguments = {k: next(iter(f.names)) if f.names else 1 for k, f in command.arguments.items() if f.required}
        cdb = build(name, lba=1 if command.lba_bits else None, arguments=arguments).cdb
        assert len(cdb) == {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}[cdb[0] >> 5], name


def test_unmap_parameter_list() -> None:
    built = build("unmap", arguments={"descriptors": ["16+8", "0x20+1"]})
    assert built.cdb.hex() == "42000000000000002800" and built.send == 40
    assert built.data_out.hex() == "0026002000000000" + "00000000000000100000000800000000" \
        + "00000000000000200000000100000000"
    assert build("unmap", lba=2**64 - 1, blocks=2).data_out[8:].hex() == "ffffffffffffffff0000000200000000"


def test_persistent_reserve_out_parameter_list() -> None:
    built = build("persistent_reserve_out",
                  arguments={"action": "register", "key": 1, "sa_key": "0x123", "aptpl": True})
    assert built.data_out.hex() == "000000000000000100000000000001230000000001000000"
    short = build("persistent_reserve_out", arguments={"action": "register", "parameter_list_length": 23})
    assert len(short.data_out) == 23 and short.cdb.hex().endswith("1700")


def test_set_target_port_groups_parameter_list() -> None:
    assert build("set_target_port_groups", arguments={"group": 0x1234, "state": 3}).data_out.hex() == "0000000003001234"


def test_sizes_follow_the_block_size() -> None:
    assert build("read10", lba=0, blocks=3, block_size=4096).receive == 3 * 4096
    assert build("write_same16", lba=0, blocks=3, block_size=4096).send == 4096


@pytest.mark.parametrize(("command", "given", "words"), [
    ("red10", {}, "unknown SCSI command 'red10'; did you mean read10?"),
    ("read10", {}, "read10 needs lba"),
    ("read10", {"lba": 1, "arguments": {"fau": 1}}, "no argument 'fau'; did you mean fua?"),
    ("read10", {"lba": 1 << 32}, "does not fit into the 32 bits"),
    ("read10", {"lba": 1, "blocks": 65536}, "does not fit into the 16 bits"),
    ("read6", {"lba": 1, "blocks": 257}, "does not fit into the 8 bits"),
    ("test_unit_ready", {"lba": 1}, "takes no lba"),
    ("test_unit_ready", {"arguments": {"x": 1}}, "takes none"),
    ("inquiry", {"arguments": {"evpd": 2}}, "expected true or false, not 2"),
    ("inquiry", {"arguments": {"page": "abc"}}, "a number from 0 to 0xff"),
    ("persistent_reserve_out", {}, "needs action: one of register"),
    ("persistent_reserve_out", {"arguments": {"action": "regster"}}, "did you mean register"),
    ("persistent_reserve_out", {"arguments": {"action": "reserve", "type": "write_exclusiv"}},
     "did you mean write_exclusive"),
    ("unmap", {}, "either lba and blocks or descriptors"),
    ("unmap", {"lba": 1, "arguments": {"descriptors": ["1+1"]}}, "either lba and blocks or descriptors"),
    ("unmap", {"arguments": {"descriptors": ["1-1"]}}, r'such as "2048\+8"'),
])
def test_bad_arguments(command: str, given: dict, words: str) -> None:
    full = {"lba": None, "blocks": None, "arguments": {}, **given}
    with pytest.raises(ValueError, match=words.replace("?", r"\?")):
        check_arguments(command, **full)
    with pytest.raises(ValueError):
        build(command, **given)
