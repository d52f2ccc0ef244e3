"""CDBs byte by byte, after the layouts of SPC-4 and SBC-4, and the sentences of bad arguments."""

import pytest

from lab.t10 import transport
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
    ("reserve10", {}, "56000000000000000000", 0, 0),
    ("release10", {}, "57000000000000000000", 0, 0),
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
    ("start_stop_unit", {"arguments": {"immed": 1, "modifier": 1, "no_flush": 1}}, "1b0100010500", 0, 0),
    ("read_capacity10", {"lba": 1, "arguments": {"pmi": 1}}, "25000000000100000100", 0, 8),
    ("mode_sense10", {"arguments": {"llbaa": 1}}, "5a103f00000000040000", 0, 1024),
    ("mode_select6", {"arguments": {"sp": 1, "parameter_list_length": 16}}, "151100001000", 16, 0),
    ("mode_select10", {"arguments": {"pf": 0, "parameter_list_length": 20}}, "55000000000000001400", 20, 0),
    ("log_sense", {"arguments": {"page": 0x0d, "allocation": 4}}, "4d004d00000000000400", 0, 4),
    ("log_select", {"arguments": {"pcr": 1}}, "4c020000000000000000", 0, 0),
    ("send_diagnostic", {}, "1d0400000000", 0, 0),
    ("receive_diagnostic_results", {"arguments": {"pcv": 1, "page": 2, "allocation": 8}}, "1c0102000800", 0, 8),
    ("write_buffer", {"arguments": {"mode": 5, "parameter_list_length": 0x10203}}, "3b050000000001020300", 0x10203, 0),
    ("security_protocol_in", {"arguments": {"specific": 1}}, "a20000010000000002000000", 0, 512),
    ("security_protocol_out", {"arguments": {"protocol": 1, "parameter_list_length": 4}},
     "b50100000000000000040000", 4, 0),
    ("read_attribute", {"arguments": {"allocation": 16}}, "8c000000000000000000000000100000", 0, 16),
    ("write_attribute", {"arguments": {"parameter_list_length": 8}}, "8d000000000000000000000000080000", 8, 0),
    ("report_identifying_information", {}, "a30500000000000002000000", 0, 512),
    ("report_timestamp", {}, "a30f000000000000000c0000", 0, 12),
    ("read32", {"lba": 0x0102, "blocks": 3},
     "7f00000000000018000900000000000000000102000000000000000000000003", 0, 1536),
    ("write32", {"lba": 1, "blocks": 1}, "7f00000000000018000b00000000000000000001000000000000000000000001", 512, 0),
    ("write_same32", {"lba": 1 << 32, "blocks": 5, "arguments": {"unmap": 1, "reference_tag": 7}},
     "7f00000000000018000d08000000000100000000000000070000000000000005", 512, 0),
    ("write_atomic16", {"lba": 16, "blocks": 8, "arguments": {"boundary": 4, "fua": 1}},
     "9c080000000000000010000400080000", 4096, 0),
    ("write_and_verify12", {"lba": 1, "blocks": 2}, "ae0000000001000000020000", 1024, 0),
    ("verify12", {"lba": 1, "blocks": 2}, "af0000000001000000020000", 0, 0),
    ("xdwriteread10", {"lba": 1, "blocks": 2}, "53000000000100000200", 1024, 0),
    ("seek6", {"lba": 0x1f0102}, "0b1f01020000", 0, 0),
    ("seek10", {"lba": 0x01020304}, "2b000102030400000000", 0, 0),
    ("rezero_unit", {}, "010000000000", 0, 0),
    ("report_referrals", {"lba": 8, "arguments": {"one_segment": 1, "allocation": 36}},
     "9e130000000000000008000000240100", 0, 36),
    ("get_lba_status", {"lba": 8, "arguments": {"allocation": 24}}, "9e120000000000000008000000180000", 0, 24),
    ("pre_fetch10", {"lba": 8, "blocks": 1}, "34000000000800000100", 0, 0),
    ("format_unit", {}, "040000000000", 0, 0),
    ("receive_copy_results", {"arguments": {"action": "operating_parameters", "list_id": 2, "allocation": 54}},
     "84030200000000000000000000360000", 0, 54),
    ("extended_copy", {"lba": 1, "blocks": 2, "arguments": {"service_action": 1}},
     "830100000000000000000000006c0000", 108, 0),
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
        assert len(cdb) == {0: 6, 1: 10, 2: 10, 3: 32, 4: 16, 5: 12}[cdb[0] >> 5], name


