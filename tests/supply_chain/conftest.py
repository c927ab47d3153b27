"""The images of each server and architecture, with what is said about them."""

import json
import re
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tools.backends.runfiles import program
from tools.images.layout import Image

SERVERS = ("elasticsearch", "redis")
ARCHITECTURES = ("amd64", "arm64")


class Described:
    """An image and its SBOMs."""

    def __init__(self, server: str, architecture: str) -> None:
        variable = f"{server}_SBOM_{architecture}".upper()
        self.server, self.architecture = server, architecture
        self.image = Image(program(f"{server}_IMAGE_{architecture}".upper()))
        self.spdx_file, self.cyclonedx_file = program(f"{variable}_SPDX"), program(f"{variable}_CYCLONEDX")

    def files(self, pattern: str) -> Iterator[tuple[str, bytes]]:
        """Path and content of the image's files that match a regular expression."""
        for layer in self.image.layers:
            with tarfile.open(layer.path) as archive:
                for member in archive:
                    if member.isfile() and re.fullmatch(pattern, member.name):
                        file = archive.extractfile(member)
                        assert file
                        yield member.name, file.read()

    @property
    def spdx(self) -> dict[str, Any]:
        return dict(json.loads(self.spdx_file.read_text()))

    @property
    def cyclonedx(self) -> dict[str, Any]:
        return dict(json.loads(self.cyclonedx_file.read_text()))


@pytest.fixture(scope="session", params=[(s, a) for s in SERVERS for a in ARCHITECTURES], ids="-".join)
def described(request: pytest.FixtureRequest) -> Described:
    return Described(*request.param)
