"""What the images hold, and what they must not."""

import marshal
import tarfile
import types
from collections.abc import Iterator
from pathlib import Path

from servers.common import VERSION
from tests.contract.server import SHELLS, check_files
from tests.images.conftest import Unpacked
from tools.images.layout import Image

MB = 1_000_000
MANAGERS = {"apt", "apt-get", "dpkg", "pip", "pip3", "easy_install", "apk", "rpm"}


def is_ours(name: str) -> bool:
    """Return whether a file of an image is made of this repository's sources."""
    return "/dist-packages/servers/" in name or "/dist-packages/examples/" in name


def members(image: Image) -> list[tarfile.TarInfo]:
    return [member for layer in image.layers for member in layer.members]


def test_the_configuration(unpacked: Unpacked) -> None:
    config = unpacked.image.config
    run = config["config"]
    assert (config["os"], config["created"]) == ("linux", "1970-01-01T00:00:00Z")
    assert run["User"] == "1000:1000"
    demo = unpacked.name == "demo"
    ports = ("3000", "8080", "8081") if demo else ("9000",)
    module = "examples.demo" if demo else f"servers.{unpacked.name}"
    assert run["ExposedPorts"] == {f"{port}/tcp": {} for port in ports}
    assert run["Entrypoint"] == ["/usr/bin/python3.11", "-P", "-m", module]
    assert run["Labels"]["org.opencontainers.image.version"] == VERSION
    assert run["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_no_shell_and_no_package_manager(unpacked: Unpacked) -> None:
    names = {Path(member.name).name for member in members(unpacked.image) if not member.isdir()}
    assert not names & (SHELLS | MANAGERS)
    programs = {m.name for m in members(unpacked.image) if Path(m.name).parent.name in ("bin", "sbin") and not m.isdir()}
    assert programs == {"usr/bin/python3.11"}


def test_everything_is_roots_and_nothing_is_setuid_or_writable(unpacked: Unpacked) -> None:
    check_files(unpacked.image)


def test_every_source_of_ours_has_its_bytecode(unpacked: Unpacked) -> None:
    names = {member.name for member in members(unpacked.image)}
    ours = [n for n in names if is_ours(n) and n.endswith(".py")]
    assert len(ours) > 10
    for name in ours:
        path = Path(name)
        assert f"{path.parent}/__pycache__/{path.stem}.cpython-311.pyc" in names
    assert not [n for n in ours if n.endswith(("_test.py", "conftest.py"))]


def test_of_python_and_the_wheels_there_is_bytecode_alone(unpacked: Unpacked) -> None:
    names = {member.name for member in members(unpacked.image) if not is_ours(member.name)}
    # anyio reads its own sources; see bazel/image/defs.bzl.
    assert {n.partition("/dist-packages/")[2] for n in names if n.endswith(".py")} == {
        "anyio/__init__.py",
        "anyio/abc/__init__.py",
    }
    assert sum(n.endswith(".pyc") for n in names) > 800


def functions(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from functions(constant)


def test_bytecode_alone_has_lines_and_no_columns(unpacked: Unpacked) -> None:
    """PEP 657: columns are of use to who has the source, and take a tenth of the file."""
    for path in ("usr/lib/python3.11/argparse.pyc", "usr/local/lib/python3.11/dist-packages/starlette/routing.pyc"):
        code = marshal.loads((unpacked.root / path).read_bytes()[16:])
        assert code.co_filename == f"/{path[:-1]}"
        for function in functions(code):
            positions = list(function.co_positions())
            assert any(line for line, *_ in positions)
            assert not [column for _, _, *columns in positions for column in columns if column is not None]


def test_bytecode_is_never_checked_against_its_source(unpacked: Unpacked) -> None:
    for file in list(unpacked.root.glob("usr/**/*.pyc"))[:200]:
        assert file.read_bytes()[4:8] == b"\x01\0\0\0", "PEP 552: hash-based, unchecked"


def test_debian_packages_are_known_to_scanners_with_their_licences(unpacked: Unpacked) -> None:
    packages = {file.name for file in (unpacked.root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3", "python3.11-minimal", "tzdata"} <= packages
    # libpython3.11-stdlib and the like link to the copyright of a package they depend on.
    for package in ("libc6", "tzdata", "ca-certificates"):
        assert (unpacked.root / "usr/share/doc" / package / "copyright").exists(), package


def test_size(unpacked: Unpacked) -> None:
    assert sum(layer.packed_bytes for layer in unpacked.image.layers) < 22 * MB
    assert sum(layer.unpacked_bytes for layer in unpacked.image.layers) < 70 * MB
