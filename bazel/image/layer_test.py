"""layer.py: a layer's bytes depend on its inputs alone, and nothing comes in that should not."""

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools.backends.process import ran

LAYER = Path("bazel/image/layer.py").resolve()
SITE = "usr/local/lib/python3.11/dist-packages"


def tar(members: dict[str, tuple[int, bytes | str]], mtime: int = 0) -> bytes:
    """A .tar.gz of files (mode, content) and symbolic links (mode, target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, (mode, content) in members.items():
            info = tarfile.TarInfo("./" + name)
            info.mode, info.mtime = mode, mtime
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def deb(file: Path, members: dict[str, tuple[int, bytes | str]], mtime: int = 0) -> Path:
    """Writes a Debian package as deb(5) has it."""
    control = tar({"control": (0o644, f"Package: {file.stem}\nVersion: 1\n".encode())})
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": control, "data.tar.gz": tar(members, mtime)}
    content = b"!<arch>\n"
    for name, data in parts.items():
        content += f"{name:<16}{mtime:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n".encode() + data
        content += b"\n" * (len(data) % 2)
    file.write_bytes(content)
    return file


def wheel(file: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def run(folder: Path, spec: dict[str, Any], **how: Any) -> subprocess.CompletedProcess[str]:
    (folder / "spec.json").write_text(json.dumps(spec))
    path = os.pathsep.join(str(Path(p).absolute()) for p in sys.path if p)
    how |= {"env": dict(os.environ) | how.get("env", {}) | {"PYTHONPATH": path}}
    return ran(sys.executable, LAYER, folder / "spec.json", folder / "layer.tar.gz", **how)


def layer(folder: Path, spec: dict[str, Any]) -> dict[str, tarfile.TarInfo]:
    done = run(folder, spec)
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / "layer.tar.gz") as archive:
        return {member.name: member for member in archive}


def unpacked(folder: Path, spec: dict[str, Any]) -> Path:
    """The folder of modules of a layer, unpacked."""
    layer(folder, spec)
    with tarfile.open(folder / "layer.tar.gz") as archive:
        archive.extractall(folder / "root")
    return folder / "root" / SITE


def python(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs code that finds modules in a folder."""
    env = dict(os.environ) | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    return ran(sys.executable, "-c", code, env=env)


def inputs(folder: Path, mtime: int, bytecode: str = "beside") -> dict[str, Any]:
    """The same inputs in some folder, of some time."""
    folder.mkdir()
    package = deb(
        folder / "tool.deb",
        {"usr/bin/tool": (0o4755, b"\x7fELF"), "usr/lib/z.py": (0o600, b"A = 'a b c d'\n"), "usr/x": (0o777, "lib")},
        mtime,
    )
    whl = wheel(folder / "w-1.0-py3-none-any.whl", {"w/__init__.py": "def f(x):\n    return x\n", "w/m.py": "Z = {1, 2}\n"})
    source = folder / "mine.py"
    source.write_text("import os\n")
    for file in folder.iterdir():
        os.utime(file, (mtime, mtime))
    return {
        "debs": [str(package)],
        "wheels": [str(whl)],
        "sources": {f"{SITE}/mine.py": str(source)},
        "programs": {"usr/bin/mine": str(source)},
        "files": {"tmp": {"directory": "1777"}, "etc/hello": {"text": "hi\n"}, "bin": {"link": "usr/bin"}},
        "bytecode": bytecode,
    }


@pytest.mark.parametrize("bytecode", ["beside", "instead"])
def test_bytes_do_not_depend_on_time_place_mask_or_hash_seed(tmp_path: Path, bytecode: str) -> None:
    found = []
    for mtime, umask, seed in ((1, 0o022, "0"), (1_700_000_000, 0o077, "12345")):
        folder = tmp_path / f"place {mtime}"
        spec = inputs(folder, mtime, bytecode)
        done = run(folder, spec, umask=umask, env={"PYTHONHASHSEED": seed}, cwd=folder)
        assert done.returncode == 0, done.stderr
        found.append((folder / "layer.tar.gz").read_bytes())
    # Archives inside the inputs differ by their times; the layer does not.
    assert (tmp_path / "place 1/tool.deb").read_bytes() != (tmp_path / "place 1700000000/tool.deb").read_bytes()
    assert found[0] == found[1]


def test_owner_mode_and_time_are_ours(tmp_path: Path) -> None:
    members = layer(tmp_path, inputs(tmp_path / "in", 1_700_000_000))
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members.values()} == {(0, 0, "", "", 0)}
    assert members["usr/bin/tool"].mode == 0o755, "setuid"
    assert members["usr/lib/z.py"].mode == 0o644
    assert members["usr/bin/mine"].mode == 0o755, "a program may be run"
    assert members["tmp"].mode == 0o1777
    assert members["usr/x"].linkname == "lib"
    assert list(members) == sorted(members), "folders come before what they hold"


def test_bytecode_does_not_depend_on_what_else_has_interned_a_character(tmp_path: Path) -> None:
    characters = [chr(number) for number in range(128)]
    whl = wheel(tmp_path / "w-1.0-py3-none-any.whl", {"m.py": f"ALL = {characters!r}"})
    data = (unpacked(tmp_path, {"wheels": [str(whl)], "bytecode": "instead"}) / "m.pyc").read_bytes()
    # marshal.c: a reference to a short ASCII text that is interned; 'z' in place of 'Z' would be one that is not.
    assert [c for c in characters if bytes([ord("Z") | 0x80, 1, ord(c)]) not in data] == []


