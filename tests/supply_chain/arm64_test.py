"""The arm64 images: by their files, and started on an arm64 processor that qemu emulates, by their own loader."""

import json
import os
import posixpath
import struct
import tarfile
import urllib.request
from pathlib import Path

import pytest
from mcp import Client

from tools.backends.process import Process, answers, free_port
from tools.backends.redis import RedisServer
from tools.backends.runfiles import program
from tools.images.layout import Image

SERVERS = ("elasticsearch", "redis")
MACHINES = {"amd64": 62, "arm64": 183}  # e_machine of ELF: EM_X86_64, EM_AARCH64
LOADERS = {"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}


class Files:
    """The files of an image by path, and its links."""

    def __init__(self, image: Image) -> None:
        self.architecture = image.config["architecture"]
        self.data: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        for layer in image.layers:
            with tarfile.open(layer.path) as archive:
                for member in archive:
                    if member.issym():
                        self.links[member.name] = member.linkname
                    elif member.isfile() and (file := archive.extractfile(member)):
                        self.data[member.name] = file.read()

    def resolve(self, path: str) -> str:
        """The path of a file, through links."""
        path = path.lstrip("/")
        for _ in range(10):
            if path not in self.links:
                return path
            path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), self.links[path])).lstrip("/")
        raise AssertionError(f"{path}: links in a circle")


@pytest.fixture(scope="module", params=SERVERS)
def both(request: pytest.FixtureRequest) -> dict[str, Files]:
    images = (Image(program(f"{request.param}_IMAGE_{a}".upper())) for a in MACHINES)
    files = (Files(image) for image in images)
    return {f.architecture: f for f in files}


def interpreter(elf: bytes) -> str | None:
    """The loader that a 64-bit little-endian ELF file asks for: its segment PT_INTERP."""
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for index in range(count):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", elf, offset + index * size)
        if kind == 3:
            return elf[start : start + length].rstrip(b"\0").decode()
    return None


@pytest.mark.parametrize("architecture", list(MACHINES))
def test_every_binary_is_of_its_architecture_and_its_loader_is_there(both: dict[str, Files], architecture: str) -> None:
    files = both[architecture]
    binaries = {path: data for path, data in files.data.items() if data[:4] == b"\x7fELF"}
    assert len(binaries) > 30
    for path, data in binaries.items():
        assert (data[4], data[5], data[18]) == (2, 1, MACHINES[architecture]), path
    assert interpreter(binaries["usr/bin/python3.11"]) == LOADERS[architecture]
    assert files.resolve(LOADERS[architecture]) in binaries


def test_sources_and_bytecode_are_the_same(both: dict[str, Files]) -> None:
    pure = {
        architecture: {path: data for path, data in files.data.items() if path.endswith((".py", ".pyc"))}
        for architecture, files in both.items()
    }
    assert len(pure["amd64"]) > 800

    def own(path: str) -> bool:
        # What a build of Python says of itself, and what a build of libffi's bindings says of the compiler.
        return any(name in path for name in ("_sysconfigdata_", "x86_64", "aarch64"))

    names = {a: {p for p in found if not own(p)} for a, found in pure.items()}
    assert names["amd64"] == names["arm64"]
    differing = [path for path in sorted(names["amd64"]) if pure["amd64"][path] != pure["arm64"][path]]
    assert differing == []
    assert sum(path.endswith(".pyc") for path in names["amd64"]) > 500


def status(url: str) -> object:
    with urllib.request.urlopen(url + "/health", timeout=600) as answer:
        return json.load(answer)["status"]


@pytest.mark.anyio
@pytest.mark.parametrize("server", SERVERS)
async def test_it_starts_on_arm64(server: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    image = Image(program(f"{server}_IMAGE_ARM64".upper()))
    image.unpack(root)
    port = free_port()
    libraries = ":".join(str(root / folder / "aarch64-linux-gnu") for folder in ("lib", "usr/lib"))
    loader = root / "lib/aarch64-linux-gnu/ld-linux-aarch64.so.1"
    python = [str(program("QEMU")), str(loader), "--library-path", libraries, f"{root}{image.command[0]}"]
    env = image.environment | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{root}/usr/local/lib/python3.11/dist-packages",
        "PYTHONNOUSERSITE": "1",
        "MCP_HOST": "127.0.0.1",
        "MCP_PORT": str(port),
    }
    url = f"http://127.0.0.1:{port}"
    with RedisServer() as redis:
        env |= {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port), "ES_HOST": "127.0.0.1", "ES_PORT": "1"}
        with Process(server, [*python, *image.command[1:]], tmp_path / "log", env) as process:
            process.wait_until(lambda: answers(url + "/health"))
            assert status(url) == "ok"
            if server == "redis":
                async with Client(url + "/mcp") as client:
                    result = await client.call_tool("redis_info")
                assert not result.is_error and result.structured_content
                assert result.structured_content["version"]