def test_unmap_parameter_list() -> None:
    built = build("unmap", arguments={"descriptors": ["16+8", "0x20+1"]})
    assert built.cdb.hex() == "42000000000000002800" and built.send == 40
    assert built.data_out.hex() == "0026002000000000" + "00000000000000100000000800000000" \
        + "00000000000000200000000100000000"
    assert build("unmap", lba=2**64 - 1, blocks=2).data_out[8:].hex() == "ffffffffffffffff0000000200000000"


def test_extended_copy_parameter_list() -> None:
    data = build("extended_copy", lba=0x10, blocks=0x20, block_size=4096, arguments={
        "destination_lba": 0x30, "source_naa": "0x6" + "a" * 31, "destination_naa": "0x6" + "b" * 31}).data_out
    assert [data[at:at + 32].hex() for at in (16, 48)] \
        == [f"e4000000010300106{digit * 31}0000000000001000" for digit in "ab"]
    assert data[:16].hex() == "00000040000000000000001c00000000"
    assert data[80:].hex() == "02020018000000010000002000000000000000100000000000000030"


def test_extended_copy_can_be_wrong_everywhere() -> None:
    data = build("extended_copy", lba=0, arguments={
        "cscds": 3, "segments": 2, "cscd_type": 0xe5, "segment_type": 1, "inline_length": 9, "list_id": 7,
        "cscd_list_length": 1, "segment_list_length": 2, "segment_length": 0x17, "source_id": 5, "list_id_usage": 3,
        "code_set": 2, "association": 1, "designator_type": 8, "designator_length": 8}).data_out
    assert len(data) == 16 + 3 * 32 + 2 * 28
    assert data[:16].hex() == "07180001000000000000000200000009"
    assert data[16:24].hex() == "e500000002180008" and data[112:118].hex() == "010200170005"
    cut = build("extended_copy", lba=0, arguments={"parameter_list_length": 15})
    assert len(cut.data_out) == cut.send == cut.cdb[13] == 15


def test_persistent_reserve_out_parameter_list() -> None:
    built = build("persistent_reserve_out",
                  arguments={"action": "register", "key": 1, "sa_key": "0x123", "aptpl": True})
    assert built.data_out.hex() == "000000000000000100000000000001230000000001000000"
    short = build("persistent_reserve_out", arguments={"action": "register", "parameter_list_length": 23})
    assert len(short.data_out) == 23 and short.cdb.hex().endswith("1700")


def test_transport_ids_follow_a_registration() -> None:
    built = build("persistent_reserve_out", arguments={
        "action": "register", "sa_key": 2, "spec_i_pt": True, "transport_ids": ["naa.6001405000000052", "hex.0102"]})
    assert built.data_out[20] == 8 and built.data_out[24:].hex() \
        == "0000001a" + "06000000" + "6001405000000052" + "00" * 12 + "0102"
    assert built.cdb.hex() == "5f000000000000003600" and built.send == 54


def test_register_and_move_parameter_list() -> None:
    built = build("persistent_reserve_out", arguments={
        "action": "register_and_move", "key": 1, "sa_key": 2, "unreg": True, "relative_target_port": 3,
        "transport_ids": "fc.20:00:00:00:00:00:00:01"})
    assert built.data_out.hex() == "0000000000000001" + "0000000000000002" + "00020003" + "00000018" \
        + "00" * 8 + "2000000000000001" + "00" * 8
    assert build("persistent_reserve_out", arguments={"action": "register_and_move"}).send == 24


@pytest.mark.parametrize(("name", "data"), [
    ("naa.6001405000000052", "06000000" + "6001405000000052" + "00" * 12),
    ("fc.20:00:00:00:00:00:00:0a", "00" * 8 + "200000000000000a" + "00" * 8),
    ("iqn.2026-01.a:b", "05000014" + b"iqn.2026-01.a:b".hex() + "00" * 5),
    ("iqn.2026-01.a:b,i,0x0123456789ab", "45000024" + b"iqn.2026-01.a:b,i,0x0123456789ab".hex() + "00" * 4),
])
def test_a_transport_id_there_and_back(name: str, data: str) -> None:
    assert transport.encode(name).hex() == data and transport.decode(bytes.fromhex(data)) == name


def test_what_is_no_transport_id() -> None:
    with pytest.raises(ValueError, match=r"such as naa\.HEX"):
        transport.encode("naa.12")
    assert transport.decode(bytes((0x0f,)) + bytes(23)) == "hex.0f" + "00" * 23
    with pytest.raises(IndexError):
        transport.decode(bytes(23))


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
    ("persistent_reserve_out", {"arguments": {"action": "register", "transport_ids": "eui.1"}},
     "a TransportID such as"),
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
