"""Takes out of an ELF file what only debuggers and linkers read, as `strip` does. Format: System V ABI, chapter 4."""

import struct
from typing import NamedTuple

ELF64_LITTLE = b"\x7fELF\x02\x01"
SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS = 2, 3, 8
SHF_ALLOC = 2
_SECTION = struct.Struct("<IIQQQQIIQQ")


class Section(NamedTuple):
    """A section's header (Elf64_Shdr)."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def sections(data: bytes) -> list[Section]:
    """Return the headers of the sections of a 64-bit little-endian file."""
    (table,) = struct.unpack_from("<Q", data, 40)
    (count,) = struct.unpack_from("<H", data, 60)
    return [Section(*_SECTION.unpack_from(data, table + i * _SECTION.size)) for i in range(count)]


def stripped(data: bytes) -> bytes:
    """Return a file without symbol table (.symtab, .strtab) and debug sections, or as it is if it is no 64-bit little-endian ELF.

    What is loaded into memory keeps its place and its bytes, and the other sections their number, for symbols and sections
    refer to sections by number: the header of one that goes becomes SHT_NULL.
    """
    if not data.startswith(ELF64_LITTLE):
        return data
    (segments_at,) = struct.unpack_from("<Q", data, 32)
    segment_size, segments, section_size, count, names_index = struct.unpack_from("<HHHHH", data, 54)
    if section_size != _SECTION.size or names_index >= count:
        return data
    headers = dict(enumerate(sections(data)))
    names = headers[names_index].offset

    def goes(index: int, section: Section) -> bool:
        if section.flags & SHF_ALLOC or index == names_index:
            return False
        return section.type in (SHT_SYMTAB, SHT_STRTAB) or data.startswith(b".debug_", names + section.name)

    gone = {index for index, section in headers.items() if goes(index, section)}
    if not gone:
        return data
    loaded = [struct.unpack_from("<Q16xQ", data, segments_at + i * segment_size + 8) for i in range(segments)]
    loaded += [(s.offset, s.size) for s in headers.values() if s.flags & SHF_ALLOC and s.type != SHT_NOBITS]
    end = max(offset + size for offset, size in loaded)
    output = bytearray(data[:end])
    headers |= {index: Section(*[0] * 10) for index in gone}
    for index, section in sorted(headers.items(), key=lambda pair: pair[1].offset):
        if index not in gone and section.offset >= end and section.type != SHT_NOBITS:
            _align(output, section.alignment)
            headers[index] = section._replace(offset=len(output))
            output += data[section.offset : section.offset + section.size]
    _align(output, 8)
    struct.pack_into("<Q", output, 40, len(output))
    for section in headers.values():
        output += _SECTION.pack(*section)
    return bytes(output)


def _align(output: bytearray, alignment: int) -> None:
    output += bytes(-len(output) % max(alignment, 1))