MODULE = '''"""Of the module."""
from __future__ import annotations
from dataclasses import dataclass

class Plain:
    """Of a class."""

    def method(self):
        """Of a method."""
        return self.method.__doc__

    async def waiting(self):
        """All of its body."""

@dataclass
class Point:
    """Of a dataclass."""

    x: int

def function(x):
    """Of a function."""
    "Another string, which must not become the docstring."
    assert x, "asserts stay"
    return x
'''


def test_bytecode_instead_has_asserts_and_no_docstrings(tmp_path: Path) -> None:
    whl = wheel(tmp_path / "w-1.0-py3-none-any.whl", {"m.py": MODULE})
    site = unpacked(tmp_path, {"wheels": [str(whl)], "bytecode": "instead"})
    code = """
import m
print([o.__doc__ for o in (m, m.Plain, m.Plain.method, m.Plain.waiting, m.function)], m.Plain().method())
print(m.Point.__doc__)
m.function(0)
"""
    done = python(site, code)
    assert done.stdout == "[None, None, None, None, None] None\nPoint(...)\n"
    # The source's name and line, wherever the bytecode lies.
    line = MODULE.splitlines().index('    assert x, "asserts stay"') + 1
    assert f'File "/{SITE}/m.py", line {line}, in function\nAssertionError: asserts stay\n' in done.stderr


def test_a_link_to_a_source_leads_to_what_comes_instead(tmp_path: Path) -> None:
    files = {f"{SITE}/{name}": (0o777, what) for name, what in {"link.py": "real.py", "away.py": "/etc/x.py"}.items()}
    package = deb(tmp_path / "d.deb", files | {f"{SITE}/real.py": (0o644, b"A = 1\n")})
    found = layer(tmp_path, {"debs": [str(package)], "bytecode": "instead"})
    assert {name.rpartition("/")[2]: m.linkname for name, m in found.items() if m.issym()} == {
        "link.pyc": "real.pyc",
        "away.py": "/etc/x.py",
    }
    done = python(
        unpacked(tmp_path, {"debs": [str(package)], "bytecode": "instead", "left_out": ["*/away.py"]}),
        "import link; print(link.A)",
    )
    assert done.stdout == "1\n", done.stderr


def test_a_link_to_a_source_is_not_compiled(tmp_path: Path) -> None:
    package = deb(tmp_path / "d.deb", {"usr/lib/link.py": (0o777, "/etc/real.py")})
    found = layer(tmp_path, {"debs": [str(package)], "bytecode": "beside"})
    assert "usr/lib/link.py" in found
    assert not [name for name in found if name.endswith(".pyc")]


@pytest.mark.parametrize("bytecode", ["beside", "instead"])
def test_a_template_that_does_not_compile_has_no_bytecode(tmp_path: Path, bytecode: str) -> None:
    whl = wheel(tmp_path / "w-1.0-py3-none-any.whl", {"w/template.py": "{{ name }} ="})
    members = layer(tmp_path, {"wheels": [str(whl)], "bytecode": bytecode})
    assert f"{SITE}/w/template.py" in members
    assert not any(name.endswith(".pyc") for name in members)


def test_left_out_and_taken_in_again(tmp_path: Path) -> None:
    package = deb(tmp_path / "d.deb", {f"usr/share/doc/d/{n}": (0o644, b"x") for n in ("changelog", "copyright")})
    members = layer(tmp_path, {"debs": [str(package)], "left_out": ["usr/share/doc/*", "!*/copyright"]})
    assert "usr/share/doc/d/copyright" in members
    assert "usr/share/doc/d/changelog" not in members


def test_a_wheels_programs_stay_out(tmp_path: Path) -> None:
    whl = wheel(
        tmp_path / "w-1.0-py3-none-any.whl",
        {"w-1.0.data/scripts/w": "x", "w-1.0.data/purelib/w.py": "", "w-1.0.dist-info/RECORD": ""},
    )
    members = layer(tmp_path, {"wheels": [str(whl)]})
    assert [name for name, member in members.items() if member.isfile()] == [f"{SITE}/w.py"]


def test_certificates_become_a_bundle(tmp_path: Path) -> None:
    folder = "usr/share/ca-certificates/mozilla"
    package = deb(tmp_path / "ca.deb", {f"{folder}/b.crt": (0o644, b"B"), f"{folder}/a.crt": (0o644, b"A\n")})
    layer(tmp_path, {"debs": [str(package)]})
    with tarfile.open(tmp_path / "layer.tar.gz") as archive:
        file = archive.extractfile("etc/ssl/certs/ca-certificates.crt")
        assert file
        assert file.read() == b"A\nB\n"


def test_two_inputs_with_a_different_file_are_refused(tmp_path: Path) -> None:
    debs = [deb(tmp_path / f"{n}.deb", {"usr/lib/same": (0o644, n.encode())}) for n in ("one", "two")]
    done = run(tmp_path, {"debs": [str(d) for d in debs]})
    assert done.returncode == 1
    assert done.stderr == "layer: two inputs have a different /usr/lib/same\n"


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.deb").write_text("<html>")
    done = run(tmp_path, {"debs": [str(tmp_path / "no.deb")]})
    assert done.returncode == 1
    assert done.stderr == f"layer: {tmp_path}/no.deb is no Debian package: Unable to find global header\n"
