"""The built images, unpacked once for all tests of a file."""

from pathlib import Path

import pytest

from tools.backends.runfiles import program
from tools.images.layout import Image

NAMES = ("redis", "elasticsearch")
"""The MCP servers."""

ALL = (*NAMES, "demo")


class Unpacked:
    """An image and the folder that holds its files."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.image = Image(program(f"{name.upper()}_IMAGE"))
        self.root = root
        self.image.unpack(root)


@pytest.fixture(scope="session", params=ALL)
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return Unpacked(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session", params=NAMES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return Unpacked(request.param, tmp_path_factory.mktemp(request.param))
