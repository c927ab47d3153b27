"""Writes an image layer: a .tar.gz whose bytes depend on its inputs alone.

layer.py SPEC.json OUTPUT, where SPEC has
    debs      .deb files to unpack
    wheels    .whl files to install
    sources   {path in the image: file}, and data
    programs  {path in the image: file}, which may be run
    files     {path in the image: {"text": ...} | {"directory": mode} | {"link": target}}
    left_out  globs of paths (as fnmatch), of debs and wheels, that stay out; a later "!GLOB" takes some in again
    bytecode  of Python sources: "beside" them, or "instead" of them: then without docstrings
    readers   globs of sources that stay although bytecode comes instead, for they are read when they are imported
Paths are without a leading slash. Formats: deb(5), the wheel format of packaging.python.org, ustar/pax of POSIX.1-2001.
"""

import ast
import fnmatch
import io
import json
import marshal
import posixpath
import sys
import tarfile
import zipfile
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import Any, NamedTuple

import deflate
from debian.arfile import ArError
from debian.debfile import DebFile

from bazel.image.elf import stripped

SITE = "usr/local/lib/python3.11/dist-packages"
CA_SOURCES = "usr/share/ca-certificates/mozilla/"
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


class Entry(NamedTuple):
    """What lies at a path of the layer: a file with its content, a link with its target, or a directory."""

    kind: bytes  # of tarfile: REGTYPE, SYMTYPE, DIRTYPE
    mode: int
    data: bytes = b""
    target: str = ""


class LayerError(Exception):
    """An input that no layer can be made of."""


class Layer:
    """The entries of a layer by path."""

    def __init__(self, left_out: list[str]) -> None:
        self.entries: dict[str, Entry] = {}
        self._left_out = left_out

    def wanted(self, path: str) -> bool:
        wanted = True
        for pattern in self._left_out:
            if fnmatch.fnmatchcase(path, pattern.removeprefix("!")):
                wanted = pattern.startswith("!")
        return wanted

    def add(self, path: str, entry: Entry) -> None:
        known = self.entries.get(path)
        if known and known != entry and not known.kind == entry.kind == tarfile.DIRTYPE:
            raise LayerError(f"two inputs have a different /{path}")
        self.entries[path] = entry

    def add_file(self, path: str, data: bytes, executable: bool = False) -> None:
        # Owner and permissions come from us: nothing is writable but by root, and nothing setuid.
        self.add(path, Entry(tarfile.REGTYPE, 0o755 if executable else 0o644, data))

    def add_deb(self, deb: Path) -> None:
        try:
            package = DebFile(deb)
        except ArError as error:
            raise LayerError(f"{deb} is no Debian package: {error}") from None
        with package:
            archive = package.data.tgz()
            for member in archive:
                path = posixpath.normpath(member.name)
                if path == "." or member.isdir() or not self.wanted(path):
                    continue
                if member.issym():
                    self.add(path, Entry(tarfile.SYMTYPE, 0o777, target=member.linkname))
                else:
                    file = archive.extractfile(member)  # of a hard link: what it links to
                    if file is None:
                        raise LayerError(f"{deb}: /{path} is neither file, link nor directory")
                    self.add_file(path, file.read(), bool(member.mode & 0o111))
            # Where scanners of images without dpkg look for it.
            text = package.control.get_file("control").read()
            self.add_file(f"var/lib/dpkg/status.d/{package.debcontrol()['Package']}", text)

    def add_wheel(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                parts = member.filename.split("/")
                if member.is_dir():
                    continue
                if parts[0].endswith(".data"):
                    if parts[1] not in ("purelib", "platlib"):
                        continue  # programs and headers: nothing here runs or compiles them
                    parts = parts[2:]
                path = f"{SITE}/{'/'.join(parts)}"
                if self.wanted(path) and not path.endswith((".dist-info/RECORD", ".dist-info/INSTALLER")):
                    # Debian's binaries are stripped; of wheels, few are.
                    self.add_file(path, stripped(archive.read(member)), bool(member.external_attr >> 16 & 0o111))

    def bundle_certificates(self) -> None:
        """Return what update-ca-certificates would write on the machine."""
        names = sorted(path for path in self.entries if path.startswith(CA_SOURCES))
        if names:
            parts = (self.entries.pop(name).data.decode() for name in names)
            self.add_file(CA_BUNDLE, "".join(p if p.endswith("\n") else p + "\n" for p in parts).encode())

    def compile(self, instead: bool, readers: list[str]) -> None:
        """Add bytecode of each Python source, with the source's hash unchecked: a read-only image has no newer source.

        `instead`: it takes the source's place (PEP 3147) and has no docstrings, except where a glob of `readers` matches.
        """
        for path, entry in sorted(self.entries.items()):
            if not path.endswith(".py") or entry.kind != tarfile.REGTYPE:
                continue
            alone = instead and not any(fnmatch.fnmatchcase(path, pattern) for pattern in readers)
            data = bytecode(path, entry.data, alone)
            folder, name = posixpath.split(path)
            if data and alone:
                del self.entries[path]
                self.add_file(f"{path}c", data)
            elif data:
                self.add_file(f"{folder}/__pycache__/{name[:-3]}.cpython-311.pyc", data)
        for path, entry in list(self.entries.items()):
            linked = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), entry.target))[1:]
            if entry.kind == tarfile.SYMTYPE and linked.endswith(".py") and f"{linked}c" in self.entries:
                del self.entries[path]
                self.add(f"{path}c", entry._replace(target=f"{entry.target}c"))

    def write(self, output: Path) -> None:
        for path in list(self.entries):
            while path := posixpath.dirname(path):
                self.entries.setdefault(path, Entry(tarfile.DIRTYPE, 0o755))
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path, entry in sorted(self.entries.items()):
                info = tarfile.TarInfo(path)
                info.type, info.mode, info.linkname = entry.kind, entry.mode, entry.target
                info.size = len(entry.data)
                archive.addfile(info, io.BytesIO(entry.data))
        # libdeflate, which packs tighter than zlib, with no name and no time in the header (RFC 1952). Its level 12 takes
        # 1.6 times as long, for 0.1 % less.
        output.write_bytes(deflate.gzip_compress(content.getvalue(), 10))


