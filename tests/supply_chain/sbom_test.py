"""The SBOMs are valid by their own tools, and say what the images' files say."""

import email.parser
import json
import re
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.utils import canonicalize_name
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from tools.backends.runfiles import program
from tools.images.layout import Image

LOCK = json.loads(Path("bazel/debian/lock.json").read_text())


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


@pytest.fixture(scope="session", params=[(s, a) for s in ("elasticsearch", "redis") for a in ("amd64", "arm64")], ids="-".join)
def described(request: pytest.FixtureRequest) -> Described:
    return Described(*request.param)


def held(described: Described) -> set[tuple[str, str, str]]:
    """(type, name, version) of the packages that the image's own files tell of."""
    found = set()
    for _, data in described.files(r"var/lib/dpkg/status\.d/.*"):
        fields = email.parser.Parser().parsestr(data.decode())
        found.add(("deb", fields["Package"], fields["Version"]))
    for _, data in described.files(r"usr/.*\.dist-info/METADATA"):
        fields = email.parser.Parser().parsestr(data.decode())
        found.add(("pypi", canonicalize_name(fields["Name"]), fields["Version"]))
    return found


def told(purls: list[str]) -> set[tuple[str, str, str]]:
    parsed = [PackageURL.from_string(purl) for purl in purls]
    return {(p.type, p.name, p.version or "") for p in parsed if p.type in ("deb", "pypi")}


def test_spdx_by_its_own_validator(described: Described) -> None:
    messages = validate_full_spdx_document(parse_file(str(described.spdx_file)))
    assert [message.validation_message for message in messages] == []


def test_cyclonedx_by_its_own_schema(described: Described) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(described.cyclonedx_file.read_text())
    assert error is None, error


def test_both_list_what_the_image_holds_and_no_more(described: Described) -> None:
    packages = held(described)
    assert len(packages) > 30
    spdx = [p["externalRefs"][0]["referenceLocator"] for p in described.spdx["packages"]]
    cyclonedx = [c["purl"] for c in described.cyclonedx["components"]]
    assert told(spdx) == told(cyclonedx)
    # Its metadata stays out of the images, and all of it but the library that cryptography is linked to.
    assert {name for _, name, _ in told(spdx) - packages} <= {"cffi"}
    assert packages <= told(spdx)
    assert len(cyclonedx) == len(set(cyclonedx)) == len(told(spdx)) + 1, "and our own code"
    assert set(spdx) - set(cyclonedx) == {described.cyclonedx["metadata"]["component"]["purl"]}, "the image itself"


def test_every_file_of_a_wheel_belongs_to_one_that_is_listed(described: Described) -> None:
    names = {canonicalize_name(component["name"]) for component in described.cyclonedx["components"]}
    folders = {path.split("/")[5] for path, _ in described.files(r"usr/local/lib/python3\.11/dist-packages/.*\.(pyc?|so)")}
    # What a wheel is called and what it is imported as, where these differ by more than case and dashes.
    imported = {
        "_cffi_backend": "cffi",
        "async_timeout": "async-timeout",
        "attr": "attrs",
        "jwt": "pyjwt",
        "multipart": "python-multipart",
        "opentelemetry": "opentelemetry-api",
        "rpds": "rpds-py",
    }
    for folder in folders - {"servers", "__pycache__"}:
        module = folder.split(".")[0]
        assert canonicalize_name(imported.get(module, module)) in names, folder


def test_they_are_about_this_very_image(described: Described) -> None:
    digest = described.image.digest.removeprefix("sha256:")
    image = described.spdx["packages"][0]
    assert image["name"] == f"mcp/{described.server}"
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}]
    assert described.cyclonedx["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": digest}]


def test_every_package_has_a_licence_and_the_checksum_of_the_locks(described: Described) -> None:
    locked = {(p["name"], p["version"]): p["sha256"] for p in LOCK["packages"] if p["architecture"] == described.architecture}
    wheels = set(re.findall(r"[0-9a-f]{64}", Path("bazel/python/requirements_linux.txt").read_text()))
    for component in described.cyclonedx["components"]:
        assert component["licenses"], component["name"]
        if component["purl"].startswith("pkg:deb/"):
            assert component["hashes"] == [{"alg": "SHA-256", "content": locked[component["name"], component["version"]]}]
        elif component["purl"].startswith("pkg:pypi/"):
            assert component["hashes"][0]["content"] in wheels
    assert [p["name"] for p in described.spdx["packages"] if p["licenseDeclared"] == "NOASSERTION"] == []


def test_the_time_is_the_locks(described: Described) -> None:
    locked = datetime.fromisoformat(LOCK["snapshot"])
    for text in (described.spdx["creationInfo"]["created"], described.cyclonedx["metadata"]["timestamp"]):
        assert datetime.fromisoformat(text) == locked
