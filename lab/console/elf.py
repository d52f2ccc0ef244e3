"""ELF files with the kernel's symbols: who they are (build id, version) and where their functions begin."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection

from lab.errors import LabError

_NOTYPE, _FUNC, _UNDEFINED, _RESERVED = 0, 2, 0, 0xFF00
_GNU_BUILD_ID = 3  # n_type, elf.h
_Entry = tuple[int, int, int, int, int]  # section, value, size, offset of the name, type
# Not in kallsyms (scripts/kallsyms.c): labels of the assembler, ARM's mapping symbols, padding before functions.
_HIDDEN = (b".L", b"$", b"__pfx_", b"__cfi_")
_ENDLESS = 1 << 62
_LONGEST = 1000  # bytes of a banner
_PADDING = 128  # the largest alignment of functions (64), and the room before a function for patching


class UnusableElf(LabError):
    """A file that is no ELF, or one that is cut or damaged."""


@dataclass(frozen=True)
class Symbol:
    """A function: where it begins (in its section, for a module), its size, and how far it is to the next one."""

    section: str
    start: int
    size: int  # bytes; 0 for what an assembler file does not declare
    room: int  # bytes to the next symbol: what kallsyms calls the size

    def fits(self, size: int) -> int:
        """0: no function of that kallsyms size; more: the better it fits.

        kallsyms does not know sizes, it takes the distance to the next symbol, which pads up to an alignment.
        """
        if size == self.room:
            return 3
        if self.size <= size < self.size + _PADDING:
            return 2
        return 1 if self.size <= size <= self.room else 0


@dataclass(frozen=True)
class Elf:
    """What the lab wants to know of one file."""

    path: Path
    build_id: str  # hex; "" when it has none
    banner: str  # `Linux version ...` of a vmlinux, "" of a module
    relocatable: bool  # a module: addresses count from the start of their section
    lines: bool  # it has line numbers
    symbols: dict[str, list[Symbol]]


def read(path: Path, names: Collection[str]) -> Elf:
    """Open a vmlinux or module and look up the functions `names`, each of which may be there several times.

    Raises UnusableElf, a sentence, for anything that is no whole ELF file.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file, {name.encode() for name in names})
    except OSError as error:
        raise UnusableElf(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # pyelftools raises whatever a damaged header makes of it
        raise UnusableElf(f"{path} is no whole ELF file ({error or type(error).__name__})") from None


def _notes(data: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """elf(5), Notes: name and value are each padded to four bytes."""
    at = 0
    while at + 12 <= len(data):
        name_size, value_size, kind = struct.unpack_from(f"{order}III", data, at)
        name_at = at + 12
        value_at = name_at + (name_size + 3 & ~3)
        yield data[name_at:name_at + name_size], kind, data[value_at:value_at + value_size]
        at = value_at + (value_size + 3 & ~3)


def _read(path: Path, file: BinaryIO, names: set[bytes]) -> Elf:
    elf = ELFFile(file)
    sections = [(section.name, section) for section in elf.iter_sections()]
    table = next((s for _, s in sections if isinstance(s, SymbolTableSection) and s["sh_type"] == "SHT_SYMTAB"), None)
    relocatable = elf["e_type"] == "ET_REL"
    order = "<" if elf.little_endian else ">"
    build_id = next((value.hex() for _, section in sections if isinstance(section, NoteSection)
                     for name, kind, value in _notes(section.data(), order)
                     if (name, kind) == (b"GNU\0", _GNU_BUILD_ID)), "")
    places = [(name, 0 if relocatable else section["sh_addr"], section["sh_size"]) for name, section in sections]
    strings = elf.get_section(table["sh_link"]).data() if table else b""
    entries = list(_entries(elf, table.data(), len(strings))) if table else []
    symbols = _symbols(entries, strings, names, places)
    banner = "" if relocatable else _banner(elf, entries, strings)
    lines = any(name in (".debug_line", ".zdebug_line") for name, _ in sections)
    return Elf(path, build_id, banner, relocatable, lines, symbols)


def _symbols(entries: list[_Entry], strings: bytes, names: set[bytes],
             places: list[tuple[str, int, int]]) -> dict[str, list[Symbol]]:
    code = sorted((section, value, size, name) for section, value, size, name, kind in entries
                  if kind in (_FUNC, _NOTYPE) and not strings.startswith(_HIDDEN, name))
    found: dict[str, list[Symbol]] = {}
    for index, (section, start, size, at) in enumerate(code):
        name = strings[at:strings.index(b"\0", at)]
        # Clang's LTO adds .llvm.HASH to names, which kallsyms takes away again.
        wanted = name if name in names else name.partition(b".llvm.")[0]
        if wanted in names:
            where, base, length = places[section]
            if not base <= start <= base + length:
                raise ValueError(f"{wanted.decode()} lies outside of its section")
            found.setdefault(wanted.decode(), []).append(Symbol(where, start, size, _next(code, index) - start))
    return {name: list(dict.fromkeys(symbols)) for name, symbols in found.items()}


def _next(code: list[tuple[int, int, int, int]], index: int) -> int:
    """Where the next symbol of the section begins; after the last one only the loader knows what follows."""
    section, start = code[index][:2]
    for other, value, *_ in code[index + 1:]:
        if other != section:
            break
        if value > start:
            return value
    return _ENDLESS


def _entries(elf: ELFFile, data: bytes, limit: int) -> Iterator[_Entry]:
    """The symbols that are defined in a section. Not by pyelftools: 130,000 of them would take it 7 s."""
    order = "<" if elf.little_endian else ">"
    form = struct.Struct(f"{order}IBBHQQ" if elf.elfclass == 64 else f"{order}IIIBBH")
    for fields in form.iter_unpack(data[:len(data) // form.size * form.size]):
        if elf.elfclass == 64:
            name, info, _, section, value, size = fields
        else:
            name, value, size, info, _, section = fields
        if _UNDEFINED < section < _RESERVED and 0 < name < limit:
            yield section, value, size, name, info & 0xF


def _banner(elf: ELFFile, entries: list[_Entry], strings: bytes) -> str:
    """linux_banner (init/version-timestamp.c); by its symbol, for .rodata holds an unfinished one too (6.1 on)."""
    at = strings.find(b"\0linux_banner\0") + 1
    for section_number, value, _, name, _ in entries if at else ():
        if name == at:
            section = elf.get_section(section_number)
            begin = value - section["sh_addr"]
            data = b"" if section["sh_type"] == "SHT_NOBITS" else section.data()[begin:begin + _LONGEST]
            return data.partition(b"\0")[0].decode(errors="replace").strip()
    return ""
