"""elf.py: a real wheel's library stays what it is to the loader, and loses what only debuggers read."""

import shutil
import struct
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from bazel.image.elf import SHF_ALLOC, SHT_NOBITS, SHT_SYMTAB, sections, stripped
from tools.backends.process import ran

PT_LOAD = 1


@pytest.fixture(scope="module")
def library() -> Path:
    """The compiled part of cryptography, which comes with its symbol table."""
    package = PathFinder.find_spec("cryptography")
    assert package and package.submodule_search_locations
    (found,) = Path(package.submodule_search_locations[0], "hazmat/bindings").glob("_rust*.so")
    return found


def segments(data: bytes) -> list[tuple[int, ...]]:
    """(type, flags, offset, address, physical address, bytes in the file, bytes in memory, alignment)"""
    (table,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    return [struct.unpack_from("<IIQQQQQQ", data, table + i * 56) for i in range(count)]


def test_what_is_loaded_stays_and_the_symbol_table_goes(library: Path) -> None:
    before = library.read_bytes()
    after = stripped(before)
    (table,) = (s for s in sections(before) if s.type == SHT_SYMTAB)
    assert len(before) - len(after) > table.size > 100_000, "and the names of the symbols"
    assert not [s for s in sections(after) if s.type == SHT_SYMTAB]
    assert segments(after) == segments(before)
    assert any(segment[0] == PT_LOAD for segment in segments(after))
    # But for the header's word that says where the table of sections is.
    for _, _, offset, _, _, size, _, _ in segments(before):
        assert after[max(offset, 64) : offset + size] == before[max(offset, 64) : offset + size]


def test_sections_keep_their_number_name_and_content(library: Path) -> None:
    before, after = library.read_bytes(), stripped(library.read_bytes())
    (index,) = struct.unpack_from("<H", after, 62)
    names = sections(after)[index]
    kept = 0
    assert len(sections(before)) == len(sections(after))
    for one, other in zip(sections(before), sections(after), strict=True):
        if other.type == 0:
            assert not one.flags & SHF_ALLOC
            continue
        kept += 1
        assert other == one._replace(offset=other.offset)
        assert other.offset == one.offset or not one.flags & SHF_ALLOC
        if one.type != SHT_NOBITS:
            assert after[other.offset : other.offset + one.size] == before[one.offset : one.offset + one.size]
    assert kept > 20
    assert after[names.offset + sections(after)[1].name :].partition(b"\0")[0].startswith(b".")


def test_it_is_loaded_and_works(library: Path, tmp_path: Path) -> None:
    """In a process of its own: with this file as the package's compiled part, keys are made and a signature checked."""
    shutil.copytree(library.parents[2], tmp_path / "cryptography")
    copy = tmp_path / "cryptography/hazmat/bindings" / library.name
    copy.chmod(0o644)
    copy.write_bytes(stripped(copy.read_bytes()))
    code = """
from cryptography.hazmat.bindings import _rust
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

key = ec.generate_private_key(ec.SECP256R1())
how = ec.ECDSA(hashes.SHA256())
key.public_key().verify(key.sign(b"text", how), b"text", how)
print(_rust.__file__)
"""
    path = [str(tmp_path), *filter(None, sys.path)]
    done = ran(sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}")
    assert done.stdout == f"{copy}\n", done.stderr


def test_it_is_the_same_the_second_time(library: Path) -> None:
    once = stripped(library.read_bytes())
    assert stripped(once) is once


@pytest.mark.parametrize(
    "data",
    [b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01\x01" + bytes(57), b"\x7fELF\x02\x01\x01" + bytes(57)],
    ids=["empty", "a magic number alone", "a script", "32 bits", "no sections"],
)
def test_what_has_nothing_to_take_out_stays(data: bytes) -> None:
    assert stripped(data) is data
