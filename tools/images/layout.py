"""Reads an OCI layout and unpacks it into a root folder. Specification: OCI image-spec v1.1."""

import json
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Layer:
    digest: str
    path: Path
    created_by: str

    @property
    def packed_bytes(self) -> int:
        return self.path.stat().st_size

    @cached_property
    def members(self) -> list[tarfile.TarInfo]:
        with tarfile.open(self.path) as archive:
            return archive.getmembers()

    @property
    def unpacked_bytes(self) -> int:
        return sum(member.size for member in self.members)


class Image:
    """An image of an OCI layout folder."""

    def __init__(self, folder: Path) -> None:
        """Read a layout. ValueError if its index does not have one image."""
        self._blobs = folder / "blobs/sha256"
        try:
            (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
            self.digest: str = entry["digest"]
            self.manifest = self._json(self.digest)
            self.config = self._json(self.manifest["config"]["digest"])
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{folder} is no OCI layout of one image: {error}") from None

    def _json(self, digest: str) -> dict[str, Any]:
        return dict(json.loads((self._blobs / digest.removeprefix("sha256:")).read_text()))

    @property
    def layers(self) -> list[Layer]:
        """The layers, lowest first."""
        return [
            Layer(descriptor["digest"], self._blobs / descriptor["digest"].removeprefix("sha256:"), history["created_by"])
            for descriptor, history in zip(self.manifest["layers"], self.config["history"], strict=True)
        ]

    @property
    def command(self) -> list[str]:
        run = self.config["config"]
        return list(run.get("Entrypoint", [])) + list(run.get("Cmd", []))

    @property
    def environment(self) -> dict[str, str]:
        return dict(variable.split("=", 1) for variable in self.config["config"].get("Env", []))

    def unpack(self, root: Path) -> None:
        """Unpacks the layers, lowest first, into a folder that is there and empty. Our images have no whiteouts."""
        for layer in self.layers:
            with tarfile.open(layer.path) as archive:
                # Not the `tar` filter: links to absolute paths are right inside the root, and it is only run as one.
                for member in archive:
                    if member.name.startswith(("/", "../")) or "/../" in member.name:
                        raise ValueError(f"{layer.path}: a path that leads out of the root: {member.name}")
                    archive.extract(member, root, set_attrs=not member.issym(), numeric_owner=True)