def bytecode(path: str, data: bytes, undocumented: bool) -> bytes:
    """Return a .pyc, PEP 552 with an unchecked hash, of a path in the image, its content, and whether docstrings go.

    It is empty for a source that this Python can't compile (a template).
    """
    # Python has each text of at most one character once. Bytecode tells whether it is interned, which other code may have done.
    for text in ("", *map(chr, range(256))):
        sys.intern(text)
    try:
        # By the source's name, wherever the bytecode lies: tracebacks are read beside the sources.
        code = compile(without_docstrings(ast.parse(data)) if undocumented else data, "/" + path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return b""
    return MAGIC_NUMBER + b"\1\0\0\0" + source_hash(data) + marshal.dumps(code)


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The module without docstrings, and with its asserts, which `python -OO` would take out as well.

    A dataclass gets a short one: where there is none, `dataclass` makes `Name(x: int)` by introspection, at each start.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first = node.body[0] if node.body else node
        # All of them: a string after the docstring would become the docstring.
        while ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            node.body.insert(0, ast.Expr(ast.Constant(f"{node.name}(...)")))
        elif not node.body and not isinstance(node, ast.Module):
            node.body.append(ast.Pass())
        else:
            continue
        ast.fix_missing_locations(ast.copy_location(node.body[0], first))
    return tree


def build(spec: dict[str, Any]) -> Layer:
    layer = Layer(spec.get("left_out", []))
    for deb in spec.get("debs", []):
        layer.add_deb(Path(deb))
    for wheel in spec.get("wheels", []):
        layer.add_wheel(Path(wheel))
    for path, file in spec.get("sources", {}).items():
        layer.add_file(path, Path(file).read_bytes())
    for path, file in spec.get("programs", {}).items():
        layer.add_file(path, Path(file).read_bytes(), executable=True)
    for path, what in spec.get("files", {}).items():
        if "directory" in what:
            layer.add(path, Entry(tarfile.DIRTYPE, int(what["directory"], 8)))
        elif "link" in what:
            layer.add(path, Entry(tarfile.SYMTYPE, 0o777, target=what["link"]))
        else:
            layer.add_file(path, what["text"].encode())
    layer.bundle_certificates()
    if how := spec.get("bytecode"):
        layer.compile(how == "instead", spec.get("readers", []))
    return layer


def main(spec: str, output: str) -> None:
    try:
        build(json.loads(Path(spec).read_text())).write(Path(output))
    except LayerError as error:
        sys.exit(f"layer: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
